/**
 * A step: conditions and actions as a list of texts, read, checked and then done in one script.
 *
 *   ARGV    conditions' number, each: kind, place of its key in KEYS, …     actions' number, each the same
 *           a list inside one is its length and its members
 *   reply   [0, place of the condition that did not hold] or [1, result, result, …]
 *
 * KEYS[1] is a key that does not exist: an empty SETRANGE on it changes nothing, but is refused like any write that may grow (full
 * memory, a replica, a disk that fails), and that before anything was changed; behind it a script is not refused any more.
 */
import { createHash } from 'node:crypto'
import type { Action, Condition, FieldValue, Step } from '../../backend.ts'
import type { CommandArgument } from '../redis-client.ts'
import { defineScript } from '../redis-script.ts'

export interface StepArguments {
  readonly step: Step
  /** Behind the probe's. */
  readonly keys: readonly string[]
  /** XADD's trimming options. */
  readonly trimOf: (action: Action & { readonly kind: 'append' }) => readonly CommandArgument[]
}

const LUA = `
local at = 1
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end
local function takeMany()
  local many = {}
  for i = 1, tonumber(take()) do many[i] = take() end
  return many
end

local function readCondition()
  local one = { kind = take(), key = KEYS[tonumber(take())] }
  if one.kind == 'owns' then
    one.group, one.consumer, one.ids = take(), take(), takeMany()
  elseif one.kind == 'entry' then
    one.id = take()
  else
    one.oneOf = takeMany()
  end
  return one
end

local function readAction()
  local one = { kind = take(), key = KEYS[tonumber(take())] }
  if one.kind == 'append' then
    one.rest = takeMany()
  elseif one.kind == 'acknowledge' then
    one.group, one.ids = take(), takeMany()
  elseif one.kind == 'delete' then
    one.ids = takeMany()
  elseif one.kind == 'set' then
    one.value, one.expireMs = take(), take()
  elseif one.kind == 'increment' then
    one.by, one.expireMs = take(), take()
  end
  return one
end

local conditions, actions = {}, {}
for i = 1, tonumber(take()) do conditions[i] = readCondition() end
for i = 1, tonumber(take()) do actions[i] = readAction() end

local onStreams = { owns = true, entry = true, append = true, acknowledge = true, delete = true }
local grows = { append = true, set = true, increment = true }
local types, groups, numbers = {}, {}, {}

local function typeOf(key)
  if not types[key] then types[key] = redis.call('TYPE', key).ok end
  return types[key]
end
local function hasGroup(key, group)
  if typeOf(key) == 'none' then return false end
  if not groups[key] then
    groups[key] = {}
    for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      for i = 1, #info, 2 do
        if info[i] == 'name' then groups[key][info[i + 1]] = true end
      end
    end
  end
  return groups[key][group]
end
local function isInteger(text)
  return text == '0' or (string.match(text, '^%-?[1-9]%d*$') ~= nil and #text <= 17)
end
local function refusal(one)
  if one.kind == 'time' then return end
  local kind = typeOf(one.key)
  if kind ~= 'none' and kind ~= (onStreams[one.kind] and 'stream' or 'string') then
    return 'WRONGTYPE Operation against a key holding the wrong kind of value'
  end
  if one.group and not hasGroup(one.key, one.group) then
    return "NOGROUP No such key '" .. one.key .. "' or consumer group '" .. one.group .. "'"
  end
  if one.kind == 'set' then numbers[one.key] = one.value end
  if one.kind == 'remove' then numbers[one.key] = '0' end
  if one.kind == 'increment' then
    local before = numbers[one.key] or redis.call('GET', one.key) or '0'
    local sum = isInteger(before) and tonumber(before) + tonumber(one.by)
    if not sum or math.abs(sum) > 9007199254740991 then
      return "STEPARGUMENT Expected '" .. one.key .. "' to hold an integer that stays within 2^53 for an increment"
    end
    numbers[one.key] = string.format('%.0f', sum)
  end
end
local isGrowing = false
for _, list in ipairs({ conditions, actions }) do
  for _, one in ipairs(list) do
    local line = refusal(one)
    if line then return redis.error_reply(line) end
    if grows[one.kind] then isGrowing = true end
  end
end

local function holds(one)
  if one.kind == 'owns' then
    for _, id in ipairs(one.ids) do
      if #redis.call('XPENDING', one.key, one.group, id, id, 1, one.consumer) == 0 then return false end
    end
    return true
  end
  if one.kind == 'entry' then return #redis.call('XRANGE', one.key, one.id, one.id) == 1 end
  local found = redis.call('GET', one.key)
  found = found and ('v' .. found) or 'n'
  for _, value in ipairs(one.oneOf) do
    if value == found then return true end
  end
  return false
end
for i, one in ipairs(conditions) do
  if not holds(one) then return { 0, i - 1 } end
end

if isGrowing then redis.call('SETRANGE', KEYS[1], 0, '') end
local function act(one)
  if one.kind == 'append' then return redis.call('XADD', one.key, unpack(one.rest)) end
  if one.kind == 'acknowledge' then return redis.call('XACK', one.key, one.group, unpack(one.ids)) end
  if one.kind == 'delete' then return redis.call('XDEL', one.key, unpack(one.ids)) end
  if one.kind == 'remove' then return redis.call('DEL', one.key) end
  if one.kind == 'get' then return redis.call('GET', one.key) end
  if one.kind == 'set' then
    if one.expireMs == '' then redis.call('SET', one.key, one.value)
    else redis.call('SET', one.key, one.value, 'PX', one.expireMs) end
    return false
  end
  if one.kind == 'increment' then
    local isNew = redis.call('EXISTS', one.key) == 0
    local sum = redis.call('INCRBY', one.key, one.by)
    if isNew and one.expireMs ~= '' then redis.call('PEXPIRE', one.key, one.expireMs) end
    return string.format('%.0f', sum)
  end
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
local reply = { 1 }
for i, one in ipairs(actions) do reply[i + 1] = act(one) end
return reply
`

export const stepScript = defineScript({
  effect: 'write',
  lua: LUA,
  argv: ({ step, keys, trimOf }: StepArguments) => {
    // KEYS begins at 1, with the probe's.
    const places = new Map(keys.map((key, i) => [key, i + 2]))
    const placeOf = (part: Condition | Action): number => {
      if ('stream' in part) return places.get(part.stream)!
      return 'key' in part ? places.get(part.key)! : 1
    }
    const conditions = step.if ?? []
    return [
      conditions.length,
      ...conditions.flatMap((one) => [one.kind, placeOf(one), ...conditionArguments(one)]),
      step.do.length,
      ...step.do.flatMap((one) => [
        one.kind,
        placeOf(one),
        ...(one.kind === 'append' ? many([...trimOf(one), '*', ...one.fields.map(argument)]) : actionArguments(one)),
      ]),
    ]
  },
})

/** A key that nobody uses, in the slot of `key`: the tag decides. */
export function probeKey(key: string, tag: string | undefined): string {
  const name = createHash('sha1').update(key).digest('hex').slice(0, 12)
  return tag === undefined && !key.includes('}') ? `{${key}}:probe:${name}` : `${key}:probe:${name}`
}

function conditionArguments(condition: Condition): readonly CommandArgument[] {
  switch (condition.kind) {
    case 'owns':
      return [condition.group, condition.consumer, ...many(condition.ids)]
    case 'entry':
      return [condition.id]
    case 'value':
      return many(condition.oneOf.map((one) => (one === undefined ? 'n' : Buffer.concat([V, bytes(one)]))))
  }
}

function actionArguments(action: Exclude<Action, { readonly kind: 'append' }>): readonly CommandArgument[] {
  switch (action.kind) {
    case 'acknowledge':
      return [action.group, ...many(action.ids)]
    case 'delete':
      return many(action.ids)
    case 'set':
      return [argument(action.value), action.expireMs ?? '']
    case 'increment':
      return [action.by ?? 1, action.expireMs ?? '']
    default:
      return []
  }
}

const V = Buffer.from('v')

function many(values: readonly CommandArgument[]): readonly CommandArgument[] {
  return [values.length, ...values]
}

function argument(value: FieldValue): CommandArgument {
  return typeof value === 'string' ? value : bytes(value)
}

function bytes(value: FieldValue): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

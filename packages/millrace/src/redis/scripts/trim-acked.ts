/**
 * XTRIM of what every group has finished: behind neither the oldest pending entry of any group nor what it was delivered last.
 *
 *   reply: [how many went, 1 when there may be more of them]
 *
 * With a length to keep, the cut is looked for among the oldest 1,000 entries too many; the caller comes again.
 */

import { defineScript } from '../redis-script.ts'

export const trimAckedScript = defineScript({
  effect: 'write',
  lua: `
local maxLen, minId, approximate, limit = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4]
local piece = 1000
if redis.call('EXISTS', KEYS[1]) == 0 then return { 0, 0 } end

local function isLess(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function split(id) return string.match(id, '^(%d+)-(%d+)$') end
local function isBefore(a, b)
  local aMs, aSeq = split(a)
  local bMs, bSeq = split(b)
  if aMs ~= bMs then return isLess(aMs, bMs) end
  return isLess(aSeq, bSeq)
end
local function behind(id)
  local ms, seq = split(id)
  -- Beyond what Lua counts exactly one entry more is kept.
  if #seq > 15 then return id end
  return ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
end

local safe
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  local least = behind(group['last-delivered-id'])
  if group['pending'] > 0 then
    local first = redis.call('XPENDING', KEYS[1], group['name'])[2]
    if isBefore(first, least) then least = first end
  end
  if not safe or isBefore(least, safe) then safe = least end
end
if not safe then return { 0, 0 } end

local more = 0
if minId ~= '' and isBefore(minId, safe) then safe = minId end
if maxLen ~= '' then
  local surplus = redis.call('XLEN', KEYS[1]) - tonumber(maxLen)
  if surplus <= 0 then return { 0, 0 } end
  local count = math.min(surplus, piece)
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', count)
  local cut = behind(oldest[#oldest][1])
  if isBefore(cut, safe) then
    safe = cut
    if surplus > count then more = 1 end
  end
end
local arguments = { 'XTRIM', KEYS[1], 'MINID', approximate and '~' or '=', safe }
if limit ~= '' then
  arguments[6] = 'LIMIT'
  arguments[7] = limit
end
return { redis.call(unpack(arguments)), more }
`,
  argv: (named: {
    readonly maxLen: number | undefined
    readonly minId: string | undefined
    readonly approximate: boolean
    readonly limit: number | undefined
  }) => [named.maxLen ?? '', named.minId ?? '', named.approximate ? '1' : '0', named.limit ?? ''],
})

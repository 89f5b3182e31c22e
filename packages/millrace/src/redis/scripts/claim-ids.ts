/**
 * XCLAIM of given IDs, optionally only from one owner, with the delivery counts that XCLAIM does not tell.
 *
 *   reply: [ [ [id, fields | nil, deliveries], … ], [ids that were pending but gone from the stream, …] ]
 */

import { defineScript } from '../redis-script.ts'

export const claimIdsScript = defineScript({
  effect: 'write',
  lua: `
local group, consumer, minIdleMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
local owner, idleMs, justId, uncount = ARGV[4], ARGV[5], ARGV[6] == '1', ARGV[7] == '1'
local claimed, deleted = {}, {}
if #ARGV == 7 then redis.call('XPENDING', KEYS[1], group) end
for i = 8, #ARGV do
  local id = ARGV[i]
  local before = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if before and (owner == '' or before[2] == owner) then
    local arguments = { 'XCLAIM', KEYS[1], group, consumer, minIdleMs, id }
    if idleMs ~= '' then
      arguments[#arguments + 1] = 'IDLE'
      arguments[#arguments + 1] = idleMs
    end
    if uncount then
      arguments[#arguments + 1] = 'RETRYCOUNT'
      arguments[#arguments + 1] = math.max(before[4] - 1, 0)
    end
    if justId then arguments[#arguments + 1] = 'JUSTID' end
    local got = redis.call(unpack(arguments))[1]
    if got then
      local fields = not justId and got[2] or false
      local deliveries = uncount and math.max(before[4] - 1, 0) or before[4] + (justId and 0 or 1)
      claimed[#claimed + 1] = { id, fields, deliveries }
    elseif #redis.call('XPENDING', KEYS[1], group, id, id, 1) == 0 then
      deleted[#deleted + 1] = id
    end
  end
end
return { claimed, deleted }
`,
  argv: (named: {
    readonly group: string
    readonly consumer: string
    readonly minIdleMs: number
    readonly ifOwner: string | undefined
    readonly idleMs: number | undefined
    readonly justId: boolean
    readonly uncount: boolean
    readonly ids: readonly string[]
  }) => [
    named.group,
    named.consumer,
    named.minIdleMs,
    named.ifOwner ?? '',
    named.idleMs ?? '',
    named.justId ? '1' : '0',
    named.uncount ? '1' : '0',
    ...named.ids,
  ],
})

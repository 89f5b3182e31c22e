/**
 * XAUTOCLAIM with the delivery counts that it does not tell.
 *
 *   reply: [ [ [id, fields | nil, deliveries], … ], [ids that were gone from the stream, …], next ]
 */

import { defineScript } from '../redis-script.ts'

export const claimScanScript = defineScript({
  effect: 'write',
  lua: `
local group, consumer, minIdleMs, from, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local justId = ARGV[6] == '1'
local scan
if justId then
  scan = redis.call('XAUTOCLAIM', KEYS[1], group, consumer, minIdleMs, from, 'COUNT', count, 'JUSTID')
else
  scan = redis.call('XAUTOCLAIM', KEYS[1], group, consumer, minIdleMs, from, 'COUNT', count)
end
local claimed = {}
for _, entry in ipairs(scan[2]) do
  local id = justId and entry or entry[1]
  local fields = not justId and entry[2] or false
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  claimed[#claimed + 1] = { id, fields, pending[4] }
end
return { claimed, scan[3] or {}, scan[1] }
`,
  argv: (named: {
    readonly group: string
    readonly consumer: string
    readonly minIdleMs: number
    readonly from: string
    readonly count: number
    readonly justId: boolean
  }) => [named.group, named.consumer, named.minIdleMs, named.from, named.count, named.justId ? '1' : '0'],
})

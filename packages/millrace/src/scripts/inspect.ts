/**
 * XINFO STREAM, GROUPS and CONSUMERS, MEMORY USAGE and PTTL at one moment.
 *
 *   reply: nil, or [ stream, memoryBytes, ttlMs, [ [group, [consumer, …]], … ] ], each info a flat name, value, …
 */

import { defineScript } from '../redis-script.ts'

export const inspectScript = defineScript({
  effect: 'none',
  lua: `
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local stream = redis.call('XINFO', 'STREAM', KEYS[1])
local groups = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
  end
  groups[#groups + 1] = { group, redis.call('XINFO', 'CONSUMERS', KEYS[1], name) }
end
return { stream, redis.call('MEMORY', 'USAGE', KEYS[1]), redis.call('PTTL', KEYS[1]), groups }
`,
  argv: (_named: Record<never, never>) => [],
})

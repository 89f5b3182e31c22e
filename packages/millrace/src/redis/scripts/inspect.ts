/**
 * XINFO STREAM, GROUPS and CONSUMERS, MEMORY USAGE, PTTL and the server's used memory at one moment.
 *
 *   reply: nil, or [ stream, memoryBytes, ttlMs, [ [group, [consumer, …]], … ], used ], each info a flat name, value, …
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
local memory = redis.pcall('INFO', 'memory')
local used = type(memory) == 'string' and string.match(memory, 'used_memory:(%d+)') or false
return { stream, redis.call('MEMORY', 'USAGE', KEYS[1]), redis.call('PTTL', KEYS[1]), groups, used }
`,
  argv: (_named: Record<never, never>) => [],
})

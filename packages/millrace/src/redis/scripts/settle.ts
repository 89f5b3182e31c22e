/** XACK of those IDs that the consumer owns now. XACK alone lets a stale worker acknowledge what another has claimed. */

import { defineScript } from '../redis-script.ts'

export const settleScript = defineScript({
  effect: 'write',
  lua: `
local group, consumer = ARGV[1], ARGV[2]
local settled = {}
if #ARGV == 2 then redis.call('XPENDING', KEYS[1], group) end
for i = 3, #ARGV do
  local id = ARGV[i]
  if #redis.call('XPENDING', KEYS[1], group, id, id, 1, consumer) == 1 then
    redis.call('XACK', KEYS[1], group, id)
    settled[#settled + 1] = id
  end
end
return settled
`,
  argv: (named: { readonly group: string; readonly consumer: string; readonly ids: readonly string[] }) => [
    named.group,
    named.consumer,
    ...named.ids,
  ],
})

/** XGROUP DELCONSUMER, but never with loss: the command alone silently drops the consumer's pending entries. */

import { defineScript } from '../redis-script.ts'

export const deleteConsumerScript = defineScript({
  effect: 'write',
  lua: `
local group, consumer = ARGV[1], ARGV[2]
if #redis.call('XPENDING', KEYS[1], group, '-', '+', 1, consumer) == 1 then
  return redis.error_reply('BUSYCONSUMER the consumer owns pending entries')
end
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  for i = 1, #info, 2 do
    if info[i] == 'name' and info[i + 1] == consumer then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer)
      return 1
    end
  end
end
return 0
`,
  argv: (named: { readonly group: string; readonly consumer: string }) => [named.group, named.consumer],
})

/** XADD of a message that has a key: known within the window, its first ID is told, and nothing is added. */

import type { CommandArgument } from '../redis-client.ts'
import { defineScript } from '../redis-script.ts'

/** KEYS: the stream, the key's string. */
export const addOnceScript = defineScript({
  effect: 'write',
  lua: `
local known = redis.call('GET', KEYS[2])
if known then
  redis.call('XLEN', KEYS[1])
  return known
end
local id = redis.call('XADD', KEYS[1], unpack(ARGV, 3))
if id then
  redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
  if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
end
return id
`,
  argv: (named: {
    readonly windowMs: number
    readonly expireMs: number | undefined
    /** What follows the key in XADD. */
    readonly rest: readonly CommandArgument[]
  }) => [named.windowMs, named.expireMs ?? '', ...named.rest],
})

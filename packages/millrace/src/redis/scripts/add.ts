/** XADD under a condition on the stream's last ID, or with a time to live: checked, appended and set in one step. */

import type { CommandArgument } from '../redis-client.ts'
import { defineScript } from '../redis-script.ts'

/** Lua's `unpack` puts all of XADD's arguments on a stack of 8,000. */
export const SCRIPT_ARGUMENTS_MAX = 7000

export const addScript = defineScript({
  effect: 'write',
  lua: `
local expected, expireMs = ARGV[1], ARGV[2]
if expected ~= '' then
  local last = '0-0'
  if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
  end
  if last ~= expected then return redis.error_reply('LASTID ' .. last) end
end
local id = redis.call('XADD', KEYS[1], unpack(ARGV, 3))
if id and expireMs ~= '' then redis.call('PEXPIRE', KEYS[1], expireMs) end
return id
`,
  argv: (named: {
    readonly ifLastId: string | undefined
    readonly expireMs: number | undefined
    /** What follows the key in XADD. */
    readonly rest: readonly CommandArgument[]
  }) => [named.ifLastId ?? '', named.expireMs ?? '', ...named.rest],
})

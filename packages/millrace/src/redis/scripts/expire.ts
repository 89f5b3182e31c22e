/** PEXPIRE of a stream and of nothing else. */

import { defineScript } from '../redis-script.ts'

export const expireScript = defineScript({
  effect: 'write',
  lua: `
redis.call('XLEN', KEYS[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
`,
  argv: (named: { readonly afterMs: number }) => [named.afterMs],
})

/**
 * A Lua script on the keys of one slot, run by its hash. A script is used only where two steps must be one:
 * `check the owner, then acknowledge`. Each lives in a file of its own under scripts/, with named arguments.
 *
 *   EVALSHA ──NOSCRIPT──► EVAL (which also stores it)
 */

import { createHash } from 'node:crypto'
import type { CommandArgument, Effect } from './redis-client.ts'
import { isReply } from './redis-errors.ts'

export interface Script<A> {
  readonly lua: string
  readonly sha: string
  readonly effect: Effect
  readonly argv: (named: A) => readonly CommandArgument[]
}

export function defineScript<A>(script: {
  readonly lua: string
  readonly effect: Effect
  readonly argv: (named: A) => readonly CommandArgument[]
}): Script<A> {
  return { ...script, sha: createHash('sha1').update(script.lua).digest('hex') }
}

/** The part of a client that a script needs. */
export interface ScriptRunner {
  send(name: string, args: readonly CommandArgument[], effect: Effect): Promise<unknown>
}

export async function runScript<A>(
  client: ScriptRunner,
  script: Script<A>,
  keys: string | readonly string[],
  named: A,
): Promise<unknown> {
  const all = typeof keys === 'string' ? [keys] : keys
  const rest = [all.length, ...all, ...script.argv(named)]
  try {
    return await client.send('evalsha', [script.sha, ...rest], script.effect)
  } catch (error) {
    if (!isReply(error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await client.send('eval', [script.lua, ...rest], script.effect)
  }
}

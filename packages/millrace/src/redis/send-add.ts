/** One append as the command or the script that its options need. */

import type { AddOptions } from '../backend.ts'
import { siblingKey } from '../sibling-key.ts'
import type { CommandArgument } from './redis-client.ts'
import { runScript, type ScriptRunner } from './redis-script.ts'
import { addOnceScript } from './scripts/add-once.ts'
import { addScript } from './scripts/add.ts'

export interface Append {
  readonly stream: string
  /** What stands behind the name of the stream. */
  readonly rest: readonly CommandArgument[]
  readonly options: AddOptions
}

const DAY_MS = 86_400_000

/** Resolves Redis's reply: the ID, or null. */
export async function sendAdd(runner: ScriptRunner, { stream, rest, options }: Append): Promise<unknown> {
  const { ifLastId, expireMs, once } = options
  if (once !== undefined) {
    const keys = [stream, siblingKey(stream, `once:${once.key}`)]
    return await runScript(runner, addOnceScript, keys, { windowMs: once.windowMs ?? DAY_MS, expireMs, rest })
  }
  if (ifLastId === undefined && expireMs === undefined) return await runner.send('xadd', [stream, ...rest], 'write')
  return await runScript(runner, addScript, stream, { ifLastId, expireMs, rest })
}

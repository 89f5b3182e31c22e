/**
 * A command of one server: what dispatch asks of its flags, as plain booleans, and what has become of its calls.
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'
import type { Command } from './command.ts'

/** Every so many calls of a fast command one is timed, and stands for all: a prime, so that no pipeline's pattern fits it. */
export const TIMED_EVERY = 17

export class CommandEntry {
  readonly command: Command
  readonly run: ((client: Client, request: Request) => void) | undefined
  readonly subcommands: ReadonlyMap<string, CommandEntry> | undefined
  readonly isSlow: boolean
  readonly isWrite: boolean
  readonly mayReplicate: boolean
  /** Refused to a monitor, which is a kind of replica to Redis. */
  readonly touchesKeys: boolean
  readonly deniesOutOfMemory: boolean
  readonly runsWhileLoading: boolean
  readonly needsNoAuthentication: boolean
  readonly isRefusedInMulti: boolean
  /** Runs between MULTI and EXEC instead of being queued. */
  readonly runsInMulti: boolean
  readonly isForSubscribers: boolean
  calls = 0
  failed = 0
  rejected = 0
  microseconds = 0
  /** Calls until one is timed. */
  untilTimed = 1

  constructor(command: Command) {
    const has = (flag: Command['flags'][number]): boolean => command.flags.includes(flag)
    this.command = command
    this.run = command.run
    this.subcommands =
      command.subcommands && new Map(command.subcommands.map((sub) => [sub.name, new CommandEntry(sub)]))
    this.isSlow = !has('fast')
    this.isWrite = has('write')
    this.mayReplicate = mayReplicate.has(command.name)
    this.touchesKeys = this.isWrite || this.mayReplicate || has('readonly')
    this.deniesOutOfMemory = has('denyoom')
    this.runsWhileLoading = has('loading')
    this.needsNoAuthentication = has('no_auth')
    this.isRefusedInMulti = has('no_multi')
    this.runsInMulti = runInMulti.has(command.name)
    this.isForSubscribers = forSubscribers.has(command.name)
  }
}

const runInMulti = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset'])
// As Redis, whose COMMAND doesn't tell this flag: what may write, or reach other servers, waits in a pause of writes.
const mayReplicate = new Set(['eval', 'evalsha', 'fcall', 'publish', 'spublish'])
const forSubscribers = new Set(
  'subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe ping quit reset'.split(' '),
)

/**
 * All commands, found by name. The families are listed here; a command is added in its family's file.
 *
 *   bytes of the name ──hash──► slot ──► CommandEntry ──► command
 *                                          ├ what dispatch asks of its flags, as plain booleans
 *                                          └ how often it ran, failed, was refused, and for how long
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'
import type { Command } from './command.ts'
import { connectionCommands } from './commands/connection.ts'
import { keyExpiryCommands } from './commands/key-expiry.ts'
import { keyScanCommands } from './commands/key-scan.ts'
import { keyCommands } from './commands/keys.ts'
import { memoryCommands } from './commands/memory.ts'
import { objectCommands } from './commands/objects.ts'
import { pubSubCommands } from './commands/pubsub.ts'
import { streamEntryCommands } from './commands/stream-entries.ts'
import { stringCommands } from './commands/strings.ts'
import { stringPartCommands } from './commands/string-parts.ts'
import { counterCommands } from './commands/counters.ts'

export const commandFamilies: readonly (readonly Command[])[] = [
  connectionCommands,
  pubSubCommands,
  keyCommands,
  keyExpiryCommands,
  keyScanCommands,
  objectCommands,
  memoryCommands,
  stringCommands,
  stringPartCommands,
  counterCommands,
  streamEntryCommands,
]

/** Every so many calls of a fast command one is timed, and stands for all: a prime, so that no pipeline's pattern fits it. */
export const TIMED_EVERY = 17
const NAME_BYTES_MAX = 64
const EMPTY_SLOT = -1

export class CommandEntry {
  readonly command: Command
  readonly run: ((client: Client, request: Request) => void) | undefined
  readonly subcommands: ReadonlyMap<string, CommandEntry> | undefined
  readonly isSlow: boolean
  readonly isWrite: boolean
  readonly mayReplicate: boolean
  readonly deniesOutOfMemory: boolean
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
    this.mayReplicate = has('may_replicate')
    this.deniesOutOfMemory = has('denyoom')
    this.needsNoAuthentication = has('no_auth')
    this.isRefusedInMulti = has('no_multi')
    this.runsInMulti = runInMulti.has(command.name)
    this.isForSubscribers = forSubscribers.has(command.name)
  }
}

const runInMulti = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset'])
const forSubscribers = new Set([
  ...['subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ssubscribe', 'sunsubscribe'],
  ...['ping', 'quit', 'reset'],
])

export class CommandTable {
  readonly #byName = new Map<string, CommandEntry>()
  readonly #entries: CommandEntry[] = []
  readonly #names: Buffer[] = []
  /** Open addressing: numbers of entries, in twice as many slots and more. */
  readonly #slots: Int16Array

  constructor(families: readonly (readonly Command[])[] = commandFamilies) {
    for (const family of families) {
      for (const command of family) {
        const entry = new CommandEntry(command)
        this.#byName.set(command.name, entry)
        this.#entries.push(entry)
        this.#names.push(Buffer.from(command.name, 'latin1'))
      }
    }
    this.#slots = new Int16Array(2 ** (Math.ceil(Math.log2(this.#entries.length + 1)) + 2)).fill(EMPTY_SLOT)
    for (const [number, name] of this.#names.entries()) {
      let slot = hash(name, 0, name.length) & (this.#slots.length - 1)
      while (this.#slots[slot] !== EMPTY_SLOT) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = number
    }
  }

  get all(): Iterable<Command> {
    return this.#entries.map((entry) => entry.command)
  }

  get size(): number {
    return this.#entries.length
  }

  /** Every entry, those of subcommands behind their container's. */
  *entries(): IterableIterator<CommandEntry> {
    for (const entry of this.#entries) {
      yield entry
      if (entry.subcommands !== undefined) yield* entry.subcommands.values()
    }
  }

  /** By a name in small letters; a subcommand by `container|name`. */
  get(name: string): Command | undefined {
    return this.entry(name)?.command
  }

  entry(name: string): CommandEntry | undefined {
    const bar = name.indexOf('|')
    if (bar < 0) return this.#byName.get(name)
    return this.#byName.get(name.slice(0, bar))?.subcommands?.get(name)
  }

  /** The command that a request names, container or plain. */
  of(request: Request): Command | undefined {
    return this.entryOf(request)?.command
  }

  /**
   * Hot: as `of`, for dispatch. No string is made of the name, which is 63 ns for `toString('latin1')` alone; this is about
   * 15 ns for `XADD`.
   */
  entryOf(request: Request): CommandEntry | undefined {
    const { bytes } = request
    const start = request.starts[0]!
    const end = request.ends[0]!
    if (end - start > NAME_BYTES_MAX) return undefined
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const number = slots[slot]!
      if (number === EMPTY_SLOT) return undefined
      if (isName(this.#names[number]!, bytes, start, end)) return this.#entries[number]
    }
  }
}

/** Of a name in any case. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = end - start
  for (let at = start; at < end; at++) value = Math.imul(value, 31) + (bytes[at]! | 0x20)
  return value ^ (value >>> 9)
}

function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]!
    if (name[i] !== (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte)) return false
  }
  return true
}

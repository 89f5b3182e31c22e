/**
 * All commands, found by name. The families are listed here; a command is added in its family's file.
 *
 *   bytes of the name ──hash──► slot ──► CommandEntry ──► command
 *                                          ├ what dispatch asks of its flags, as plain booleans
 *                                          └ how often it ran, failed, was refused, and for how long
 */
import type { Request } from '@millrace/protocol'
import type { Command } from './command.ts'
import { CommandEntry } from './command-entry.ts'
import { authenticationCommands } from './commands/authentication.ts'
import { aclCommands } from './commands/acl.ts'
import { clientCommands } from './commands/clients.ts'
import { clusterCommands } from './commands/cluster.ts'
import { configCommands } from './commands/config.ts'
import { debugCommands } from './commands/debug.ts'
import { durabilityCommands } from './commands/durability.ts'
import { informationCommands } from './commands/information.ts'
import { introspectionCommands } from './commands/introspection.ts'
import { latencyCommands } from './commands/latency.ts'
import { monitorCommands } from './commands/monitor.ts'
import { replicationCommands } from './commands/replication.ts'
import { slowLogCommands } from './commands/slow-log.ts'
import { connectionCommands } from './commands/connection.ts'
import { dumpCommands } from './commands/dump.ts'
import { keyExpiryCommands } from './commands/key-expiry.ts'
import { keyScanCommands } from './commands/key-scan.ts'
import { keyCommands } from './commands/keys.ts'
import { memoryCommands } from './commands/memory.ts'
import { objectCommands } from './commands/objects.ts'
import { pubSubCommands } from './commands/pubsub.ts'
import { scriptCommands } from './commands/scripts.ts'
import { streamEntryCommands } from './commands/stream-entries.ts'
import { streamGroupCommands } from './commands/stream-groups.ts'
import { streamIdempotencyCommands } from './commands/stream-idempotency.ts'
import { streamInfoCommands } from './commands/stream-info.ts'
import { streamPendingCommands } from './commands/stream-pending.ts'
import { streamReadCommands } from './commands/stream-reads.ts'
import { transactionCommands } from './commands/transactions.ts'
import { stringCommands } from './commands/strings.ts'
import { stringPartCommands } from './commands/string-parts.ts'
import { counterCommands } from './commands/counters.ts'

export const commandFamilies: readonly (readonly Command[])[] = [
  connectionCommands,
  authenticationCommands,
  transactionCommands,
  pubSubCommands,
  keyCommands,
  keyExpiryCommands,
  keyScanCommands,
  objectCommands,
  dumpCommands,
  memoryCommands,
  scriptCommands,
  stringCommands,
  stringPartCommands,
  counterCommands,
  streamEntryCommands,
  streamReadCommands,
  streamGroupCommands,
  streamPendingCommands,
  streamInfoCommands,
  streamIdempotencyCommands,
  aclCommands,
  clientCommands,
  clusterCommands,
  configCommands,
  debugCommands,
  durabilityCommands,
  informationCommands,
  introspectionCommands,
  latencyCommands,
  monitorCommands,
  replicationCommands,
  slowLogCommands,
]

const NAME_BYTES_MAX = 64
const EMPTY_SLOT = -1

export class CommandTable {
  readonly #byName = new Map<string, CommandEntry>()
  readonly #entries: CommandEntry[] = []
  readonly #names: Buffer[] = []
  /** Open addressing: numbers of entries, in twice as many slots and more. */
  readonly #slots: Int16Array
  /** The entry that was asked for last: commands mostly come in rows of the same. */
  #last = EMPTY_SLOT

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

  /** How many commands have run since the last CONFIG RESETSTAT. */
  get calls(): number {
    let calls = 0
    for (const entry of this.entries()) calls += entry.calls
    return calls
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
   * 15 ns for `XADD`, and 5 when the last one was the same.
   */
  entryOf(request: Request): CommandEntry | undefined {
    const { bytes } = request
    const start = request.starts[0]!
    const end = request.ends[0]!
    const last = this.#last
    if (last >= 0 && isName(this.#names[last]!, bytes, start, end)) return this.#entries[last]
    if (end - start > NAME_BYTES_MAX) return undefined
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const number = slots[slot]!
      if (number === EMPTY_SLOT) return undefined
      if (!isName(this.#names[number]!, bytes, start, end)) continue
      this.#last = number
      return this.#entries[number]
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

/**
 * Appends that resolve only when replicas, or the disk, have them.
 *
 *   a connection of its own ──XADD──► ID ──WAIT n ms │ WAITAOF 1 0 ms──► how many have it ──► ID, or NOT_DURABLE
 *
 * WAIT speaks of what its own connection wrote, and parks it: so each of these has a connection from the pool of blocked reads.
 *
 * Sources: the command pages of WAIT and WAITAOF (since 7.2); before that a server that syncs each write (`appendfsync always`)
 * has it on disk when it replies.
 */
import slotOf from 'cluster-key-slot'
import type { Durability } from '../backend.ts'
import { StreamError } from '../errors.ts'
import type { BlockedReads, Connection } from './redis-blocked-read.ts'
import type { CommandArgument, RedisClient } from './redis-client.ts'
import { isReply } from './redis-errors.ts'
import type { ScriptRunner } from './redis-script.ts'
import { type Append, sendAdd } from './send-add.ts'

const TIMEOUT_MS = 5000
/** A reply may be late by so much before its connection counts as dead. */
const LATE_MS = 2000

type Kept = Exclude<Durability, 'memory'>

export class DurableAdds {
  readonly #client: RedisClient
  readonly #connections: BlockedReads

  constructor(client: RedisClient, connections: BlockedReads) {
    this.#client = client
    this.#connections = connections
  }

  /** Redis's reply to the append. `NOT_DURABLE`, `UNSUPPORTED`, and what a connection brings. */
  async add(append: Append, durability: Kept): Promise<unknown> {
    await this.#client.untilAvailable()
    const address = this.#client.addressOf(slotOf(append.stream))
    if (address === undefined) throw new StreamError('UNAVAILABLE', `No node is known to hold '${append.stream}'`)
    const connection = await this.#connections.connection(address)
    const runner = new ConnectionRunner(connection)
    try {
      const waits = await commandFor(runner, durability)
      const id = await sendAdd(runner, append)
      if (id !== null && waits !== undefined) await requireKept(runner, waits, append.stream)
      return id
    } finally {
      runner.end()
      this.#connections.release(connection)
    }
  }
}

interface Waiting {
  readonly command: readonly [string, readonly CommandArgument[]]
  readonly timeoutMs: number
  /** At least so many. */
  readonly wanted: number
  readonly what: string
}

/** Undefined: the reply to the append says it already. */
async function commandFor(runner: ConnectionRunner, durability: Kept): Promise<Waiting | undefined> {
  if (durability !== 'fsync') {
    const { replicas, timeoutMs = TIMEOUT_MS } = durability
    const what = `${replicas} replica${replicas === 1 ? '' : 's'}`
    return { command: ['wait', [replicas, timeoutMs]], timeoutMs, wanted: replicas, what }
  }
  const [known] = (await runner.send('command', ['INFO', 'waitaof'])) as unknown[]
  const isAppendOnly = await setting(runner, 'appendonly')
  if (isAppendOnly !== 'yes') throw unsupported(`its append-only file is ${isAppendOnly ?? 'unknown'}`)
  const policy = await setting(runner, 'appendfsync')
  if (policy === 'always') return undefined
  if (known === null || known === undefined)
    throw unsupported(`it has no WAITAOF and appendfsync is ${policy ?? 'unknown'}`)
  return { command: ['waitaof', [1, 0, TIMEOUT_MS]], timeoutMs: TIMEOUT_MS, wanted: 1, what: "the server's own disk" }
}

async function setting(runner: ConnectionRunner, name: string): Promise<string | undefined> {
  try {
    const found = await runner.send('config', ['GET', name])
    const value = Array.isArray(found) ? (found[1] as unknown) : undefined
    return value === undefined ? undefined : String(value)
  } catch (error) {
    // Not for this user: what the server does cannot be known.
    if (isReply(error)) return undefined
    throw error
  }
}

async function requireKept(
  runner: ConnectionRunner,
  { command, timeoutMs, wanted, what }: Waiting,
  stream: string,
): Promise<void> {
  const reply = await runner.send(command[0], command[1], 'write', timeoutMs + LATE_MS)
  const reached = Number(Array.isArray(reply) ? reply[0] : reply)
  if (reached >= wanted) return
  const text = `The entry is in '${stream}', but ${what} did not have it within ${timeoutMs} ms (${reached} of ${wanted})`
  throw new StreamError('NOT_DURABLE', text)
}

function unsupported(why: string): StreamError {
  return new StreamError('UNSUPPORTED', `Whether the server has an entry on its disk cannot be known: ${why}`)
}

/** Commands on one connection, each with a time for its reply. */
class ConnectionRunner implements ScriptRunner {
  readonly #connection: Connection
  #timer: NodeJS.Timeout | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async send(
    name: string,
    args: readonly CommandArgument[],
    effect: 'none' | 'write' = 'none',
    withinMs = TIMEOUT_MS + LATE_MS,
  ): Promise<unknown> {
    const { redis } = this.#connection
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => redis.stream?.destroy(), withinMs)
    try {
      const reply = await redis.callBuffer(name, ...args)
      return readable(reply)
    } catch (error) {
      if (isReply(error)) throw error
      if (effect === 'none')
        throw new StreamError('UNAVAILABLE', 'The connection of a durable append was lost', { cause: error })
      const text = 'The connection of a durable append was lost before its reply came; it may or may not have happened'
      throw new StreamError('OUTCOME_UNKNOWN', text, { cause: error })
    } finally {
      this.end()
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Bytes as they come, a map as the flat list that RESP2 has. */
function readable(reply: unknown): unknown {
  if (reply === null || typeof reply !== 'object' || Array.isArray(reply) || reply instanceof Uint8Array) return reply
  return Object.entries(reply).flat()
}

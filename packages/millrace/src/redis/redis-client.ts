/**
 * One client of a Redis or of a Cluster, on which every command has exactly one outcome:
 *
 *   a reply                                    resolves, or rejects with the server's ReplyError
 *   never sent, no connection within the time  UNAVAILABLE (it did not happen)
 *   sent, no reply, an effect is possible      OUTCOME_UNKNOWN (never sent a second time)
 *   sent, no reply, no effect possible         sent again within the time
 *
 * ioredis by itself resends unanswered commands after a reconnect, a Cluster client does so after a
 * fail-over: an XADD then happens twice. Both are switched off here, and a command knows whether its bytes
 * were ever given to a socket.
 *
 *   connecting ──ready──► ready ──the line breaks──► reconnecting (50 ms to 2 s, jittered) ──► ready
 *                            └───────────── close() ──► closed
 */

import { Cluster, Command, Redis, type RedisOptions } from 'ioredis'
import { StreamError } from '../errors.ts'
import { backoffMs } from '../pause.ts'
import { type RedisAddress, shownAddress } from './redis-address.ts'
import { isRefused, isReply, isTransient } from './redis-errors.ts'

export type CommandArgument = string | number | Buffer
/** Could the command have changed something? */
export type Effect = 'none' | 'write'

export interface ClientEvent {
  /**
   * `nodes-changed`: a node of a Cluster is there no more, or not as what it was. `warning`: the server works, and is set up
   * so that it may lose data: see `message`.
   */
  readonly type: 'connected' | 'disconnected' | 'error' | 'nodes-changed' | 'warning'
  readonly error?: Error
  readonly message?: string
}

export interface ClientOptions {
  /** How long the first connection may take. Default 5,000. */
  readonly connectMs?: number
  /** How long a command waits for a connection before it rejects with `UNAVAILABLE`. Default 5,000. */
  readonly unavailableMs?: number
  /** How long a sent command waits for its reply before its connection is given up. Default 10,000. */
  readonly replyMs?: number
  readonly onEvent?: (event: ClientEvent) => void
}

/** How long an orderly close waits for replies to what was sent. */
const CLOSE_MS = 1000

class TrackedCommand extends Command {
  /** Were its bytes given to a socket, and has nothing answered them yet? */
  sent = false

  /** A Cluster client sends again after MOVED and ASK: those answers say that it did not happen. */
  noteReplies(): void {
    const { reject } = this
    this.reject = (error) => {
      if (isReply(error)) this.sent = false
      reject.call(this, error)
    }
  }

  override toWritable(socket: object): string | Buffer {
    this.sent = true
    return super.toWritable(socket)
  }
}

export class RedisClient {
  readonly isCluster: boolean
  readonly #redis: Redis | Cluster
  readonly #address: RedisAddress
  readonly #options: ClientOptions
  readonly #unavailableMs: number
  #isReady = false
  #isClosed = false
  #inFlight = 0
  #lastError: Error | undefined
  /** Called whenever `#isReady`, `#isClosed` or `#lastError` may have changed. */
  readonly #waiting = new Set<() => void>()

  private constructor(redis: Redis | Cluster, address: RedisAddress, options: ClientOptions) {
    this.#redis = redis
    this.#address = address
    this.#options = options
    this.#unavailableMs = options.unavailableMs ?? 5000
    this.isCluster = redis instanceof Cluster
    this.#listen()
  }

  /** Connects to one server. */
  static async toServer(address: RedisAddress, options: ClientOptions): Promise<RedisClient> {
    const redis = new Redis({
      ...connectionOptions(address, options),
      retryStrategy: (attempt) => backoffMs(attempt - 1),
      lazyConnect: true,
    })
    return await new RedisClient(redis, address, options).#start()
  }

  /** Connects to a Cluster through any of its nodes. */
  static async toCluster(addresses: readonly RedisAddress[], options: ClientOptions): Promise<RedisClient> {
    const [first] = addresses
    if (first === undefined) throw new StreamError('BAD_ARGUMENT', 'Expected at least one node of the Cluster')
    const { host: _host, port: _port, enableOfflineQueue: _queue, ...redisOptions } = connectionOptions(first, options)
    const cluster = new Cluster([...addresses], {
      redisOptions,
      clusterRetryStrategy: (attempt) => backoffMs(attempt - 1),
      enableOfflineQueue: false,
      lazyConnect: true,
      // A broken line must not make ioredis send the command again: see above.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      retryDelayOnTryAgain: 0,
    })
    return await new RedisClient(cluster, first, options).#start()
  }

  /** How to open another connection to the server that holds `slot`; undefined while that is not known. */
  addressOf(slot: number): RedisAddress | undefined {
    if (!(this.#redis instanceof Cluster)) return this.#address
    const node = this.#redis.slots[slot]?.[0]
    if (node === undefined) return undefined
    const colon = node.lastIndexOf(':')
    return { ...this.#address, host: node.slice(0, colon), port: Number(node.slice(colon + 1)) }
  }

  get masterCount(): number {
    return this.#redis instanceof Cluster ? this.#redis.nodes('master').length : 1
  }

  /** Sends one command; see the four outcomes above. Server errors reject as they are, with ioredis's ReplyError. */
  async send(name: string, args: readonly CommandArgument[], effect: Effect): Promise<unknown> {
    const deadline = Date.now() + this.#unavailableMs
    for (let attempt = 0; ; attempt++) {
      if (!this.#isReady || this.#isClosed) await this.#untilReady(deadline)
      const command = new TrackedCommand(name, [...args])
      this.#inFlight++
      try {
        const reply = this.#redis.sendCommand(command)
        command.noteReplies()
        return await reply
      } catch (error) {
        this.#judge(error, command, effect)
        if (Date.now() >= deadline) throw this.#unavailable(error)
      } finally {
        this.#inFlight--
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(20 * 2 ** attempt, 250)))
    }
  }

  /** Resolves when commands can be sent, at once or within `unavailableMs`; else rejects with `UNAVAILABLE`. */
  async untilAvailable(): Promise<void> {
    if (!this.#isReady || this.#isClosed) await this.#untilReady(Date.now() + this.#unavailableMs)
  }

  /** What each master tells of itself in a section of INFO; those that do not answer are left out. */
  async infos(section: string): Promise<string[]> {
    const nodes = this.#redis instanceof Cluster ? this.#redis.nodes('master') : [this.#redis]
    const told = await Promise.allSettled(nodes.map(async (node) => await node.info(section)))
    return told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  /** Asks a Cluster again who holds which slot; nothing to do for one server. */
  refresh(): void {
    if (this.#redis instanceof Cluster) this.#redis.refreshSlotsCache()
  }

  /** Waits a moment for replies to what was sent, then closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#changed()
    const deadline = Date.now() + CLOSE_MS
    while (this.#inFlight > 0 && this.#isReady && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.#redis.disconnect()
  }

  async #start(): Promise<this> {
    // What it rejects with also comes as an 'error' event, and reconnecting goes on.
    this.#redis.connect().catch(() => undefined)
    const connectMs = this.#options.connectMs ?? 5000
    try {
      await this.#untilReady(Date.now() + connectMs)
      if (this.#redis instanceof Cluster) await connectMasters(this.#redis)
      return this
    } catch (error) {
      this.#isClosed = true
      this.#redis.disconnect()
      const reason = this.#lastError?.message ?? (error instanceof Error ? error.message : String(error))
      const where = shownAddress(this.#address)
      throw new StreamError('UNAVAILABLE', `Could not connect to ${where} within ${connectMs} ms: ${reason}`, {
        cause: this.#lastError ?? error,
      })
    }
  }

  /** Throws when the outcome is decided; returns when the command may be sent once more. */
  #judge(error: unknown, command: TrackedCommand, effect: Effect): void {
    if (isReply(error)) {
      if (!isTransient(error)) throw error
      // The server behind this address became a replica: a new connection may reach the new master.
      if (error.message.startsWith('READONLY') && this.#redis instanceof Redis) this.#redis.stream.destroy()
      this.refresh()
      return
    }
    if (this.#isClosed) throw closedError()
    if (command.sent && effect === 'write') {
      const text = `The connection was lost before the reply to ${command.name.toUpperCase()} came; it may or may not have happened`
      throw new StreamError('OUTCOME_UNKNOWN', text, { cause: error })
    }
    this.refresh()
  }

  async #untilReady(deadline: number): Promise<void> {
    for (;;) {
      if (this.#isClosed) throw closedError()
      if (this.#isReady) return
      if (isRefused(this.#lastError)) throw this.#unavailable(this.#lastError)
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw this.#unavailable(this.#lastError)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #unavailable(cause: unknown): StreamError {
    const where = this.isCluster ? 'The Redis Cluster' : shownAddress(this.#address)
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    return new StreamError('UNAVAILABLE', `${where} could not be reached within ${this.#unavailableMs} ms${reason}`, {
      cause,
    })
  }

  #listen(): void {
    this.#redis.on('ready', () => {
      this.#isReady = true
      this.#lastError = undefined
      this.#tell({ type: 'connected' })
      this.#changed()
    })
    const lost = (): void => {
      if (!this.#isReady) return
      this.#isReady = false
      if (!this.#isClosed) this.#tell({ type: 'disconnected' })
    }
    this.#redis.on('close', lost)
    this.#redis.on('end', lost)
    const failed = (error: Error): void => {
      this.#lastError = error
      this.#tell({ type: 'error', error })
      this.#changed()
    }
    this.#redis.on('error', failed)
    this.#redis.on('node error', failed)
    // The Cluster itself stays connected when one of its masters goes and a replica takes over.
    this.#redis.on('-node', () => this.#tell({ type: 'nodes-changed' }))
  }

  #tell(event: ClientEvent): void {
    if (!this.#isClosed) this.#options.onEvent?.(event)
  }

  #changed(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}

/** The options common to every connection to a server: no resending, no hidden queue, every wait limited. */
export function connectionOptions(address: RedisAddress, options: ClientOptions) {
  return {
    ...address,
    connectTimeout: options.connectMs ?? 5000,
    socketTimeout: options.replyMs ?? 10_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
  } satisfies RedisOptions
}

/** A Cluster client connects to a node when it first needs it; better before somebody waits for that. */
async function connectMasters(cluster: Cluster): Promise<void> {
  const masters = cluster.nodes('master').filter((node) => node.status === 'wait')
  // A node that is down now is tried again when a command needs it.
  await Promise.allSettled(masters.map(async (node) => await node.connect()))
}

export function closedError(): StreamError {
  return new StreamError('CLOSED', 'The backend was closed')
}

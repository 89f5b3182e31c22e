/**
 * Blocked reads, each on a connection of its own: a blocked command parks its connection, so it must not
 * share one with others. Connections go back to a pool per server when their read ends by itself.
 *
 *   opening ──CLIENT ID──► reading ──reply, time-out──────────────► pooled
 *                             │ cancel(): CLIENT UNBLOCK ──reply──► pooled
 *                             └ no reply past BLOCK + 2 s, or 1 s after cancel() ──► destroyed
 *
 * CLIENT UNBLOCK rather than closing the connection: the server answers either "nothing" or with what it had
 * delivered just before, so a cancelled group read loses no delivery.
 */

import { Redis } from 'ioredis'
import { StreamError } from '../errors.ts'
import { type RedisAddress, shownAddress } from './redis-address.ts'
import { type ClientOptions, closedError, type CommandArgument, connectionOptions } from './redis-client.ts'
import { isReply } from './redis-errors.ts'
import { pause } from '../pause.ts'

/** A reply may be late by this much before its connection counts as dead. */
const LATE_MS = 2000
const CANCEL_MS = 1000
const CANCEL_RETRY_MS = 10
const POOLED_MAX = 8

export interface Connection {
  readonly redis: Redis
  readonly address: RedisAddress
  /** The address as a key of the pools. */
  readonly server: string
  readonly clientId: number
}

export class BlockedReads {
  readonly #options: ClientOptions
  readonly #max: number
  readonly #pooled = new Map<string, Connection[]>()
  /** One connection per server that only sends CLIENT UNBLOCK. */
  readonly #unblockers = new Map<string, Promise<Connection>>()
  readonly #open = new Set<Redis>()
  #reading = 0
  #isClosed = false

  constructor(options: ClientOptions, max: number) {
    this.#options = options
    this.#max = max
  }

  /** A connection to `address`, for one blocked read; `release` it, or give it to a BlockedRead, which does so. */
  async connection(address: RedisAddress): Promise<Connection> {
    if (this.#reading >= this.#max) {
      throw new StreamError('UNAVAILABLE', `${this.#max} blocked reads are open, which is the limit (blockedReadsMax)`)
    }
    this.#reading++
    try {
      return this.#pooled.get(shownAddress(address))?.pop() ?? (await this.#connect(address))
    } catch (error) {
      this.#reading--
      throw error
    }
  }

  /** The connection is free again, or dead. */
  release(connection: Connection): void {
    this.#reading--
    const pooled = this.#pooled.get(connection.server) ?? []
    this.#pooled.set(connection.server, pooled)
    const isAlive = connection.redis.status === 'ready' && !connection.redis.stream.destroyed
    if (!isAlive || pooled.length >= POOLED_MAX || this.#isClosed) connection.redis.disconnect()
    else pooled.push(connection)
  }

  /** For BlockedRead: CLIENT UNBLOCK. Resolves whether the connection was blocked. */
  async unblock(connection: Connection): Promise<boolean> {
    let unblocker = this.#unblockers.get(connection.server)
    if (unblocker === undefined) {
      unblocker = this.#connect(connection.address, this.#options.replyMs ?? 10_000)
      this.#unblockers.set(connection.server, unblocker)
      void this.#forgetAtEnd(connection.server, unblocker)
    }
    const { redis } = await unblocker
    try {
      return (await redis.call('client', 'unblock', connection.clientId)) === 1
    } catch (error) {
      redis.disconnect()
      throw error
    }
  }

  /** A server may close idle connections: the next CLIENT UNBLOCK then needs another one. Never rejects. */
  async #forgetAtEnd(server: string, unblocker: Promise<Connection>): Promise<void> {
    try {
      const { redis } = await unblocker
      if (redis.status !== 'end') await new Promise((resolve) => redis.once('end', resolve))
    } catch {
      // It never stood; who asked for it is told.
    }
    if (this.#unblockers.get(server) === unblocker) this.#unblockers.delete(server)
  }

  close(): void {
    this.#isClosed = true
    for (const redis of this.#open) redis.disconnect()
  }

  /** A blocked read has its own deadline; only other commands are given a time for their reply. */
  async #connect(address: RedisAddress, replyMs?: number): Promise<Connection> {
    if (this.#isClosed) throw closedError()
    const { socketTimeout: _unused, ...rest } = connectionOptions(address, this.#options)
    const time = replyMs === undefined ? {} : { socketTimeout: replyMs }
    const redis = new Redis({ ...rest, ...time, retryStrategy: null, enableReadyCheck: false, lazyConnect: true })
    this.#open.add(redis)
    let failure: Error | undefined
    redis.on('error', (error: Error) => (failure = error))
    redis.once('end', () => {
      this.#open.delete(redis)
      const pooled = this.#pooled.get(shownAddress(address))
      if (pooled !== undefined)
        this.#pooled.set(
          shownAddress(address),
          pooled.filter((one) => one.redis !== redis),
        )
    })
    // A server that accepts and then says nothing would keep the handshake waiting for ever.
    const timer = setTimeout(() => redis.stream?.destroy(), this.#options.connectMs ?? 5000)
    try {
      await redis.connect()
      return { redis, address, server: shownAddress(address), clientId: Number(await redis.call('client', 'id')) }
    } catch (error) {
      redis.disconnect()
      if (this.#isClosed) throw closedError()
      const reason = failure?.message ?? (error instanceof Error ? error.message : String(error))
      throw new StreamError(
        'UNAVAILABLE',
        `Could not connect to ${shownAddress(address)} for a blocked read: ${reason}`,
        {
          cause: failure ?? error,
        },
      )
    } finally {
      clearTimeout(timer)
    }
  }
}

/** One blocked command. `reply` always settles: the raw reply, the server's error, or `LineLost`. */
export class BlockedRead {
  readonly reply: Promise<unknown>
  readonly #reads: BlockedReads
  readonly #connection: Connection
  #hasSettled = false
  #cancelling: Promise<void> | undefined
  /** CLIENT UNBLOCK, until it is answered. */
  #asking: Promise<void> | undefined

  /** Takes over the connection. */
  constructor(
    reads: BlockedReads,
    connection: Connection,
    task: { readonly command: readonly [string, readonly CommandArgument[]]; readonly blockMs: number },
  ) {
    this.#reads = reads
    this.#connection = connection
    this.reply = this.#run(task.command, task.blockMs)
    // Whoever started it awaits it too; this only keeps an early failure from counting as unhandled.
    this.reply.catch(() => undefined)
  }

  /** Ends the wait; `reply` then settles within a second. */
  async cancel(): Promise<void> {
    this.#cancelling ??= this.#unblock()
    await this.#cancelling
  }

  async #run([name, args]: readonly [string, readonly CommandArgument[]], blockMs: number): Promise<unknown> {
    const timer = setTimeout(() => this.#connection.redis.stream.destroy(), blockMs + LATE_MS)
    try {
      return await this.#connection.redis.callBuffer(name, ...args)
    } catch (error) {
      if (isReply(error)) throw error
      throw new LineLost(error)
    } finally {
      clearTimeout(timer)
      this.#hasSettled = true
      void this.#release()
    }
  }

  /** Back to the pool, but not while a CLIENT UNBLOCK is on its way: it would hit the next read. */
  async #release(): Promise<void> {
    if (this.#asking !== undefined) {
      const isAnswered = this.#asking.then(() => true)
      const giveUp = new AbortController()
      const isLate = pause(CANCEL_MS, giveUp.signal).then(() => false)
      if (!(await Promise.race([isAnswered, isLate]))) this.#connection.redis.stream.destroy()
      giveUp.abort()
    }
    this.#reads.release(this.#connection)
  }

  async #unblock(): Promise<void> {
    const giveUp = setTimeout(() => this.#connection.redis.stream.destroy(), CANCEL_MS)
    // CLIENT UNBLOCK was not possible: closing the connection ends the wait as well.
    if (!this.#hasSettled) this.#asking = this.#askToUnblock().catch(() => void this.#connection.redis.stream.destroy())
    // Its own failure reaches whoever awaits `reply`.
    await this.reply.catch(() => undefined)
    clearTimeout(giveUp)
  }

  async #askToUnblock(): Promise<void> {
    // The command may still be on its way to the server: then there is nothing to unblock yet.
    while (!this.#hasSettled && !(await this.#reads.unblock(this.#connection))) {
      await pause(CANCEL_RETRY_MS)
    }
  }
}

/** The connection broke before the reply came. */
export class LineLost extends Error {
  constructor(cause: unknown) {
    super('The connection of a blocked read was lost', { cause })
    this.name = 'LineLost'
  }
}

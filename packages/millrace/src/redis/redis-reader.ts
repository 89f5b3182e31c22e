/**
 * XREAD and XREADGROUP over any number of streams.
 *
 *   one slot, blocking         one blocked command
 *   several slots, blocking    look at all of them without waiting; if nothing is there, one blocked command per
 *                              slot, the first that finds something wins, the others are unblocked and what they
 *                              had delivered meanwhile is returned too
 *   more slots than blockedSlotsMax    look at all of them every 25 ms
 *
 * One server is one slot. On a Cluster a command may only name streams of one slot, even on the same node.
 * Looking first keeps a busy stream from starving the others.
 */

import calculateSlot from 'cluster-key-slot'
import type { DeliveredEntry, ReadOptions } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { BlockedRead, type BlockedReads, LineLost } from './redis-blocked-read.ts'
import { closedError, type CommandArgument, type Effect, type RedisClient } from './redis-client.ts'
import { entries, lastId, streams } from './redis-replies.ts'
import { isReply, isTransient } from './redis-errors.ts'

const COUNT = 100
const POLL_MS = 25

type Found = Map<string, DeliveredEntry[]>
type Positions = ReadonlyMap<string, string>

/** What XREAD and XREADGROUP do not share. */
export interface ReadKind {
  readonly name: 'xread' | 'xreadgroup'
  /** What comes before COUNT: `GROUP group consumer [NOACK]`. */
  readonly head: readonly CommandArgument[]
  readonly effect: Effect
}

export class RedisReader {
  readonly #client: RedisClient
  readonly #blocked: BlockedReads
  readonly #blockedSlotsMax: number
  /** Ends the waits in progress, for close(). */
  readonly #ends = new Set<(reason: unknown) => void>()
  readonly #waits = new Set<Promise<Found>>()

  constructor(client: RedisClient, blocked: BlockedReads, blockedSlotsMax: number) {
    this.#client = client
    this.#blocked = blocked
    this.#blockedSlotsMax = blockedSlotsMax
  }

  async read(kind: ReadKind, positions: Positions, options: ReadOptions): Promise<Found> {
    options.signal?.throwIfAborted()
    const { found, rest } = await this.#resolveWords(kind, positions, options)
    const slots = this.#bySlot(rest)
    if (options.blockMs === undefined || found.size > 0) return merge([found, await this.#look(kind, slots, options)])
    const deadline = Date.now() + options.blockMs
    if (slots.length > 1) {
      const ready = await this.#look(kind, slots, options)
      if (ready.size > 0) return ready
    }
    return await this.#wait(kind, slots, { ...options, deadline })
  }

  /** Ends every wait, and resolves when what they had been delivered was returned. */
  async close(): Promise<void> {
    for (const end of this.#ends) end(closedError())
    await Promise.allSettled(this.#waits)
  }

  /**
   * `+` is older servers' missing word, so it is always resolved here. `$` is sent as it is when one command does
   * it all; else it becomes the ID of this moment, so that nothing falls between two commands.
   */
  async #resolveWords(
    kind: ReadKind,
    positions: Positions,
    options: ReadOptions,
  ): Promise<{ found: Found; rest: Positions }> {
    const words = [...positions.values()]
    const resolvesNow = words.includes('$') && (options.blockMs === undefined || this.#bySlot(positions).length > 1)
    if (kind.name === 'xreadgroup' || (!words.includes('+') && !resolvesNow))
      return { found: new Map(), rest: positions }
    const found: Found = new Map()
    const rest = new Map<string, string>()
    await Promise.all(
      [...positions].map(async ([stream, position]) => {
        rest.set(stream, position)
        if (position === '$') rest.set(stream, await this.#lastId(stream))
        if (position !== '+') return
        const last = entries(await this.#client.send('xrevrange', [stream, '+', '-', 'COUNT', 1], 'none'))
        if (last.length > 0) found.set(stream, last)
        rest.set(stream, last[0]?.id ?? '0-0')
      }),
    )
    for (const stream of found.keys()) rest.delete(stream)
    return { found, rest }
  }

  async #lastId(stream: string): Promise<string> {
    try {
      return lastId(await this.#client.send('xinfo', ['STREAM', stream], 'none'))
    } catch (error) {
      if (isReply(error) && error.message.includes('no such key')) return '0-0'
      throw error
    }
  }

  #bySlot(positions: Positions): [number, Positions][] {
    if (!this.#client.isCluster) return positions.size === 0 ? [] : [[0, positions]]
    const slots = new Map<number, Map<string, string>>()
    for (const [stream, position] of positions) {
      const slot = calculateSlot(stream)
      const group = slots.get(slot) ?? new Map<string, string>()
      slots.set(slot, group.set(stream, position))
    }
    return [...slots]
  }

  /** Reads all slots without waiting. What some delivered is returned even if others failed: it is pending now. */
  async #look(kind: ReadKind, slots: readonly [number, Positions][], options: ReadOptions): Promise<Found> {
    const results = await Promise.allSettled(
      slots.map(([, positions]) => this.#client.send(kind.name, readArguments(kind, positions, options), kind.effect)),
    )
    return gather(results)
  }

  async #wait(kind: ReadKind, slots: readonly [number, Positions][], options: WaitOptions): Promise<Found> {
    options.signal?.throwIfAborted()
    let end: (reason: unknown) => void = () => undefined
    let isEnded = false
    const ended = new Promise<never>((_resolve, reject) => {
      end = (reason) => {
        isEnded = true
        reject(reason)
      }
    })
    // It may be rejected while nobody races against it.
    ended.catch(() => undefined)
    const onAbort = (): void => end(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#ends.add(end)
    const wait: Wait = { kind, slots, options, ended, isEnded: () => isEnded, started: [], isOver: false }
    const waiting = slots.length > this.#blockedSlotsMax ? this.#poll(wait) : this.#block(wait)
    this.#waits.add(waiting)
    try {
      return await waiting
    } finally {
      this.#waits.delete(waiting)
      options.signal?.removeEventListener('abort', onAbort)
      this.#ends.delete(end)
    }
  }

  async #poll({ kind, slots, options, ended, isEnded }: Wait): Promise<Found> {
    for (;;) {
      const leftMs = options.deadline - Date.now()
      if (leftMs <= 0) return new Map()
      let timer: NodeJS.Timeout | undefined
      const pause = new Promise((resolve) => (timer = setTimeout(resolve, Math.min(POLL_MS, leftMs))))
      try {
        await Promise.race([pause, ended])
      } finally {
        clearTimeout(timer)
      }
      const found = await this.#look(kind, slots, options)
      if (found.size > 0) return found
      if (isEnded()) await ended
    }
  }

  async #block(wait: Wait): Promise<Found> {
    const replies = wait.slots.map(async ([slot, positions]) => await (await this.#start(wait, slot, positions)).reply)
    // What fails is seen again below, in what was started or as the reason of the race.
    for (const reply of replies) reply.catch(() => undefined)
    let failure: unknown
    try {
      await Promise.race([Promise.all(replies), ...replies.map(untilSomething), wait.ended])
    } catch (error) {
      failure = error
    }
    wait.isOver = true
    const stopped = stop(wait.started)
    // Nothing is consumed by a plain read, so who aborts it need not wait for the server.
    if (wait.isEnded() && wait.kind.name === 'xread') throw failure
    const found = merge((await stopped).map(streams))
    if (found.size > 0 || failure === undefined) return found
    throw this.#lineLost(failure, wait.kind)
  }

  async #start(wait: Wait, slot: number, positions: Positions): Promise<BlockedRead> {
    const { kind, options } = wait
    await this.#client.untilAvailable()
    const address = this.#client.addressOf(slot)
    if (address === undefined)
      throw new StreamError('UNAVAILABLE', `No node of the Cluster is known to hold slot ${slot}`)
    const connection = await this.#blocked.connection(address)
    if (wait.isOver || wait.isEnded()) {
      this.#blocked.release(connection)
      throw closedError()
    }
    const blockMs = Math.max(1, options.deadline - Date.now())
    const read = new BlockedRead(this.#blocked, connection, {
      command: [kind.name, readArguments(kind, positions, options, blockMs)],
      blockMs,
    })
    wait.started.push(read)
    return read
  }

  #lineLost(error: unknown, kind: ReadKind): unknown {
    // MOVED and the like: the slot is another node's now, which the Cluster is asked for before the next try.
    if (isTransient(error)) this.#client.refresh()
    if (!(error instanceof LineLost)) return error
    this.#client.refresh()
    const code = kind.effect === 'write' ? 'OUTCOME_UNKNOWN' : 'UNAVAILABLE'
    const delivered = kind.effect === 'write' ? '; what it delivered, if anything, is pending for this consumer' : ''
    return new StreamError(code, `The connection of a blocked read was lost${delivered}`, { cause: error })
  }
}

interface WaitOptions extends ReadOptions {
  readonly deadline: number
}

interface Wait {
  readonly kind: ReadKind
  readonly slots: readonly [number, Positions][]
  readonly options: WaitOptions
  /** Rejects with the reason when the caller aborts or the backend closes. */
  readonly ended: Promise<never>
  readonly isEnded: () => boolean
  /** The commands that were sent. */
  readonly started: BlockedRead[]
  /** No more of them may be sent. */
  isOver: boolean
}

/** Ends the waits and resolves what the server had found for them until then; failed ones found nothing. */
async function stop(reads: readonly BlockedRead[]): Promise<unknown[]> {
  await Promise.all(reads.map(async (read) => await read.cancel()))
  const replies = await Promise.allSettled(reads.map(async (read) => await read.reply))
  return replies.map((reply) => (reply.status === 'fulfilled' ? reply.value : null))
}

function readArguments(
  kind: ReadKind,
  positions: Positions,
  options: ReadOptions,
  blockMs?: number,
): CommandArgument[] {
  const block = blockMs === undefined ? [] : ['BLOCK', blockMs]
  return [
    ...kind.head,
    'COUNT',
    options.count ?? COUNT,
    ...block,
    'STREAMS',
    ...positions.keys(),
    ...positions.values(),
  ]
}

/** Settles with the first reply that is not empty; an empty one (its time ran out) never wins. */
async function untilSomething(reply: Promise<unknown>): Promise<unknown> {
  const value = await reply
  return value === null ? await new Promise(() => undefined) : value
}

function gather(results: readonly PromiseSettledResult<unknown>[]): Found {
  const found = merge(results.map((result) => (result.status === 'fulfilled' ? streams(result.value) : new Map())))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined && found.size === 0) throw failed.reason
  return found
}

function merge(parts: readonly Found[]): Found {
  const merged: Found = new Map()
  for (const part of parts) for (const [stream, found] of part) merged.set(stream, found)
  return merged
}

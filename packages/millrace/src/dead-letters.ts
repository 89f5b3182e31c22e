/**
 * The entries that workers gave up, and the way back.
 *
 *   orders ──worker gives up──► {orders}:dlq ──redrive──► {orders}:retry:<group>   attempts from the beginning, key and headers kept
 *                                    └──discard──► gone
 *
 * Each redrive is one step: whether it is repeated, or two do it at once, the entry comes back once. Their stream keeps about
 * 100,000, the newest. What stands in its fields: worker/dead-letter.ts writes it.
 */
import { checkInteger } from './arguments.ts'
import type { Entry, EntryId } from './backend.ts'
import { timeOfId } from './entry-id-order.ts'
import { openEnvelope, withEnvelopeFields } from './envelope.ts'
import { StreamError } from './errors.ts'
import { backoffMs, pause } from './pause.ts'
import { siblingKey } from './sibling-key.ts'
import type { Site } from './site.ts'

export interface DeadLetter<T> {
  /** Its ID among the dead letters. */
  readonly id: EntryId
  /** The stream it came from; of one with partitions, the partition. */
  readonly stream: string
  /** Under which the message was first added. */
  readonly originalId: EntryId | undefined
  readonly group: string | undefined
  readonly consumer: string | undefined
  /** `failed`: all attempts; `fatal`: the handler said so; `worker-died`; `undecodable`. */
  readonly reason: string | undefined
  readonly error: string | undefined
  readonly stack: string | undefined
  readonly attempts: number
  /** Milliseconds since 1970, by the backend's clock. */
  readonly failedAtMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly key: string | undefined
  readonly orderingKey: string | undefined
  /** The value's own fields as they are stored. */
  readonly fields: readonly Uint8Array[]
  /** The value; throws `BAD_ARGUMENT` or `INVALID_ENTRY` for what cannot be decoded. */
  value(): T
}

export interface DeadLetterListOptions {
  /** At most so many. Default 100. */
  readonly count?: number
  /** Only this group's. */
  readonly group?: string
  /** Only after this one. */
  readonly from?: EntryId
}

/** Exactly one of `ids`, `filter` and `all`. */
export interface RedriveOptions<T> {
  readonly ids?: readonly EntryId[]
  readonly filter?: (letter: DeadLetter<T>) => boolean
  readonly all?: true
  /** At most so many in a second. Default: as fast as it goes. */
  readonly ratePerSecond?: number
  /** At most so many. Default: all that are there when it begins. */
  readonly limit?: number
}

const PAGE = 100
const RETRY_MS_MAX = 30_000

export class DeadLetters<T> {
  /** The stream that holds them; of one with partitions, the first of those. */
  readonly name: string
  readonly #site: Site
  readonly #streams: readonly string[]
  readonly #decode: (own: readonly Uint8Array[], id: EntryId) => T

  /** Use `Stream.deadLetters`. */
  constructor(site: Site, streams: readonly string[], decode: (own: readonly Uint8Array[], id: EntryId) => T) {
    this.name = deadLetterKey(streams[0]!)
    this.#site = site
    this.#streams = streams
    this.#decode = decode
  }

  async length(): Promise<number> {
    const { backend } = this.#site
    const found = await Promise.all(this.#streams.map(async (stream) => await backend.inspect(deadLetterKey(stream))))
    return found.reduce((sum, info) => sum + (info?.length ?? 0), 0)
  }

  /** The oldest first; with partitions, one after the other. */
  async list(options: DeadLetterListOptions = {}): Promise<DeadLetter<T>[]> {
    const { count = PAGE, group, from } = options
    checkInteger('count', count, 1)
    const letters: DeadLetter<T>[] = []
    for await (const { letter } of this.#scan(from)) {
      if (group !== undefined && letter.group !== group) continue
      letters.push(letter)
      if (letters.length >= count) break
    }
    return letters
  }

  /**
   * Gives entries back to their groups. With partitions `ids` are looked for in all of them: an ID that two have is `missing`;
   * use the partition's own dead letters. `missing`: were not, or no longer, among the dead letters. */
  async redrive(options: RedriveOptions<T>): Promise<{ readonly redriven: number; readonly missing: number }> {
    const { ids, filter, all, ratePerSecond, limit = Infinity } = options
    if ([ids, filter, all].filter((choice) => choice !== undefined).length !== 1) {
      throw new StreamError('BAD_ARGUMENT', 'Expected exactly one of ids, filter and all to redrive by')
    }
    if (options.limit !== undefined) checkInteger('limit', limit, 1)
    if (ratePerSecond !== undefined && !(ratePerSecond > 0)) {
      throw new StreamError('BAD_ARGUMENT', `Expected ratePerSecond to be above 0, got ${String(ratePerSecond)}`)
    }
    let [redriven, missing] = [0, 0]
    for await (const { entry, letter } of ids === undefined ? this.#scan(undefined) : this.#pick(ids)) {
      if (letter === undefined) missing++
      if (letter === undefined || (filter !== undefined && !filter(letter))) continue
      if (ratePerSecond !== undefined && redriven > 0) {
        await pause(1000 / ratePerSecond, undefined, this.#site.clock)
      }
      if (await this.#redriveOne(entry, letter)) redriven++
      else missing++
      if (redriven >= limit) break
    }
    return { redriven, missing }
  }

  /** Removes them for good; resolves how many were there. `ids` as with `redrive`. */
  async discard(ids: readonly EntryId[]): Promise<number> {
    let gone = 0
    for await (const { entry, letter } of this.#pick(ids)) {
      if (letter !== undefined) gone += await this.#site.backend.delete(deadLetterKey(letter.stream), [entry.id])
    }
    return gone
  }

  /** All that are there when it begins: what is given up meanwhile does not come round again. */
  async *#scan(from: EntryId | undefined): AsyncGenerator<{ entry: Entry; letter: DeadLetter<T> }, void, undefined> {
    for (const stream of this.#streams) yield* this.#scanOne(stream, from)
  }

  async *#scanOne(
    stream: string,
    from: EntryId | undefined,
  ): AsyncGenerator<{ entry: Entry; letter: DeadLetter<T> }, void, undefined> {
    const { backend } = this.#site
    const name = deadLetterKey(stream)
    const to = (await backend.inspect(name))?.lastId
    if (to === undefined) return
    for (let after = from; ;) {
      const bound = after === undefined ? {} : { from: `(${after}` }
      const page = await backend.range(name, { to, count: PAGE, ...bound })
      for (const entry of page) yield { entry, letter: this.#letter(stream, entry) }
      after = page.at(-1)?.id
      if (after === undefined || page.length < PAGE) return
    }
  }

  async *#pick(
    ids: readonly EntryId[],
  ): AsyncGenerator<{ entry: Entry; letter: DeadLetter<T> | undefined }, void, undefined> {
    for (const id of ids) {
      const found: { readonly entry: Entry; readonly letter: DeadLetter<T> }[] = []
      for (const stream of this.#streams) {
        const [entry] = await this.#site.backend.range(deadLetterKey(stream), { from: id, to: id })
        if (entry !== undefined) found.push({ entry, letter: this.#letter(stream, entry) })
      }
      yield found.length === 1 ? found[0]! : { entry: { id, fields: [] }, letter: undefined }
    }
  }

  /** Sent again after a lost reply: what is gone then was redriven by the first. */
  async #redriveOne(entry: Entry, { stream, group }: DeadLetter<T>): Promise<boolean> {
    const { backend, clock } = this.#site
    const name = deadLetterKey(stream)
    const to = group === undefined ? stream : siblingKey(stream, `retry:${group}`)
    const why = { 'mr:stream': undefined, 'mr:group': undefined, 'mr:consumer': undefined, 'mr:reason': undefined }
    const which = { 'mr:error': undefined, 'mr:stack': undefined, 'mr:attempts': undefined }
    const fields = withEnvelopeFields(entry.fields, { ...why, ...which })
    const untilMs = clock.monotonicMs() + RETRY_MS_MAX
    for (let failures = 0, isRepeated = false; ; failures++) {
      try {
        const { isTaken } = await backend.step({
          if: [{ kind: 'entry', stream: name, id: entry.id }],
          do: [
            { kind: 'append', stream: to, fields },
            { kind: 'delete', stream: name, ids: [entry.id] },
          ],
        })
        return isTaken || isRepeated
      } catch (error) {
        const code = error instanceof StreamError ? error.code : undefined
        if ((code !== 'OUTCOME_UNKNOWN' && code !== 'UNAVAILABLE') || clock.monotonicMs() >= untilMs) throw error
        if (code === 'OUTCOME_UNKNOWN') isRepeated = true
        await pause(backoffMs(failures, clock), undefined, clock)
      }
    }
  }

  #letter(stream: string, { id, fields }: Entry): DeadLetter<T> {
    const { own, envelope } = openEnvelope(fields)
    const { headers, key, orderingKey, originalId, attemptsBefore: attempts } = envelope
    const known = new Map<string, string>()
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = Buffer.from(fields[i]!).toString()
      if (name.startsWith('mr:')) known.set(name, Buffer.from(fields[i + 1]!).toString())
    }
    return {
      id,
      stream,
      originalId,
      attempts,
      headers,
      key,
      orderingKey,
      fields: own,
      failedAtMs: timeOfId(id),
      group: known.get('mr:group'),
      consumer: known.get('mr:consumer'),
      reason: known.get('mr:reason'),
      error: known.get('mr:error'),
      stack: known.get('mr:stack'),
      value: () => this.#decode(own, originalId ?? id),
    }
  }
}

function deadLetterKey(stream: string): string {
  return siblingKey(stream, 'dlq')
}

/**
 * One reader of one answer: pulls batches from the relay as fast as its sink takes them, and no faster.
 *
 *   relay.follow ──next()──► batch ──► sink.ready() ──► sink.send(batch) ──► next() …
 *
 * The relay checks whose answer it is at the first read and has a first batch at once, an empty one if there is
 * nothing behind the offset yet: so opening tells whether there is something to read before the client is told.
 */
import { setImmediate } from 'node:timers/promises'
import type { EntryId } from 'millrace'
import type { FollowBatch, Relay } from '@millrace/relay'

/** At most 8 KB of text each, so that one packet stays below half a megabyte. */
const partEntriesMax = 50

export interface Sink {
  /** Resolves when the client can take more; rejects when the signal aborts. */
  ready(signal: AbortSignal): Promise<void>
  send(batch: FollowBatch): void
}

export interface FollowRequest {
  readonly owner: string
  readonly answer: string
  readonly after?: EntryId | undefined
}

export class Follow {
  readonly #batches: AsyncIterator<FollowBatch>
  readonly #first: Promise<IteratorResult<FollowBatch>>
  #second: Promise<IteratorResult<FollowBatch>> | undefined
  readonly #signal: AbortSignal

  constructor(relay: Relay, request: FollowRequest, signal: AbortSignal) {
    const { owner, answer, after } = request
    const batches = relay.follow(owner, answer, after === undefined ? { signal } : { after, signal })
    this.#signal = signal
    this.#batches = batches[Symbol.asyncIterator]()
    this.#first = this.#batches.next()
    // `opened` and `run` look at it and get the failure; until then nobody does.
    this.#first.catch(() => undefined)
  }

  /** `ended`: nothing is behind the offset and nothing will be. Rejects as the relay's first read does. */
  async opened(): Promise<'open' | 'ended'> {
    const first = await this.#first
    if (first.done === true) return 'ended'
    if (first.value.entries.length > 0) return 'open'
    // Nothing yet, or nothing ever: where the answer is closed the relay ends the follow without another read.
    this.#second = this.#batches.next()
    this.#second.catch(() => undefined)
    const second = await Promise.race([this.#second, setImmediate(undefined)])
    return second?.done === true ? 'ended' : 'open'
  }

  /** Resolves when the answer is closed and all of it was sent; rejects with the relay's failure or the signal's reason. */
  async run(sink: Sink): Promise<void> {
    try {
      let next = await this.#first
      while (next.done !== true) {
        for (const part of partsOf(next.value)) {
          await sink.ready(this.#signal)
          // It may have been ended while we waited: then nothing more may leave.
          this.#signal.throwIfAborted()
          sink.send(part)
        }
        next = await (this.#second ?? this.#batches.next())
        this.#second = undefined
      }
    } finally {
      await this.#batches.return?.()
    }
  }
}

/** A page of the log in pieces of which a few can wait for a slow client without harm. */
function* partsOf({ entries, caughtUp }: FollowBatch): Generator<FollowBatch> {
  for (let from = 0; from === 0 || from < entries.length; from += partEntriesMax) {
    const to = from + partEntriesMax
    yield { entries: entries.slice(from, to), caughtUp: caughtUp && to >= entries.length }
  }
}

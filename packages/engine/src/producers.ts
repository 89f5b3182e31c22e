/**
 * What the idempotent producers of a stream (XADD IDMP) have sent lately: for each of them its own IDs of entries, and
 * which stream ID each got, the oldest first.
 *
 *   'billing'  'inv-1' → 1700-0    'inv-2' → 1701-0    'inv-3' → 1701-1        at most `sizeMax` each
 *   'web'      'a9f…'  → 1699-4
 *   due        'web' 1699, 'billing' 1700                                      no later than the oldest of each
 *
 * An ID is forgotten when its stream ID is `durationS` seconds old by the clock, or when its producer has too many.
 */
import { Deadlines } from './deadlines.ts'
import type { StreamId } from './id.ts'
import { Meter } from './meter.ts'

export interface IdempotencySettings {
  /** For how long an ID is remembered, in seconds: 1 to 86,400. */
  readonly durationS: number
  /** How many IDs of one producer are remembered: 1 to 10,000. */
  readonly sizeMax: number
}

/** What a stream has unless its database says otherwise. Redis: stream-idmp-duration, stream-idmp-maxsize. */
export const IDEMPOTENCY_DEFAULT: IdempotencySettings = { durationS: 100, sizeMax: 100 }

const PRODUCER_BYTES = 400
const IID_BYTES = 160

export class Producers {
  settings: IdempotencySettings
  /** IDs ever remembered. */
  added = 0
  /** How often one of them came again. */
  duplicates = 0
  #tracked = 0
  readonly #sent = new Map<string, Map<string, StreamId>>()
  /** Those of `#sent` that a picture has as well; undefined: none. */
  #shared: Set<Map<string, StreamId>> | undefined = undefined
  readonly #due = new Deadlines<string>()
  readonly #meter: Meter

  constructor(settings: IdempotencySettings, meter: Meter) {
    this.settings = settings
    this.#meter = meter
  }

  /** How many producers have IDs that are remembered. */
  get producerCount(): number {
    return this.#sent.size
  }

  /** How many IDs are remembered, of all producers. */
  get tracked(): number {
    return this.#tracked
  }

  /** What each producer has sent, the oldest first: its own IDs, and the stream IDs that they got. */
  sent(): ReadonlyMap<string, ReadonlyMap<string, StreamId>> {
    return this.#sent
  }

  /** The stream ID that a producer's ID got, expired or not. */
  find(producer: string, iid: string): StreamId | undefined {
    return this.#sent.get(producer)?.get(iid)
  }

  /** Whether something may be older than this. */
  hasThrough(ms: bigint): boolean {
    const next = this.#due.next()
    return next !== undefined && BigInt(next) <= ms
  }

  record(producer: string, iid: string, id: StreamId): void {
    const sent = this.#writable(producer) ?? this.#begin(producer, id)
    // What comes again has expired before: it is the newest now.
    this.#forget(sent, iid)
    sent.set(iid, id)
    this.#tracked++
    this.#meter.add(IID_BYTES + iid.length)
    this.added++
    if (sent.size <= this.settings.sizeMax) return
    this.#forget(sent, firstOf(sent)!)
    // The new oldest can have a lower stream ID: entries are recorded in any order (XIDMPRECORD).
    const oldest = Number(sent.get(firstOf(sent)!)!.ms)
    if (oldest < this.#due.get(producer)!) this.#due.set(producer, oldest)
  }

  /** Forgets what has a stream ID of this time or before, from each producer's oldest on. */
  expireThrough(ms: bigint): void {
    const looked: string[] = []
    for (let name = this.#due.take(Number(ms)); name !== undefined; name = this.#due.take(Number(ms))) {
      looked.push(name)
      const sent = this.#writable(name)!
      for (const [iid, id] of sent) {
        if (id.ms > ms) break
        this.#forget(sent, iid)
      }
    }
    for (const name of looked) this.#settle(name)
  }

  /** New settings forget everything, the same ones nothing. */
  configure(settings: IdempotencySettings): void {
    if (settings.durationS === this.settings.durationS && settings.sizeMax === this.settings.sizeMax) return
    this.settings = settings
    for (const name of this.#sent.keys()) {
      const sent = this.#writable(name)!
      for (const iid of sent.keys()) this.#forget(sent, iid)
      this.#settle(name)
    }
  }

  /** The same producers, counters and settings in another memory account. */
  copy(meter: Meter): Producers {
    const copy = new Producers(this.settings, meter)
    for (const [name, sent] of this.#sent) for (const [iid, id] of sent) copy.record(name, iid, id)
    copy.added = this.added
    copy.duplicates = this.duplicates
    return copy
  }

  /** The producers, counters and settings as they are now, to be read, whatever becomes of these. */
  picture(): Producers {
    const picture = new Producers(this.settings, new Meter())
    for (const [name, sent] of this.#sent) picture.#sent.set(name, sent)
    picture.added = this.added
    picture.duplicates = this.duplicates
    picture.#tracked = this.#tracked
    this.#shared = new Set(this.#sent.values())
    return picture
  }

  /** What a producer sent, to be changed. */
  #writable(producer: string): Map<string, StreamId> | undefined {
    const sent = this.#sent.get(producer)
    if (sent === undefined || this.#shared?.delete(sent) !== true) return sent
    const copy = new Map(sent)
    this.#sent.set(producer, copy)
    return copy
  }

  #begin(producer: string, first: StreamId): Map<string, StreamId> {
    const sent = new Map<string, StreamId>()
    this.#sent.set(producer, sent)
    this.#due.set(producer, Number(first.ms))
    this.#meter.add(PRODUCER_BYTES + producer.length)
    return sent
  }

  #forget(sent: Map<string, StreamId>, iid: string): void {
    if (!sent.delete(iid)) return
    this.#tracked--
    this.#meter.add(-(IID_BYTES + iid.length))
  }

  /** After a look at a producer: it is gone, or due with its oldest. */
  #settle(name: string): void {
    const sent = this.#sent.get(name)!
    if (sent.size > 0) {
      this.#due.set(name, Number(sent.get(firstOf(sent)!)!.ms))
      return
    }
    this.#sent.delete(name)
    this.#due.delete(name)
    this.#meter.add(-(PRODUCER_BYTES + name.length))
  }
}

function firstOf(sent: Map<string, StreamId>): string | undefined {
  return sent.keys().next().value
}

/**
 * The changes of a payload (payload.ts), one after the other, as they were committed.
 *
 *   const reader = new ChangeReader(bytes, from, to)
 *   while (reader.next()) databases.apply(reader.database, reader.change)
 *
 * A change holds until the next one is read: fields and values are where they are in the payload, IDs in cells and lists
 * that are used again. What is malformed is refused with a `PayloadError`; that a change makes sense for the databases to
 * which it is applied is not looked at here.
 */
import type { Change, CrossChange, EntryAdded } from '../change.ts'
import { IdList } from '../id-list.ts'
import { IdCell } from '../number-id.ts'
import type { PackedFields } from '../packed-fields.ts'
import { NAME_SLOTS, OP } from './payload.ts'
import { PayloadReader } from './payload-reader.ts'

const PLACES_MIN = 8
/** Of a whole number: no time that a clock shows has more. */
const DIGITS = /^-?[0-9]{1,400}$/
const NO_CHANGE: Change = { kind: 'flushed' }

export class ChangeReader {
  /** That of the change; of one that concerns two, the first that it names. */
  database = 0
  change: Change | CrossChange = NO_CHANGE
  readonly #in = new PayloadReader()
  /** What is current unless a change says otherwise. */
  #database = 0
  readonly #slots = Array.from({ length: NAME_SLOTS }, () => new FieldSlot())
  readonly #id = new IdCell()
  readonly #ids = new IdList()
  #counts = new Float64Array(PLACES_MIN)
  readonly #added: { -readonly [Member in keyof EntryAdded]: EntryAdded[Member] }

  /** Of the bytes from `from` up to, and not including, `to`. */
  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#added = { kind: 'entry-added', key: '', id: this.#id, fields: this.#slots[0]!, startsNode: false }
    this.begin(bytes, from, to)
  }

  /** Begins another payload. A reader for many of them makes fewer objects, and texts that come again only once. */
  begin(bytes: Uint8Array, from: number, to: number): void {
    for (const slot of this.#slots) slot.forget()
    this.#database = 0
    this.#in.begin(bytes, from, to)
  }

  /** Goes to the next change; false when there is none. */
  next(): boolean {
    const input = this.#in
    if (input.at === input.end) return false
    let op = input.byte()
    if (op === OP.database) {
      this.#database = input.integer()
      op = input.byte()
    }
    this.database = this.#database
    this.change =
      op === OP.entryAdded || op === OP.entryAddedInNewNode
        ? this.#readEntry(op === OP.entryAddedInNewNode)
        : this.#readDelivery(op)
    return true
  }

  /** Hot. */
  #readEntry(startsNode: boolean): Change {
    const input = this.#in
    const added = this.#added
    added.key = input.text()
    input.id(this.#id)
    const place = input.byte()
    const slot = this.#slots[place % NAME_SLOTS]!
    if (place >= NAME_SLOTS * 2) input.refuse(`Expected the place of field names; got ${place}`)
    if (place >= NAME_SLOTS) slot.readNames(input)
    if (!slot.isKnown) input.refuse(`Field names are in place ${place}, where none are known`)
    slot.readValues(input)
    added.fields = slot
    added.startsNode = startsNode
    return added
  }

  #readDelivery(op: number): Change | CrossChange {
    const input = this.#in
    switch (op) {
      case OP.delivered:
      case OP.deliveredDone: {
        const [key, group, consumer] = [input.text(), input.text(), input.text()]
        const count = input.integer()
        const atMs = input.someTime()
        input.id(this.#id)
        const pending = op === OP.delivered
        const entriesRead = input.number()
        return { kind: 'delivered', key, group, consumer, count, atMs, pending, lastId: this.#id, entriesRead }
      }
      case OP.acknowledged:
        return { kind: 'acknowledged', key: input.text(), group: input.text(), ids: this.#readIds() }
      case OP.pendingDropped:
        return { kind: 'pending-dropped', key: input.text(), group: input.text(), ids: this.#readIds() }
      case OP.claimed: {
        const [key, group, consumer] = [input.text(), input.text(), input.text()]
        const atMs = input.someTime()
        const ids = this.#readIds()
        return { kind: 'claimed', key, group, consumer, ids, atMs, counts: this.#readCounts(ids.count) }
      }
      case OP.nacked: {
        const [key, group] = [input.text(), input.text()]
        const ids = input.streamIds()
        return { kind: 'nacked', key, group, ids, counts: [...this.#readCounts(ids.length).subarray(0, ids.length)] }
      }
      default:
        return this.#readGroup(op)
    }
  }

  #readGroup(op: number): Change | CrossChange {
    const input = this.#in
    const group = (): { key: string; group: string } => ({ key: input.text(), group: input.text() })
    const consumer = (): { key: string; group: string; consumer: string } => ({ ...group(), consumer: input.text() })
    switch (op) {
      case OP.consumerSeen:
        return { kind: 'consumer-seen', ...consumer(), seenMs: input.someTime(), activeMs: input.time() }
      case OP.consumerCreated:
        return { kind: 'consumer-created', ...consumer(), atMs: input.someTime() }
      case OP.consumerDeleted:
        return { kind: 'consumer-deleted', ...consumer() }
      case OP.groupCreated:
        return { kind: 'group-created', ...group(), lastId: input.streamId(), entriesRead: input.number() }
      case OP.groupSet:
        return { kind: 'group-set', ...group(), lastId: input.streamId(), entriesRead: input.number() }
      case OP.groupAdvanced:
        return { kind: 'group-advanced', ...group(), lastId: input.streamId() }
      case OP.groupDestroyed:
        return { kind: 'group-destroyed', ...group() }
      default:
        return this.#readStream(op)
    }
  }

  #readStream(op: number): Change | CrossChange {
    const input = this.#in
    switch (op) {
      case OP.trimmed:
        return { kind: 'trimmed', key: input.text(), through: input.streamId(), removed: input.integer() }
      case OP.entriesTrimmed:
        return { kind: 'entries-trimmed', key: input.text(), ids: input.streamIds() }
      case OP.entriesDeleted:
        return { kind: 'entries-deleted', key: input.text(), ids: input.streamIds() }
      case OP.idSet: {
        const [key, lastId] = [input.text(), input.streamId()]
        return { kind: 'id-set', key, lastId, entriesAdded: input.someNumber(), maxDeletedId: input.streamId() }
      }
      case OP.idempotencySet: {
        const key = input.text()
        const settings = { durationS: input.someNumber(), sizeMax: input.someNumber() }
        return { kind: 'idempotency-set', key, settings }
      }
      case OP.iidRecorded: {
        const [key, producer, iid] = [input.text(), input.text(), input.once()]
        return { kind: 'iid-recorded', key, producer, iid, id: input.streamId() }
      }
      case OP.iidRepeated:
        return { kind: 'iid-repeated', key: input.text() }
      case OP.iidsExpired:
        return { kind: 'iids-expired', key: input.text(), throughMs: this.#readDigits() }
      default:
        return this.#readKeys(op)
    }
  }

  #readKeys(op: number): Change | CrossChange {
    const input = this.#in
    switch (op) {
      case OP.streamCreated: {
        const [key, durationS] = [input.text(), input.number()]
        if (durationS === undefined) return { kind: 'stream-created', key }
        return { kind: 'stream-created', key, idempotency: { durationS, sizeMax: input.someNumber() } }
      }
      case OP.stringSet: {
        const [key, expiresAtMs] = [input.text(), input.time()]
        const start = input.skip(input.integer())
        return { kind: 'string-set', key, value: input.bytes.subarray(start, input.at), expiresAtMs }
      }
      case OP.keyRestored: {
        const [key, expiresAtMs] = [input.text(), input.time()]
        const start = input.skip(input.integer())
        return { kind: 'key-restored', key, payload: input.bytes.subarray(start, input.at), expiresAtMs }
      }
      case OP.keyRenamed:
        return { kind: 'key-renamed', key: input.text(), to: input.text() }
      case OP.expirySet:
        return { kind: 'expiry-set', key: input.text(), atMs: input.time() }
      case OP.keyDeleted:
        return { kind: 'key-removed', key: input.text(), reason: 'deleted' }
      case OP.keyExpired:
        return { kind: 'key-removed', key: input.text(), reason: 'expired' }
      case OP.flushed:
        return { kind: 'flushed' }
      default:
        return this.#readCross(op)
    }
  }

  #readCross(op: number): CrossChange {
    const input = this.#in
    switch (op) {
      case OP.databasesSwapped:
        return { kind: 'databases-swapped', a: input.integer(), b: input.integer() }
      case OP.keyMoved:
        return { kind: 'key-moved', key: input.text(), from: input.integer(), to: input.integer() }
      case OP.keyCopied: {
        const [key, from] = [input.text(), input.integer()]
        return { kind: 'key-copied', key, from, toKey: input.text(), to: input.integer() }
      }
      default:
        return input.refuse(`Expected a kind of change; got ${op}`)
    }
  }

  #readIds(): IdList {
    this.#ids.clear()
    this.#in.ids(this.#ids)
    return this.#ids
  }

  /** So many numbers; what is behind them means nothing. */
  #readCounts(count: number): Float64Array {
    if (count > this.#counts.length) this.#counts = new Float64Array(Math.max(count, this.#counts.length * 2))
    for (let i = 0; i < count; i++) this.#counts[i] = this.#in.someNumber()
    return this.#counts
  }

  #readDigits(): bigint {
    const digits = this.#in.once()
    return DIGITS.test(digits) ? BigInt(digits) : this.#in.refuse('Expected a whole number in digits')
  }
}

/** Names, and the values of the entry that has just been read with them, where they are in the payload. */
class FieldSlot implements PackedFields {
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView | undefined = undefined
  starts = new Int32Array(PLACES_MIN)
  ends = new Int32Array(PLACES_MIN)
  readonly first = 0
  count = 0
  isKnown = false

  forget(): void {
    this.isKnown = false
  }

  readNames(input: PayloadReader): void {
    // Each has a length, and so has its value.
    const names = input.count(2)
    this.bytes = input.bytes
    this.view = input.view
    this.count = names * 2
    if (this.count > this.starts.length) {
      this.starts = new Int32Array(Math.max(this.count, this.starts.length * 2))
      this.ends = new Int32Array(this.starts.length)
    }
    for (let i = 0; i < this.count; i += 2) this.#read(input, i)
    this.isKnown = true
  }

  readValues(input: PayloadReader): void {
    for (let i = 1; i < this.count; i += 2) this.#read(input, i)
  }

  #read(input: PayloadReader, place: number): void {
    this.starts[place] = input.skip(input.integer())
    this.ends[place] = input.at
  }
}

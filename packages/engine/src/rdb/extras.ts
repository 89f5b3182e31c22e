/**
 * What is known of a key and has no place in an RDB file of Redis 7.0. It stands behind the key in auxiliary fields, which
 * Redis passes over; where there is much, in several of them.
 *
 *   [FA] "millrace-key" │ payload version │ extras version │ key │ record │ record │ … │       parts: payload.ts
 *
 *   1 consumer      group, consumer, when it was last active       where that is not when it was seen
 *   2 nobody's      group, ID                                      pending for nobody, in the order of the zone
 *   3 stand-in      group, consumer                                who had those in the file: goes, and has nothing left
 *   4 group         group, entries read                            more than were ever added
 *   5 idempotency   seconds, IDs of a producer                     the settings
 *   6 sent          producer, its ID, stream ID                    the oldest first
 *   7 counters      IDs added, duplicates                          behind all that was sent
 *   8 node          index, first ID, last ID, body                 where the listpack tells otherwise
 *   9 expiry        when the key expires                           beyond 2^63
 *
 * Numbers are never given to another record; a higher version is refused.
 */
import type { Databases } from '../databases.ts'
import { PayloadError } from '../disk/payload.ts'
import { PayloadReader } from '../disk/payload-reader.ts'
import { FIXED_BYTES, PayloadWriter } from '../disk/payload-writer.ts'
import { EngineError } from '../errors.ts'
import { NOBODY, type Group } from '../group.ts'
import { formatId, type StreamId } from '../id.ts'
import type { Slot } from '../keyspace.ts'
import type { NodePicture } from '../nodes.ts'
import type { Stream } from '../stream.ts'

/** The name of the auxiliary field. */
export const EXTRAS_NAME = 'millrace-key'
const EXTRAS_VERSION = 1

const CONSUMER = 1
const NOBODYS = 2
const STAND_IN = 3
const GROUP = 4
const IDEMPOTENCY = 5
const SENT = 6
const COUNTERS = 7
const NODE = 8
const EXPIRY = 9

/** What a file has no place for: times from here on. */
const EXPIRY_MIN = 2 ** 63

// A field goes when it has become so large.
const FIELD_BYTES = 32_768
const DURATION_S_MAX = 86_400
const SIZE_MAX = 10_000

/** A node of which the listpack doesn't tell all. */
export interface NodeDifference {
  readonly index: number
  readonly node: NodePicture
}

export interface ExtrasOf {
  readonly slot: Slot
  readonly differences: readonly NodeDifference[]
  /** The consumer that a group's entries were given to that are pending for nobody. */
  readonly nobodysName: (group: Group) => string | undefined
}

/** Whether there may be something to tell of a key. */
export function hasExtras({ value, expiresAtMs }: Slot): boolean {
  return value.type === 'stream' || (expiresAtMs !== undefined && expiresAtMs > EXPIRY_MIN)
}

/** The values of the fields, each of which holds until the next one is asked for. None: there is nothing to tell. */
export function* encodeExtras(what: ExtrasOf): Generator<Uint8Array, void> {
  const writer = new PayloadWriter()
  let begun = 0
  for (const put of records(what)) {
    if (begun === 0) {
      writer.clear()
      writer.reserve(FIXED_BYTES)
      writer.putInteger(EXTRAS_VERSION)
      writer.putText(what.slot.key)
      begun = writer.used
    }
    writer.reserve(FIXED_BYTES)
    put(writer)
    if (writer.used - begun < FIELD_BYTES) continue
    yield writer.bytes.subarray(0, writer.used)
    begun = 0
  }
  if (begun > 0) yield writer.bytes.subarray(0, writer.used)
}

type Put = (writer: PayloadWriter) => void

function* records({ slot, differences, nobodysName }: ExtrasOf): Generator<Put, void> {
  const { value: stream, expiresAtMs } = slot
  if (expiresAtMs !== undefined && expiresAtMs > EXPIRY_MIN) {
    yield (writer) => {
      writer.putByte(EXPIRY)
      writer.putNumber(expiresAtMs)
    }
  }
  if (stream.type !== 'stream') return
  for (const group of stream.groups()) yield* groupRecords(stream, group, nobodysName(group))
  yield* producerRecords(stream)
  for (const { index, node } of differences) {
    yield (writer) => {
      writer.putByte(NODE)
      writer.putInteger(index)
      writer.putStreamId(node.firstId)
      writer.putStreamId(node.lastId)
      writer.putInteger(node.body)
    }
  }
}

function* groupRecords(stream: Stream, group: Group, nobody: string | undefined): Generator<Put, void> {
  const { name, entriesRead } = group
  for (const consumer of group.consumers()) {
    if (consumer.activeMs === consumer.seenMs) continue
    yield (writer) => {
      writer.putByte(CONSUMER)
      writer.putText(name)
      writer.putText(consumer.name)
      writer.putTime(consumer.activeMs)
    }
  }
  for (const id of group.nacked()) {
    yield (writer) => {
      writer.putByte(NOBODYS)
      writer.putText(name)
      writer.putStreamId(id)
    }
  }
  if (nobody !== undefined) {
    yield (writer) => {
      writer.putByte(STAND_IN)
      writer.putText(name)
      writer.putText(nobody)
    }
  }
  if (entriesRead === undefined || entriesRead <= stream.entriesAdded) return
  yield (writer) => {
    writer.putByte(GROUP)
    writer.putText(name)
    writer.putNumber(entriesRead)
  }
}

function* producerRecords({ producers }: Stream): Generator<Put, void> {
  if (producers === undefined) return
  const { settings, added, duplicates } = producers
  yield (writer) => {
    writer.putByte(IDEMPOTENCY)
    writer.putInteger(settings.durationS)
    writer.putInteger(settings.sizeMax)
  }
  for (const [producer, iids] of producers.sent()) {
    for (const [iid, id] of iids) {
      yield (writer) => {
        writer.putByte(SENT)
        writer.putText(producer)
        writer.putOnce(iid)
        writer.putStreamId(id)
      }
    }
  }
  yield (writer) => {
    writer.putByte(COUNTERS)
    writer.putInteger(added)
    writer.putInteger(duplicates)
  }
}

/**
 * Brings what a field tells to the key, which was read before it. `CORRUPT`: it is no such value, or doesn't go with the key; `NEWER_FORMAT`.
 */
export function applyExtras(databases: Databases, database: number, value: Uint8Array): void {
  try {
    new ExtrasReader(databases, database).read(value)
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    const code = error.reason === 'newer' ? 'NEWER_FORMAT' : 'CORRUPT'
    throw new EngineError(code, `${EXTRAS_NAME} of database ${database}: ${error.message}`, { cause: error })
  }
}

class ExtrasReader {
  readonly #databases: Databases
  readonly #database: number
  readonly #reader = new PayloadReader()

  constructor(databases: Databases, database: number) {
    this.#databases = databases
    this.#database = database
  }

  read(field: Uint8Array): void {
    const reader = this.#reader
    reader.begin(field, 0, field.length)
    const version = reader.integer()
    if (version !== EXTRAS_VERSION) {
      throw new PayloadError('newer', 1, `Expected version ${EXTRAS_VERSION}, the newest known; got ${version}`)
    }
    const key = reader.text()
    const database = this.#databases.at(this.#database)
    const value = database.peek(key)
    if (value === undefined) return reader.refuse(`Expected a key that is there; got '${key}'`)
    while (reader.at < reader.end) {
      const kind = reader.byte()
      if (kind === EXPIRY) database.apply({ kind: 'expiry-set', key, atMs: this.#expiry() })
      else if (value.type === 'stream') this.#record(value, kind)
      else reader.refuse(`Expected a record of a string; got ${kind}`)
    }
    const tracked = value.type === 'stream' ? value.producers?.tracked : undefined
    if (tracked !== undefined && tracked > 0) database.idempotentKeys.add(key)
  }

  #record(stream: Stream, kind: number): void {
    if (kind === CONSUMER) this.#consumer(stream)
    else if (kind === NOBODYS) this.#nobodys(this.#group(stream))
    else if (kind === STAND_IN) this.#standIn(this.#group(stream))
    else if (kind === GROUP) this.#group(stream).entriesRead = this.#counter()
    else if (kind === IDEMPOTENCY) this.#settings(stream)
    else if (kind === SENT) this.#sent(stream)
    else if (kind === COUNTERS) this.#counters(stream)
    else if (kind === NODE) this.#node(stream)
    else this.#reader.refuse(`Expected a record; got ${kind}`)
  }

  #expiry(): number {
    const atMs = this.#reader.someNumber()
    return atMs > EXPIRY_MIN && atMs < Infinity
      ? atMs
      : this.#reader.refuse(`Expected a time from 2^63 on; got ${atMs}`)
  }

  #group(stream: Stream): Group {
    const name = this.#reader.text()
    return stream.group(name) ?? this.#reader.refuse(`Expected a group of the stream; got '${name}'`)
  }

  #consumer(stream: Stream): void {
    const reader = this.#reader
    const group = this.#group(stream)
    const name = reader.text()
    const consumer = group.consumer(name) ?? reader.refuse(`Expected a consumer of '${group.name}'; got '${name}'`)
    const activeMs = reader.time()
    if (activeMs !== undefined && !Number.isSafeInteger(activeMs)) reader.refuse(`Expected a time; got ${activeMs}`)
    consumer.activeMs = activeMs
  }

  #nobodys(group: Group): void {
    const id = this.#reader.streamId()
    const row = group.pending.get(id)
    if (row === undefined || row.owner === NOBODY) {
      return this.#reader.refuse(`Expected an entry that is pending for the stand-in; got ${formatId(id)}`)
    }
    group.nack(id, row.count)
  }

  #standIn(group: Group): void {
    const reader = this.#reader
    const name = reader.text()
    const consumer = group.consumer(name) ?? reader.refuse(`Expected a consumer of '${group.name}'; got '${name}'`)
    if (consumer.pending > 0) reader.refuse(`Expected nothing to be pending for '${name}' any more`)
    group.deleteConsumer(consumer)
  }

  #settings(stream: Stream): void {
    const reader = this.#reader
    const durationS = reader.integer()
    const sizeMax = reader.integer()
    if (durationS < 1 || durationS > DURATION_S_MAX || sizeMax < 1 || sizeMax > SIZE_MAX) {
      reader.refuse(`Expected settings of idempotency; got ${durationS} s and ${sizeMax}`)
    }
    stream.ensureProducers().configure({ durationS, sizeMax })
  }

  #sent(stream: Stream): void {
    const reader = this.#reader
    const producer = reader.text()
    const iid = reader.once()
    const id: StreamId = reader.streamId()
    stream.ensureProducers().record(producer, iid, id)
  }

  #counters(stream: Stream): void {
    const producers = stream.ensureProducers()
    producers.added = this.#reader.integer()
    producers.duplicates = this.#reader.integer()
  }

  #counter(): number {
    const value = this.#reader.someNumber()
    return Number.isInteger(value) && value >= 0 ? value : this.#reader.refuse(`Expected a counter; got ${value}`)
  }

  #node(stream: Stream): void {
    const reader = this.#reader
    const index = reader.integer()
    const [firstId, lastId] = [reader.streamId(), reader.streamId()]
    const body = reader.integer()
    if (index >= stream.nodes.count || body > 2 ** 32 - 1)
      reader.refuse(`Expected a node; got ${index} of ${body} bytes`)
    stream.nodes.amend(index, { firstId, lastId, body })
  }
}

/**
 * The hot paths of the embedded backend: plain appends, deliveries and acknowledgements, straight on the engine's packed
 * forms. Everything with a condition, a trim or an ID of the caller's goes the general way.
 *
 *   add      strings, bytes ──► one scratch buffer ──► segment                        no array for any of them
 *   addMany  entries ──► one batch ──► segment            one conversion of their text, one list of IDs
 *   deliver  cursor ──► { id, fields } with the values of a page in one copy          one array for a page, views into it
 *   settle   ID texts ──► columns of numbers ──► acknowledged                         no bigint
 *
 * Measured with bench/embedded.ts (Node 20, two shared cores): the general way took 2.4 µs for an add.
 */
import {
  acknowledgeOwned,
  appendMany,
  type AppendMany,
  appendPacked,
  type ConsumerRef,
  type Database,
  deliverPacked,
  type DeliverQuery,
  EntryCursor,
  FieldPacker,
  IdCell,
  IdList,
  type NameSet,
  type NumberId,
  toStreamId,
} from '@millrace/engine'
import type { DeliveredEntry, EntryId, FieldValue } from '../backend.ts'
import { toEntryId } from './embedded-codec.ts'

/** Values of a page share one array up to so many bytes, so that holding on to one entry keeps no more than that alive. */
const PAGE_BYTES_MAX = 16_384
/** What stands before a short value in an arena. */
const HEADER_BYTES = 1
const ENTRY_BYTES_MAX = 1 << 30
const PLAIN_DIGITS_MAX = 15
/** So many IDs of a delivery are remembered. */
const GIVEN_MAX = 1024
const DASH = 0x2d
/** Held, since a class that extends String anywhere in the process makes `text.charCodeAt` six times slower (packed-fields.ts). */
const codeAt = String.prototype.charCodeAt

export class HotPaths {
  readonly #database: Database
  readonly #packer = new FieldPacker()
  readonly #cursor = new EntryCursor()
  readonly #ids = new IdList()
  readonly #id = new IdCell()
  /** The first IDs of the last delivery, as text and in columns. */
  #givenTexts: EntryId[] = []
  readonly #given = new IdList()
  /** The last ID's milliseconds and their text with the dash: many IDs come from one millisecond. */
  #prefixMs = -1
  #prefix = ''

  constructor(database: Database) {
    this.#database = database
  }

  /** XADD key * …; undefined when the fields are for the general way (which refuses what is too large, by its name). */
  add(key: string, fields: readonly FieldValue[], nowMs: number): EntryId | undefined {
    let bytes = 0
    for (let i = 0; i < fields.length; i++) bytes += fields[i]!.length
    if (bytes > ENTRY_BYTES_MAX / 3) return undefined
    const stream = appendPacked(this.#database, { key, fields: this.#packer.pack(fields) }, nowMs)
    return this.#entryId(stream!.last)
  }

  /** XADD key * … of many entries, in one step. */
  addMany(batch: AppendMany, nowMs: number): EntryId[] {
    const list = this.#ids
    list.clear()
    appendMany(this.#database, batch, nowMs, list)
    const added: EntryId[] = []
    for (let i = 0; i < list.count; i++) {
      list.read(i, this.#id)
      added.push(this.#entryId(this.#id))
    }
    return added
  }

  /** XREADGROUP of one stream with `>`. */
  deliver(query: DeliverQuery, nowMs: number): DeliveredEntry[] {
    const cursor = this.#cursor
    const count = deliverPacked(this.#database, query, nowMs, cursor)
    const entries: DeliveredEntry[] = []
    const page = new Page()
    const texts: EntryId[] = []
    this.#given.clear()
    for (let i = 0; i < count && cursor.next(); i++) {
      const { entry } = cursor
      const id = this.#entryId(entry.id)
      if (i < GIVEN_MAX) {
        texts.push(id)
        this.#given.add(entry.id)
      }
      entries.push({ id, fields: page.fields(entry, count - i) })
    }
    this.#givenTexts = texts
    cursor.close()
    return entries
  }

  /**
   * XACK of what one consumer owns, all of it; false when that is not so, and nothing was done. IDs that come back as they
   * were delivered last are not read again: their texts are two parts until somebody reads them, and joining those takes 80 ns.
   */
  settle(ref: ConsumerRef, ids: readonly EntryId[], nowMs: number): boolean {
    const list = this.#ids
    list.clear()
    let i = 0
    for (; i < ids.length && ids[i] === this.#givenTexts[i]; i++) {
      this.#given.read(i, this.#id)
      list.add(this.#id)
    }
    for (; i < ids.length; i++) {
      const id: unknown = ids[i]
      if (typeof id !== 'string' || !readPlainText(id, this.#id)) return false
      list.add(this.#id)
    }
    return acknowledgeOwned(this.#database, ref, list, nowMs)
  }

  #entryId(id: NumberId): EntryId {
    if (id.wide !== undefined) return toEntryId(toStreamId(id))
    if (id.ms !== this.#prefixMs) {
      this.#prefixMs = id.ms
      this.#prefix = `${id.ms}-`
    }
    return (this.#prefix + id.seq) as EntryId
  }
}

interface EntryBytes {
  readonly names: NameSet
  readonly arena: Uint8Array
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
}

/**
 * Copies of the fields of one read: names once, values together with those behind them, which lie there in the order in
 * which they are read. A copy and a view for each took 60 ns more (28 bytes, Node 20).
 *
 *   arena   │ … 5 d e l t a 2 h i 5 w o r l d … │
 *                 └────── one copy ─────────┘
 *   fields  [name, delta]  [name, hi]  [name, world]      views of it
 */
class Page {
  #names: NameSet | undefined
  #copiedNames: readonly Uint8Array[] = []
  #arena: Uint8Array | undefined
  #bytes = new Uint8Array(0)
  /** Where in the arena the copied bytes begin. */
  #start = 0

  /** `left`: how many entries the read has from this one on. */
  fields(entry: EntryBytes, left: number): Uint8Array[] {
    if (entry.names !== this.#names) {
      this.#names = entry.names
      this.#copiedNames = entry.names.names.map((name) => name.slice())
    }
    const names = this.#copiedNames
    const fields: Uint8Array[] = []
    for (let i = 0; i < names.length; i++) {
      const start = entry.valueStarts[i]!
      const end = entry.valueEnds[i]!
      if (!this.#has(entry.arena, start, end)) this.#copy(entry, i, left)
      fields.push(names[i]!, this.#bytes.subarray(start - this.#start, end - this.#start))
    }
    return fields
  }

  #has(arena: Uint8Array, start: number, end: number): boolean {
    return arena === this.#arena && start >= this.#start && end <= this.#start + this.#bytes.length
  }

  /** From the `i`-th value on, as much as the read would take if all entries were as long as this one. */
  #copy(entry: EntryBytes, i: number, left: number): void {
    const start = entry.valueStarts[i]!
    const last = entry.valueEnds[this.#copiedNames.length - 1]!
    const entryBytes = last - entry.valueStarts[0]! + HEADER_BYTES
    const wanted = Math.min(entryBytes * left - (start - entry.valueStarts[0]!), PAGE_BYTES_MAX)
    this.#arena = entry.arena
    this.#start = start
    this.#bytes = entry.arena.slice(start, Math.max(start + wanted, entry.valueEnds[i]!))
  }
}

/** `<digits>-<digits>` of at most 15 digits each; false for anything else, which the general way takes or refuses. */
function readPlainText(text: string, into: IdCell): boolean {
  const { length } = text
  let ms = 0
  let at = 0
  for (; at < length; at++) {
    const code = codeAt.call(text, at)
    if (code === DASH) break
    if (code < 0x30 || code > 0x39) return false
    ms = ms * 10 + code - 0x30
  }
  const digits = length - at - 1
  if (at === 0 || at > PLAIN_DIGITS_MAX || digits < 1 || digits > PLAIN_DIGITS_MAX) return false
  let seq = 0
  for (at++; at < length; at++) {
    const code = codeAt.call(text, at)
    if (code < 0x30 || code > 0x39) return false
    seq = seq * 10 + code - 0x30
  }
  into.setPlain(ms, seq)
  return true
}

/**
 * A node of a stream in an RDB file: its first ID, and a listpack of entries.
 *
 *   master   │ entries │ deleted ones │ names │ name │ name … │ 0 │
 *   entry    │ flags │ ms │ seq │ value … │ elements │                         flag 2: it has the master's names
 *            │ flags │ ms │ seq │ pairs │ name │ value … │ elements │          flag 1: it is deleted
 *
 * `ms` and `seq` are distances from the node's first ID; `elements` are those of the entry before it.
 *
 * Fields are given to the stream from where they are, as PackedFields. Of integers the listpack has no text, so that is
 * written behind it:
 *
 *   bytes    │ listpack │ text of the master's names │ text of the entry's integers │ · · · │
 */
import { compareNumberIds, IdCell, nameOf, toStreamId } from '../number-id.ts'
import { FieldPacker, viewOf, writeText } from '../packed-fields.ts'
import type { Stream } from '../stream.ts'
import { LISTPACK_HEAD_BYTES, ListpackReader } from './listpack-reader.ts'
import type { RdbSource } from './rdb-source.ts'
import { readRawId, readString } from './rdb-values.ts'

const ID_BYTES = 16
const DELETED = 1
const SAME_NAMES = 2
const FLAGS_MAX = DELETED | SAME_NAMES
const INTEGER_TEXT_BYTES = 20
const SHORT_INTEGER_MAX = 999_999_999
const LISTPACK_BYTES_MAX = 2 ** 31 - 1
const BYTES_MIN = 16_384
const BYTES_KEPT_MAX = 1 << 20

export class NodeReader {
  readonly #source: RdbSource
  readonly #stream: Stream
  readonly #pack: ListpackReader
  /** Of the entry that is read; both are views of the same bytes. */
  readonly #fields = new FieldPacker(0)
  /** The master's names, in the places of names. */
  readonly #master = new FieldPacker(0)
  readonly #first = new IdCell()
  readonly #id = new IdCell()
  /** The last ID of the stream's last node. */
  readonly #tailLast = new IdCell()
  #nodes = 0
  /** Where the text of integers goes on. */
  #textAt = 0
  /** Whether the node is one of the stream's yet. */
  #isBegun = false

  constructor(source: RdbSource, stream: Stream) {
    this.#source = source
    this.#stream = stream
    this.#pack = new ListpackReader((problem) => source.corrupt(problem))
    this.#hold(new Uint8Array(BYTES_MIN))
  }

  /** Reads a node, whose entries are added to the stream. */
  read(): void {
    this.#readFirst()
    const length = this.#readListpack()
    const pack = this.#pack
    const live = pack.count('the number of entries')
    const deleted = pack.count('the number of deleted entries')
    const body = length - (pack.at - LISTPACK_HEAD_BYTES)
    this.#readMaster()
    let liveRead = 0
    let deletedRead = 0
    this.#isBegun = false
    while (!pack.isAtEnd) {
      if (this.#readEntry()) liveRead++
      else deletedRead++
    }
    pack.finish()
    if (liveRead !== live || deletedRead !== deleted || live + deleted === 0) {
      pack.refuse(`there are ${liveRead} entries and ${deletedRead} deleted ones, not ${live} and ${deleted}`)
    }
    this.#end(live, deleted, body)
  }

  #readFirst(): void {
    const source = this.#source
    const bytes = readString(source)
    if (bytes.length !== ID_BYTES) source.corrupt(`a node's first ID has ${ID_BYTES} bytes, not ${bytes.length}`)
    this.#id.copy(this.#first)
    readRawId(bytes, 0, this.#first)
    if (this.#nodes++ > 0 && compareNumberIds(this.#first, this.#id) <= 0) {
      source.corrupt(`the node ${nameOf(this.#first)} comes after ${nameOf(this.#id)}`)
    }
  }

  /** Copies the listpack to the begin of our bytes; returns its length. */
  #readListpack(): number {
    const listpack = readString(this.#source)
    const { length } = listpack
    if (length > LISTPACK_BYTES_MAX) this.#source.corrupt(`a listpack has ${length} bytes`)
    const places = this.#fields.bytes.length
    if (length > places || (places > BYTES_KEPT_MAX && length < BYTES_MIN)) {
      this.#hold(new Uint8Array(Math.max(length * 2, BYTES_MIN)))
    }
    this.#fields.bytes.set(listpack)
    this.#textAt = length
    this.#pack.begin(this.#fields.bytes, 0, length)
    return length
  }

  #readMaster(): void {
    const pack = this.#pack
    const names = this.#readFieldCount('the number of names', 1)
    this.#master.count = names * 2
    for (let i = 0; i < names; i++) this.#place(this.#master, i * 2)
    if (pack.count('the end of the names, 0,') !== 0) pack.refuse('the end of the names, 0, was expected')
  }

  /** Reads an entry; returns whether it is there, and not deleted. Hot. */
  #readEntry(): boolean {
    const pack = this.#pack
    const textAt = this.#textAt
    const before = pack.told
    const flags = pack.count('the flags of an entry')
    if (flags > FLAGS_MAX) pack.refuse(`the flags of an entry were expected, not ${flags}`)
    this.#readId()
    if ((flags & SAME_NAMES) !== 0) this.#readValues()
    else this.#readPairs()
    const elements = pack.told - before
    if (pack.count('the number of elements') !== elements)
      pack.refuse(`an entry of ${elements} elements tells of others`)
    const isThere = (flags & DELETED) === 0
    if (isThere) this.#add()
    this.#textAt = textAt
    return isThere
  }

  #readId(): void {
    const pack = this.#pack
    const first = this.#first
    pack.next()
    if (pack.isText) pack.refuse("the distance of an entry's time was expected")
    const { integer: ms, wide: wideMs } = pack
    pack.next()
    if (pack.isText) pack.refuse("the distance of an entry's sequence was expected")
    const { integer: seq, wide: wideSeq } = pack
    const idMs = first.ms + ms
    const idSeq = first.seq + seq
    const isPlain = first.wide === undefined && wideMs === undefined && wideSeq === undefined
    if (isPlain && idMs >= 0 && idMs <= Number.MAX_SAFE_INTEGER && idSeq >= 0 && idSeq <= Number.MAX_SAFE_INTEGER) {
      this.#id.setPlain(idMs, idSeq)
      return
    }
    // As Redis: distances wrap around in 64 bits.
    const exact = toStreamId(first)
    this.#id.setId({
      ms: BigInt.asUintN(64, exact.ms + (wideMs ?? BigInt(ms))),
      seq: BigInt.asUintN(64, exact.seq + (wideSeq ?? BigInt(seq))),
    })
  }

  #readValues(): void {
    const fields = this.#fields
    const { starts, ends, count } = this.#master
    this.#reservePlaces(fields, count)
    fields.count = count
    for (let i = 0; i < count; i += 2) {
      fields.starts[i] = starts[i]!
      fields.ends[i] = ends[i]!
      this.#place(fields, i + 1)
    }
  }

  #readPairs(): void {
    const fields = this.#fields
    const pairs = this.#readFieldCount('the number of fields', 2)
    this.#reservePlaces(fields, pairs * 2)
    fields.count = pairs * 2
    for (let i = 0; i < pairs * 2; i++) this.#place(fields, i)
  }

  /** How many fields come, each of so many elements of two bytes and more. */
  #readFieldCount(what: string, elements: number): number {
    const pack = this.#pack
    const count = pack.count(what)
    if (count === 0 || count * elements * 2 > pack.left) pack.refuse(`${what} was expected, not ${count}`)
    if (elements === 1) this.#reservePlaces(this.#master, count * 2)
    return count
  }

  /** Makes the next element the part of an entry at a place. Hot. */
  #place(fields: FieldPacker, place: number): void {
    const pack = this.#pack
    pack.next()
    if (pack.isText) {
      fields.starts[place] = pack.start
      fields.ends[place] = pack.stop
      return
    }
    if (this.#textAt + INTEGER_TEXT_BYTES > fields.bytes.length) this.#grow()
    fields.starts[place] = this.#textAt
    this.#textAt = writeInteger(pack, this.#fields.bytes, this.#textAt)
    fields.ends[place] = this.#textAt
  }

  #add(): void {
    const id = this.#id
    const stream = this.#stream
    if (compareNumberIds(id, stream.last) <= 0) {
      this.#pack.refuse(`the entry ${nameOf(id)} comes after ${nameOf(stream.last)}`)
    }
    if (!this.#isBegun) this.#begin(id)
    stream.append(id, this.#fields, false)
  }

  /**
   * The node becomes one of the stream's with its first entry that is there. Its first ID may be above that: Redis puts new
   * entries behind trimmed ones whose IDs XSETID lets come again.
   */
  #begin(id: IdCell): void {
    const stream = this.#stream
    const first = compareNumberIds(id, this.#first) < 0 ? id : this.#first
    if (stream.nodes.count > 0 && compareNumberIds(this.#tailLast, first) >= 0) {
      if (stream.length === 0) stream.nodes.dropHead()
      else stream.nodes.capLast(stream.last)
    }
    stream.beginNode(first, this.#master)
    this.#isBegun = true
  }

  #end(live: number, deleted: number, body: number): void {
    const stream = this.#stream
    const last = this.#tailLast
    if (live === 0) {
      // Of the nodes without entries only the first one counts for anything: a trim may have emptied it.
      if (stream.nodes.count > 0) return
      this.#begin(this.#first)
    }
    last.copy(this.#id)
    const least = live === 0 ? this.#first : stream.last
    if (compareNumberIds(last, least) < 0) last.copy(least)
    stream.endNode(last, deleted, body)
  }

  #reservePlaces(fields: FieldPacker, count: number): void {
    if (count <= fields.starts.length) return
    fields.starts = new Int32Array(count * 2)
    fields.ends = new Int32Array(count * 2)
  }

  #grow(): void {
    const grown = new Uint8Array(this.#fields.bytes.length * 2)
    grown.set(this.#fields.bytes)
    this.#hold(grown)
  }

  #hold(bytes: Uint8Array): void {
    const view = viewOf(bytes)
    for (const fields of [this.#fields, this.#master]) {
      fields.bytes = bytes
      fields.view = view
    }
    this.#pack.bytes = bytes
  }
}

/** Writes the integer that a listpack's element is, as decimal text; returns where it ends. */
function writeInteger(pack: ListpackReader, into: Uint8Array, from: number): number {
  const { integer, wide } = pack
  if (wide !== undefined) return writeText(String(wide), into, from)
  if (integer < 0 || integer > SHORT_INTEGER_MAX) return writeText(String(integer), into, from)
  let end = from + 1
  for (let rest = integer; rest >= 10; rest = Math.trunc(rest / 10)) end++
  let rest = integer
  for (let at = end - 1; at >= from; at--) {
    const tens = (rest / 10) | 0
    into[at] = 0x30 + rest - tens * 10
    rest = tens
  }
  return end
}

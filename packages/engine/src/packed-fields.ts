/**
 * The fields of one entry where they lie in a row of arguments, all in one buffer: what a server has in its hands when
 * a request has been decoded. An entry is appended straight from there, without a view for each field.
 *
 *   bytes    … $ 4 CRLF n a m e CRLF $ 3 CRLF A n n CRLF …
 *                       ▲       ▲              ▲     ▲
 *   starts   [ … ][first ↑     ][first + 1     ↑    ]           argument first, first + 2, … are names,
 *   ends     [ … ][          ↑ ][                 ↑ ]           first + 1, first + 3, … their values
 *
 * It holds while its bytes do: an entry-added change carries one, and whoever keeps the change copies it.
 */
import type { NumberId } from './number-id.ts'

export interface PackedFields {
  readonly bytes: Uint8Array
  /** The same bytes, to be read four at a time; undefined where none is at hand: copying is slower then. */
  readonly view: DataView | undefined
  /** Where each argument begins in `bytes`. An Int32Array wherever speed matters. */
  readonly starts: ArrayLike<number>
  /** Where each argument ends. */
  readonly ends: ArrayLike<number>
  /** The index of the first name. */
  readonly first: number
  /** How many names and values there are together. */
  readonly count: number
}

const BYTES_MIN = 1024
const PLACES_MIN = 32
// What one large entry made of the scratch buffer is not kept for small ones.
const BYTES_KEPT_MAX = 1 << 20
// A loop over the characters is faster than encodeInto (90 ns and up) for texts of up to so many.
const LOOP_CHARACTERS_MAX = 48
const utf8 = new TextEncoder()
/**
 * `text.charCodeAt(i)` takes 1.5 ns a character, but 10 from the moment that anybody in the process has a class that
 * extends String (clients of Redis do): V8 then looks the method up for each. Held here it is 1.5 ns in both cases (Node 20).
 */
const codeAt = String.prototype.charCodeAt

/** What `view` is to be. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * Entries that are alike: the fields of the first, those of the others in the places behind it, as many of each, all with
 * the same names. Their IDs are plain and follow each other, in the same millisecond.
 */
export interface EntryRun {
  readonly id: NumberId
  readonly fields: PackedFields
  readonly entries: number
}

/** Bytes of names and values together. */
export function fieldBytes(fields: PackedFields): number {
  const { starts, ends, first, count } = fields
  let bytes = 0
  for (let i = first; i < first + count; i++) bytes += ends[i]! - starts[i]!
  return bytes
}

/** The names and values as views of the buffer. */
export function unpackFields(fields: PackedFields): Uint8Array[] {
  const { bytes, starts, ends, first, count } = fields
  return Array.from({ length: count }, (_, i) => bytes.subarray(starts[first + i]!, ends[first + i]!))
}

/** The same fields in a buffer of their own, as small as can be. */
export function copyFields(fields: PackedFields): PackedFields {
  const packer = new FieldPacker(fieldBytes(fields), fields.count)
  return packer.pack(unpackFields(fields))
}

/**
 * Puts the parts of an entry into one buffer, which the next `pack` overwrites: the names first, then the values.
 *
 *   bytes   │ name name │ value value value │ · · · free · · · │
 *                       ▲ names end
 *
 * Entries mostly have the names of the one before. Where those are texts, they stay where they are.
 */
export class FieldPacker implements PackedFields {
  bytes: Uint8Array
  view: DataView
  starts: Int32Array
  ends: Int32Array
  first = 0
  count = 0
  #used = 0
  /** The names in the buffer; none when one of them came as bytes, which whoever gave them may change. */
  #names: string[] = []
  #namesEnd = 0

  constructor(bytes = BYTES_MIN, places = PLACES_MIN) {
    this.bytes = new Uint8Array(bytes)
    this.view = viewOf(this.bytes)
    this.starts = new Int32Array(places)
    this.ends = new Int32Array(places)
  }

  /** Text is packed as UTF-8. */
  pack(parts: readonly (Uint8Array | string)[]): PackedFields {
    if (this.bytes.length > BYTES_KEPT_MAX) {
      this.#hold(new Uint8Array(BYTES_MIN))
      this.#names = []
    }
    if (parts.length > this.starts.length) this.#growPlaces(parts.length)
    this.count = parts.length
    if (this.#hasNames(parts)) this.#used = this.#namesEnd
    else this.#packNames(parts)
    for (let i = 1; i < parts.length; i += 2) this.#add(i, parts[i]!)
    return this
  }

  #hasNames(parts: readonly (Uint8Array | string)[]): boolean {
    const names = this.#names
    if (names.length * 2 !== parts.length) return false
    for (let i = 0; i < names.length; i++) if (parts[i * 2] !== names[i]) return false
    return true
  }

  #packNames(parts: readonly (Uint8Array | string)[]): void {
    const names: string[] = []
    this.#names = []
    this.#used = 0
    for (let i = 0; i < parts.length; i += 2) {
      const name = parts[i]!
      if (typeof name === 'string') names.push(name)
      this.#add(i, name)
    }
    this.#namesEnd = this.#used
    if (names.length * 2 === parts.length) this.#names = names
  }

  #add(place: number, part: Uint8Array | string): void {
    this.starts[place] = this.#used
    if (typeof part === 'string') this.#addText(part)
    else this.#addBytes(part)
    this.ends[place] = this.#used
  }

  #addBytes(part: Uint8Array): void {
    this.#reserve(part.length)
    this.bytes.set(part, this.#used)
    this.#used += part.length
  }

  #addText(text: string): void {
    this.#reserve(text.length * 3)
    this.#used = writeText(text, this.bytes, this.#used)
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.#used))
    this.#hold(grown)
  }

  #hold(bytes: Uint8Array): void {
    this.bytes = bytes
    this.view = viewOf(bytes)
  }

  #growPlaces(count: number): void {
    const { starts, ends } = this
    this.starts = new Int32Array(Math.max(starts.length * 2, count))
    this.ends = new Int32Array(this.starts.length)
    this.starts.set(starts)
    this.ends.set(ends)
  }
}

/** Writes a text as UTF-8, for which there is room (three bytes a character); returns where it ends. */
export function writeText(text: string, into: Uint8Array, from: number): number {
  const { length } = text
  if (length <= LOOP_CHARACTERS_MAX && writeAscii(text, into, from)) return from + length
  return from + utf8.encodeInto(text, into.subarray(from)).written
}

/** False when the text has other characters. */
function writeAscii(text: string, into: Uint8Array, from: number): boolean {
  const { length } = text
  for (let i = 0; i < length; i++) {
    const character = codeAt.call(text, i)
    if (character > 127) return false
    into[from + i] = character
  }
  return true
}

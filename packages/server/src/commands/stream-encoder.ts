/**
 * Entries as replies, from the segment's arena straight into the reply's buffer: nothing is made for an entry.
 *
 *   *2\r\n $15\r\n 1700000000000-5 │ \r\n*4\r\n$4\r\nname\r\n$ │ 3\r\nAnn │ \r\n$3\r\nage\r\n$ │ 2\r\n41 │ \r\n
 *                 ▲                  ▲                           ▲          ▲
 *                 ID: the digits of  piece 0, made once for      value      piece 1
 *                 its ms are kept    a set of names
 *
 * How many entries come is known only when they are written, but it stands before them: the header is written for a guess,
 * which is mostly right, and what follows is moved when its length was wrong.
 *
 * An entry of one field with a value of 28 bytes takes 75 ns with the cursor's step; through objects it took 600 (Node 20).
 */
import {
  copyWords,
  toStreamId,
  viewOf,
  WORDS_BYTES_MAX,
  type EntryCursor,
  type EntryView,
  type NameSet,
  type NumberId,
} from '@millrace/engine'
import type { ReplyWriter } from '@millrace/protocol'

const CR = 13
const LF = 10
const DOLLAR = 0x24
const DASH = 0x2d
/** `*2` and the end of its line: an entry is its ID and its fields. */
const PAIR = 0x2a320d0a
// The longest ID with all that stands around it, and the header of an entry.
const ID_BYTES_MAX = 64
const HEADER_BYTES_MAX = 24
/** The digits of a length and its end. */
const LENGTH_BYTES_MAX = 14
const BILLION = 1e9
const FAR = Number.NEGATIVE_INFINITY

/** What every ID of today begins with: its length, of which the second digit is yet to be set, its ms, the dash. */
const HEAD_BYTES = 19
const HEAD_MS_DIGITS = 13
const MS_AT = 5

const pieces = new WeakMap<NameSet, readonly DataView[]>()
const head = Uint8Array.from('$1?\r\n'.padEnd(32, '0'), (char) => char.charCodeAt(0))
const headView = viewOf(head)
const msDigits = head.subarray(MS_AT)
let msOfDigits = -1
let msDigitCount = 0
/** The number that the last three of them are; out of reach where there are fewer. */
let msLow = FAR
let lastNames: NameSet | undefined
let lastPieces: readonly DataView[] = []
let lastPiecesBytes = 0
let arenaOfView: Uint8Array | undefined
let arenaView: DataView = viewOf(new Uint8Array(0))

/** Hot: an ID as a bulk string. */
export function encodeId(reply: ReplyWriter, id: NumberId): void {
  reply.reserve(ID_BYTES_MAX)
  if (id.wide === undefined) reply.length = putId(reply, reply.length, id.ms, id.seq)
  else reply.length = putWideId(reply.bytes, reply.length, id)
  reply.bytes[reply.length++] = CR
  reply.bytes[reply.length++] = LF
}

/** Hot: all entries that a cursor comes to, as an array; `guess` is how many those may be. Returns how many they are. */
export function encodeEntries(reply: ReplyWriter, cursor: EntryCursor, guess: number): number {
  const header = beginArray(reply, guess)
  let count = 0
  for (; cursor.next(); count++) encodeEntry(reply, cursor.entry)
  endArray(reply, header, guess, count)
  return count
}

/** Hot. */
export function encodeEntry(reply: ReplyWriter, entry: EntryView): void {
  const { names, valueStarts, valueEnds } = entry
  const between = names === lastNames ? lastPieces : piecesOf(names)
  const fields = between.length
  let size = ID_BYTES_MAX + HEADER_BYTES_MAX + lastPiecesBytes + fields * LENGTH_BYTES_MAX
  for (let i = 0; i < fields; i++) size += valueEnds[i]! - valueStarts[i]!
  reply.reserve(size)
  const { bytes, view } = reply
  let at = reply.length
  view.setUint32(at, PAIR)
  at += 4
  at = entry.id.wide === undefined ? putId(reply, at, entry.id.ms, entry.id.seq) : putWideId(bytes, at, entry.id)
  for (let i = 0; i < fields; i++) {
    const piece = between[i]!
    at = copyWords({ from: piece, to: view }, 0, piece.byteLength, at)
    const start = valueStarts[i]!
    const end = valueEnds[i]!
    at = putDigits(bytes, at, end - start)
    bytes[at++] = CR
    bytes[at++] = LF
    if (end - start > WORDS_BYTES_MAX) {
      bytes.set(entry.arena.subarray(start, end), at)
      at += end - start
    } else at = copyWords({ from: viewOfArena(entry.arena), to: view }, start, end, at)
  }
  bytes[at++] = CR
  bytes[at++] = LF
  reply.length = at
}

/** Begins an array of about so many; returns where its header is. */
export function beginArray(reply: ReplyWriter, guess: number): number {
  const at = reply.length
  reply.array(guess)
  return at
}

/** Sets the length of an array that is written; when that has more or fewer digits than the guess, its elements move. */
export function endArray(reply: ReplyWriter, header: number, guess: number, count: number): void {
  if (count === guess) return
  const shift = digitsOf(count) - digitsOf(guess)
  const from = header + 1 + digitsOf(guess)
  if (shift !== 0) {
    reply.reserve(2 * Math.abs(shift))
    reply.bytes.copyWithin(from + shift, from, reply.length)
    reply.length += shift
  }
  putDigits(reply.bytes, header + 1, count)
}

function piecesOf(names: NameSet): readonly DataView[] {
  let made = pieces.get(names)
  if (made === undefined) {
    made = makePieces(names)
    pieces.set(names, made)
  }
  lastNames = names
  lastPieces = made
  lastPiecesBytes = 0
  for (const piece of made) lastPiecesBytes += piece.byteLength
  return made
}

function makePieces(names: NameSet): readonly DataView[] {
  return names.names.map((name, i) => {
    const before = i === 0 ? `\r\n*${names.count * 2}\r\n$${name.length}\r\n` : `\r\n$${name.length}\r\n`
    return viewOf(Buffer.concat([Buffer.from(before, 'latin1'), name, Buffer.from('\r\n$', 'latin1')]))
  })
}

/** `$`, length, ID, without the end of the line. */
function putId(reply: ReplyWriter, from: number, ms: number, seq: number): number {
  if (ms !== msOfDigits) moveMs(ms)
  const { bytes, view } = reply
  const length = msDigitCount + 1 + digitsOf(seq)
  // Hot: of any time from 2001 to 2286 and a sequence below 100,000. Digits are no NaN: see copy-words.ts.
  if (msDigitCount === HEAD_MS_DIGITS && length <= 19) {
    view.setFloat64(from, headView.getFloat64(0, true), true)
    view.setFloat64(from + 8, headView.getFloat64(8, true), true)
    // Its last byte is the first digit of the sequence, which comes now.
    view.setUint32(from + 16, headView.getUint32(16))
    bytes[from + 2] = 0x30 + length - 10
    return putDigits(bytes, from + HEAD_BYTES, seq)
  }
  let at = from
  bytes[at++] = DOLLAR
  at = putDigits(bytes, at, length)
  bytes[at++] = CR
  bytes[at++] = LF
  for (let i = 0; i < msDigitCount; i++) bytes[at++] = msDigits[i]!
  bytes[at++] = DASH
  return putDigits(bytes, at, seq)
}

/** Makes the kept digits those of `ms`: of entries that follow each other mostly the last three change. */
function moveMs(ms: number): void {
  const low = ms - msOfDigits + msLow
  msOfDigits = ms
  if (low >= 0 && low < 1000) {
    const tens = (low / 10) | 0
    const hundreds = (tens / 10) | 0
    msDigits[msDigitCount - 1] = 0x30 + low - tens * 10
    msDigits[msDigitCount - 2] = 0x30 + tens - hundreds * 10
    msDigits[msDigitCount - 3] = 0x30 + hundreds
    msLow = low
    return
  }
  msDigitCount = putDigits(msDigits, 0, ms)
  msDigits[msDigitCount] = DASH
  msLow = msDigitCount > 3 ? ms % 1000 : FAR
}

function putWideId(bytes: Uint8Array, from: number, id: NumberId): number {
  const { ms, seq } = toStreamId(id)
  const text = `${ms}-${seq}`
  const whole = `$${text.length}\r\n${text}`
  for (let i = 0; i < whole.length; i++) bytes[from + i] = whole.charCodeAt(i)
  return from + whole.length
}

/** Entries that follow each other mostly lie in the same one. */
function viewOfArena(arena: Uint8Array): DataView {
  if (arena !== arenaOfView) {
    arenaOfView = arena
    arenaView = viewOf(arena)
  }
  return arenaView
}

/** A whole number below 2^53. */
function putDigits(bytes: Uint8Array, from: number, value: number): number {
  if (value < 10) {
    bytes[from] = 0x30 + value
    return from + 1
  }
  if (value >= BILLION) {
    const high = Math.floor(value / BILLION)
    const at = putDigits(bytes, from, high)
    return putPadded(bytes, at, value - high * BILLION)
  }
  const end = from + digitsOf(value)
  let rest = value
  for (let at = end - 1; at >= from; at--) {
    const tenth = (rest / 10) | 0
    bytes[at] = 0x30 + (rest - tenth * 10)
    rest = tenth
  }
  return end
}

/** Nine digits. */
function putPadded(bytes: Uint8Array, from: number, value: number): number {
  let rest = value
  for (let at = from + 8; at >= from; at--) {
    const tenth = (rest / 10) | 0
    bytes[at] = 0x30 + (rest - tenth * 10)
    rest = tenth
  }
  return from + 9
}

function digitsOf(value: number): number {
  if (value < 10) return 1
  if (value < 100) return 2
  if (value < 1000) return 3
  let digits = 1
  for (let limit = 10; limit <= value; limit *= 10) digits++
  return digits
}

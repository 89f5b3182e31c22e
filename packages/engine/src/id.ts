/**
 * An entry's ID: two unsigned 64-bit numbers, ordered by `ms`, then by `seq`, printed `<ms>-<seq>`.
 *
 *   0-0  …  1700000000000-0  1700000000000-1  …  18446744073709551615-18446744073709551615
 *   ▲ never an entry's ID                                                            ▲ the last one
 *
 * The parsers take exactly what Redis takes, its quirks included: each part is tried as a plain decimal, then as C's
 * strtoull would read it. So `+5`, ` 6`, `05-1` and even `7--01` (which wraps to 7-18446744073709551615) are IDs,
 * `5-`, `-5` and `6 ` are not; text ends at a NUL byte; more than 127 bytes are never an ID.
 */
import { EngineError } from './errors.ts'

export interface StreamId {
  readonly ms: bigint
  readonly seq: bigint
}

/** The ID argument of an append: the server's choice, the server's choice within a millisecond, or the caller's. */
export type NewId =
  | { readonly kind: 'auto' }
  | { readonly kind: 'auto-seq'; readonly ms: bigint }
  | { readonly kind: 'exact'; readonly id: StreamId }

const U64_MAX = 2n ** 64n - 1n
const TEXT_BYTES_MAX = 127

export const ID_ZERO: StreamId = { ms: 0n, seq: 0n }
export const ID_MAX: StreamId = { ms: U64_MAX, seq: U64_MAX }

/** Below 0 when `a` comes first, above 0 when `b` does, 0 when they are the same. */
export function compareIds(a: StreamId, b: StreamId): number {
  if (a.ms !== b.ms) return a.ms < b.ms ? -1 : 1
  if (a.seq !== b.seq) return a.seq < b.seq ? -1 : 1
  return 0
}

export function sameId(a: StreamId, b: StreamId): boolean {
  return a.ms === b.ms && a.seq === b.seq
}

/** Whether each ID is above the one before it. */
export function isAscending(ids: readonly StreamId[]): boolean {
  for (let i = 1; i < ids.length; i++) if (compareIds(ids[i - 1]!, ids[i]!) >= 0) return false
  return true
}

/** Tells whether it was asked about an ID before. IDs mostly come in order, and then none comes twice. */
export function onceEach(ids: readonly StreamId[]): (id: StreamId) => boolean {
  if (isAscending(ids)) return () => false
  const taken = new Set<string>()
  return (id) => taken.size === taken.add(formatId(id)).size
}

export function isZero(id: StreamId): boolean {
  return id.ms === 0n && id.seq === 0n
}

/** Refuses what is not two unsigned 64-bit numbers: an ID that no parser here has made. */
export function checkId(id: StreamId): void {
  if (id.ms >= 0n && id.ms <= U64_MAX && id.seq >= 0n && id.seq <= U64_MAX) return
  refuse(formatId(id))
}

/** The ID right after, or undefined after the last. */
export function nextId(id: StreamId): StreamId | undefined {
  if (id.seq < U64_MAX) return { ms: id.ms, seq: id.seq + 1n }
  return id.ms < U64_MAX ? { ms: id.ms + 1n, seq: 0n } : undefined
}

/** The ID right before, or undefined before the first. */
export function previousId(id: StreamId): StreamId | undefined {
  if (id.seq > 0n) return { ms: id.ms, seq: id.seq - 1n }
  return id.ms > 0n ? { ms: id.ms - 1n, seq: U64_MAX } : undefined
}

export function formatId(id: StreamId): string {
  return `${id.ms}-${id.seq}`
}

/** A concrete ID; without a sequence number it is 0. `-` and `+` are refused. */
export function parseId(text: string): StreamId {
  const id = isEdge(text) ? undefined : readId(text, 0n)
  return id ?? refuse(text)
}

/** A concrete ID, or `-` for the first, or `+` for the last there can be. */
export function parseIdOrEdge(text: string): StreamId {
  return readEdge(text) ?? readId(text, 0n) ?? refuse(text)
}

/** The lower end of a range: `-`, an ID, `(`ID for exclusive. Milliseconds alone mean their first ID. */
export function parseLowerBound(text: string): StreamId {
  if (!isExclusive(text)) return parseIdOrEdge(text)
  const after = nextId(parseId(text.slice(1)))
  if (after !== undefined) return after
  throw new EngineError('BAD_ID', `There is no ID above the last one, so '${text}' begins no range`)
}

/** The upper end of a range: `+`, an ID, `(`ID for exclusive. Milliseconds alone mean their last ID. */
export function parseUpperBound(text: string): StreamId {
  if (!isExclusive(text)) return readEdge(text) ?? readId(text, U64_MAX) ?? refuse(text)
  const inner = text.slice(1)
  // As Redis: `(5` has its sequence set to the maximum first, so it excludes the last ID of that millisecond only.
  const id = isEdge(inner) ? refuse(text) : (readId(inner, U64_MAX) ?? refuse(text))
  const before = previousId(id)
  if (before !== undefined) return before
  throw new EngineError('BAD_ID', `There is no ID below 0-0, so '${text}' ends no range`)
}

/** What an append takes: `*`, `<ms>-*`, or a concrete ID. */
export function parseNewId(text: string): NewId {
  const cString = untilNul(text)
  if (cString === '*') return { kind: 'auto' }
  if (text.length <= TEXT_BYTES_MAX && cString.endsWith('-*') && cString.indexOf('-') === cString.length - 2) {
    const ms = readU64(cString.slice(0, -2))
    return ms === undefined ? refuse(text) : { kind: 'auto-seq', ms }
  }
  return { kind: 'exact', id: parseId(text) }
}

function refuse(text: string): never {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  throw new EngineError('BAD_ID', `Expected an entry ID, <ms>-<seq> with two unsigned 64-bit decimals; got '${shown}'`)
}

// As Redis: a lone bracket is not an exclusive bound but a bad ID.
function isExclusive(text: string): boolean {
  return text.length > 1 && text.startsWith('(')
}

function isEdge(text: string): boolean {
  return readEdge(text) !== undefined
}

function readEdge(text: string): StreamId | undefined {
  if (text.length > TEXT_BYTES_MAX) return undefined
  const cString = untilNul(text)
  if (cString === '-') return ID_ZERO
  return cString === '+' ? ID_MAX : undefined
}

function readId(text: string, missingSeq: bigint): StreamId | undefined {
  if (text.length > TEXT_BYTES_MAX) return undefined
  const cString = untilNul(text)
  const dash = cString.indexOf('-')
  const ms = readU64(dash < 0 ? cString : cString.slice(0, dash))
  const seq = dash < 0 ? missingSeq : readU64(cString.slice(dash + 1))
  return ms === undefined || seq === undefined ? undefined : { ms, seq }
}

// Redis works on C strings here, so whatever follows a NUL byte is not looked at.
function untilNul(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

function readU64(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)$/.exec(text)
  if (match === null) return undefined
  const value = BigInt(match[2]!)
  if (value > U64_MAX) return undefined
  if (match[1] !== '-') return value
  // As Redis: a negative number in plain form is refused; any other spelling goes to strtoull, which wraps around.
  const isPlain = /^-[1-9]/.test(text) && value <= 2n ** 63n
  return isPlain ? undefined : BigInt.asUintN(64, -value)
}

/**
 * Names of an archive's objects. IDs are padded, so that the order of names is the order of IDs.
 *
 *   orders/00001700000000000000-00000000000000000000_00001700000000001234-00000000000000000003.seg    the entries
 *   orders/….json                                                                                     the record that counts them as kept
 */
import type { EntryId } from '../backend.ts'

const DIGITS = 20

export interface Range {
  readonly firstId: EntryId
  readonly lastId: EntryId
}

/** The part of all keys of a stream; what a key may not hold is written as %XX of its UTF-8 bytes. */
export function archiveFolder(stream: string): string {
  const bytes = [...Buffer.from(stream)]
  const safe = bytes.map((byte) => {
    const char = String.fromCodePoint(byte)
    return /[a-z0-9_-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
  })
  return `${safe.join('')}/`
}

export function archiveKey(stream: string, { firstId, lastId }: Range, kind: 'seg' | 'json'): string {
  return `${archiveFolder(stream)}${padded(firstId)}_${padded(lastId)}.${kind}`
}

/** The range that a record's key tells; undefined when it is no record's. */
export function rangeOf(key: string): Range | undefined {
  const match = /\/(\d{20})-(\d{20})_(\d{20})-(\d{20})\.json$/.exec(key)
  if (match === null) return undefined
  return { firstId: plain(match[1]!, match[2]!), lastId: plain(match[3]!, match[4]!) }
}

export function padded(id: EntryId): string {
  const [ms = '0', seq = '0'] = id.split('-')
  return `${ms.padStart(DIGITS, '0')}-${seq.padStart(DIGITS, '0')}`
}

/** Below 0 when `a` comes first. */
export function compareIds(a: EntryId, b: EntryId): number {
  const left = padded(a)
  const right = padded(b)
  return left < right ? -1 : Number(left > right)
}

function plain(ms: string, seq: string): EntryId {
  return `${BigInt(ms)}-${BigInt(seq)}` as EntryId
}

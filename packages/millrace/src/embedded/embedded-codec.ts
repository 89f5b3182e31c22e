/**
 * Between the toolkit's values and the engine's: names are text here and byte strings (latin1) there, IDs text here and
 * pairs of bigints there, bytes are copied on the way out so that nobody holds on to the engine's own.
 */

import {
  formatId,
  ID_ZERO,
  parseId,
  parseLowerBound,
  parseUpperBound,
  type ReadFrom,
  type ReadGroupFrom,
  type StreamEntries,
  type StreamId,
  type TrimRule,
} from '@millrace/engine'
import type {
  DeliveredEntry,
  Entry,
  EntryId,
  FieldValue,
  GroupPosition,
  ReadPosition,
  ReadResult,
  Trim,
} from '../backend.ts'

/** The UTF-8 bytes of a text, one character each. */
export function toByteString(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

export function fromByteString(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

export function toBytes(value: FieldValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value
}

export function toEntryId(id: StreamId): EntryId {
  return formatId(id) as EntryId
}

export function toStreamId(id: EntryId): StreamId {
  return parseId(id)
}

export function toReadFrom(position: ReadPosition): ReadFrom {
  if (position === '$') return '$'
  return position === '+' ? '+' : parseId(position)
}

export function toReadGroupFrom(position: GroupPosition): ReadGroupFrom {
  return position === '>' ? '>' : parseId(position)
}

export function toTrimRule(trim: Trim): TrimRule {
  const keep: TrimRule['keep'] =
    trim.maxLen === undefined
      ? { kind: 'min-id', id: parseId(trim.minId ?? '') }
      : { kind: 'max-len', entries: trim.maxLen }
  const limit = trim.limit === undefined ? {} : { limit: trim.limit }
  return { keep, approximate: trim.approximate === true, ...limit }
}

/** The bounds of a range; undefined when an exclusive one leaves nothing, at the very edge of the 64 bits. */
export function toBounds(from: string, to: string): { readonly from: StreamId; readonly to: StreamId } | undefined {
  const isEmpty = /^\(18446744073709551615-18446744073709551615$/.test(from) || /^\(0-0$/.test(to)
  return isEmpty ? undefined : { from: parseLowerBound(from), to: parseUpperBound(to) }
}

export function toEntry(entry: { readonly id: StreamId; readonly fields: readonly Uint8Array[] }): Entry {
  return { id: toEntryId(entry.id), fields: copyFields(entry.fields) }
}

export function toDeliveredEntry(entry: {
  readonly id: StreamId
  readonly fields: readonly Uint8Array[] | undefined
}): DeliveredEntry {
  return { id: toEntryId(entry.id), fields: entry.fields && copyFields(entry.fields) }
}

/** Streams without entries are left out. */
export function toReadResult<E, T>(found: readonly StreamEntries<E>[], convert: (entry: E) => T): ReadResult<T> {
  const result = new Map<string, T[]>()
  for (const { key, entries } of found) {
    if (entries.length > 0) result.set(fromByteString(key), entries.map(convert))
  }
  return result
}

/** 0-0 is how Redis says that there is none. */
export function toOptionalEntryId(id: StreamId): EntryId | undefined {
  return id.ms === ID_ZERO.ms && id.seq === ID_ZERO.seq ? undefined : toEntryId(id)
}

/** One allocation for an entry's bytes, whatever the number of its fields. */
function copyFields(fields: readonly Uint8Array[]): Uint8Array[] {
  let bytes = 0
  for (const field of fields) bytes += field.length
  const copy = new Uint8Array(bytes)
  let at = 0
  return fields.map((field) => {
    copy.set(field, at)
    at += field.length
    return copy.subarray(at - field.length, at)
  })
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/**
 * How the names and values of an entry lie in an arena.
 *
 *   with a name set     │ len value len value │                one length and value per field
 *   without             │ pairs len name len value … │         the names stand before their values
 */
import { lengthBytes, type Arena } from './arena.ts'
import type { EntryView } from './entry-view.ts'
import { NameSet } from './name-set.ts'
import type { PackedFields } from './packed-fields.ts'

/** What an entry takes. Hot. */
export function bodyBytes({ starts, ends, first, count }: PackedFields, isWithNames: boolean): number {
  const step = isWithNames ? 1 : 2
  let bytes = isWithNames ? lengthBytes(count / 2) : 0
  for (let i = isWithNames ? first : first + 1; i < first + count; i += step) {
    const length = ends[i]! - starts[i]!
    bytes += lengthBytes(length) + length
  }
  return bytes
}

/** How many of so many entries of as many fields go into so many bytes, without their names. Hot. */
export function fittingEntries(
  { starts, ends, first, count }: PackedFields,
  entriesMax: number,
  bytes: number,
): number {
  let left = bytes
  let fitting = 0
  for (let at = first + 1; fitting < entriesMax; fitting++, at += count) {
    for (let i = at; i < at + count; i += 2) {
      const length = ends[i]! - starts[i]!
      left -= lengthBytes(length) + length
    }
    if (left < 0) break
  }
  return fitting
}

/** Adds an entry; there is room. Hot. */
export function writeBody(arena: Arena, fields: PackedFields, isWithNames: boolean): void {
  const { first, count } = fields
  const step = isWithNames ? 1 : 2
  if (isWithNames) arena.putLength(count / 2)
  for (let i = isWithNames ? first : first + 1; i < first + count; i += step) arena.put(fields, i)
}

/** Finds the values of a body that has no names in it. Hot. */
export function readValues(arena: Arena, start: number, view: EntryView): void {
  const { bytes } = arena
  const { valueStarts, valueEnds } = view
  const values = view.names.count
  let at = start
  for (let i = 0; i < values; i++) {
    let length = bytes[at]!
    if (length < 128) at++
    else {
      length = arena.lengthAt(at)
      at += lengthBytes(length)
    }
    valueStarts[i] = at
    at += length
    valueEnds[i] = at
  }
}

/** Finds the names and values of a body that has both; leaves the arena and the names in the view as well. */
export function readNamesAndValues(arena: Arena, start: number, view: EntryView): void {
  const pairs = arena.lengthAt(start)
  const starts = new Int32Array(pairs * 2)
  const ends = new Int32Array(pairs * 2)
  let at = start + lengthBytes(pairs)
  for (let i = 0; i < starts.length; i++) {
    const length = arena.lengthAt(at)
    starts[i] = at + lengthBytes(length)
    at = ends[i] = starts[i]! + length
  }
  view.names = NameSet.of({ bytes: arena.bytes, view: undefined, starts, ends, first: 0, count: pairs * 2 })
  view.arena = arena.bytes
  view.reserve(pairs)
  for (let i = 0; i < pairs; i++) {
    view.valueStarts[i] = starts[i * 2 + 1]!
    view.valueEnds[i] = ends[i * 2 + 1]!
  }
}

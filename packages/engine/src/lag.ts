/**
 * How far a group has read, counted in entries: `entriesRead` and `lag`, by Redis's rules.
 *
 *   added ever      1 2 3 4 5 6 7 8 9          entriesAdded 9
 *   still there         ■ ■ ✗ ■ ■ ■ ■          ✗ deleted on its own: maxDeletedId
 *                       ▲     ▲
 *                   firstId   group.lastId     entriesRead 6, lag 3
 *
 * Trims cut from the front, so with nothing deleted in between, an ID's place can be counted. A deletion on its own
 * leaves a hole whose place is not known: behind it the count is right, before it `undefined` (Redis: null).
 */
import { EntryCursor } from './entry-cursor.ts'
import type { Group } from './group.ts'
import { compareNumberIds, IdCell, isZeroId, type NumberId } from './number-id.ts'
import type { Stream } from './stream.ts'

/** `entriesRead` after the group got the first `count` entries above its last ID, which are there. */
export function entriesReadAfter(stream: Stream, group: Group, count: number): number | undefined {
  let { entriesRead } = group
  if (entriesRead !== undefined && isCounted(stream, group.last)) return entriesRead + count
  const cursor = new EntryCursor()
  const { id } = cursor.entry
  cursor.after(stream, group.last, count)
  for (let left = count - 1; cursor.next(); left--) {
    entriesRead = placeOf(stream, id)
    // From here on nothing can change: the rest is plain counting.
    if (entriesRead !== undefined && isCounted(stream, id)) return entriesRead + left
  }
  return entriesRead
}

/** Entries that the group has still to read. */
export function lagOf(stream: Stream, group: Group): number | undefined {
  if (stream.entriesAdded === 0 || stream.length === 0) return 0
  const first = firstOf(stream)
  if (compareNumberIds(group.last, first) < 0 && compareNumberIds(stream.maxDeleted, first) < 0) return stream.length
  if (group.entriesRead !== undefined && !hasHoleFrom(stream, group.last))
    return stream.entriesAdded - group.entriesRead
  const place = placeOf(stream, group.last)
  return place === undefined ? undefined : stream.entriesAdded - place
}

/** How many entries were ever added up to an ID; undefined: cannot be told. */
export function placeOf(stream: Stream, id: NumberId): number | undefined {
  const { entriesAdded, last, maxDeleted } = stream
  if (entriesAdded === 0) return 0
  if (stream.length === 0 && compareNumberIds(id, last) <= 0) return entriesAdded
  if (!isZeroId(id) && compareNumberIds(id, maxDeleted) < 0) return undefined
  const fromLast = compareNumberIds(id, last)
  if (fromLast === 0) return entriesAdded
  if (fromLast > 0) return undefined
  const first = firstOf(stream)
  if (!isZeroId(maxDeleted) && compareNumberIds(maxDeleted, first) >= 0) return undefined
  const fromFirst = compareNumberIds(id, first)
  if (fromFirst < 0) return entriesAdded - stream.length
  return fromFirst === 0 ? entriesAdded - stream.length + 1 : undefined
}

/** Whether each entry above the ID counts as one more that was read. */
function isCounted(stream: Stream, id: NumberId): boolean {
  return compareNumberIds(id, firstOf(stream)) >= 0 && !hasHoleFrom(stream, id)
}

/** Whether an entry at or after the ID was deleted on its own. */
function hasHoleFrom(stream: Stream, id: NumberId): boolean {
  return stream.length > 0 && !isZeroId(stream.maxDeleted) && compareNumberIds(id, stream.maxDeleted) <= 0
}

function firstOf(stream: Stream): NumberId {
  const first = new IdCell()
  stream.readFirst(first)
  return first
}

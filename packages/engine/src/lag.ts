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
import { compareIds, isZero, type StreamId } from './id.ts'
import type { Group } from './group.ts'
import type { Stream } from './stream.ts'

/** `entriesRead` after the group, in order, got these IDs, all above its last ID. */
export function entriesReadAfter(stream: Stream, group: Group, ids: readonly StreamId[]): number | undefined {
  let { entriesRead, lastId } = group
  for (let i = 0; i < ids.length; i++) {
    if (entriesRead !== undefined && !isBeforeFirst(stream, lastId) && !hasHoleFrom(stream, lastId)) {
      // From here on nothing can change: the rest is plain counting.
      return entriesRead + ids.length - i
    }
    lastId = ids[i]!
    entriesRead = placeOf(stream, lastId)
  }
  return entriesRead
}

/** Entries that the group has still to read. */
export function lagOf(stream: Stream, group: Group): number | undefined {
  if (stream.entriesAdded === 0 || stream.length === 0) return 0
  const { firstId, maxDeletedId } = stream
  if (compareIds(group.lastId, firstId) < 0 && compareIds(maxDeletedId, firstId) < 0) return stream.length
  if (group.entriesRead !== undefined && !hasHoleFrom(stream, group.lastId))
    return stream.entriesAdded - group.entriesRead
  const place = placeOf(stream, group.lastId)
  return place === undefined ? undefined : stream.entriesAdded - place
}

/** How many entries were ever added up to an ID. */
function placeOf(stream: Stream, id: StreamId): number | undefined {
  const { entriesAdded, lastId, maxDeletedId } = stream
  if (entriesAdded === 0) return 0
  if (stream.length === 0 && compareIds(id, lastId) <= 0) return entriesAdded
  if (!isZero(id) && compareIds(id, maxDeletedId) < 0) return undefined
  const fromLast = compareIds(id, lastId)
  if (fromLast === 0) return entriesAdded
  if (fromLast > 0) return undefined
  const { firstId } = stream
  if (!isZero(maxDeletedId) && compareIds(maxDeletedId, firstId) >= 0) return undefined
  const fromFirst = compareIds(id, firstId)
  if (fromFirst < 0) return entriesAdded - stream.length
  return fromFirst === 0 ? entriesAdded - stream.length + 1 : undefined
}

function isBeforeFirst(stream: Stream, id: StreamId): boolean {
  return compareIds(id, stream.firstId) < 0
}

/** Whether an entry at or after the ID was deleted on its own. */
function hasHoleFrom(stream: Stream, id: StreamId): boolean {
  return stream.length > 0 && !isZero(stream.maxDeletedId) && compareIds(id, stream.maxDeletedId) <= 0
}

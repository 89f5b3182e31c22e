/** The plain model's counting of entries read and of lag: the rules in the order in which Redis applies them. For tests only. */
import type { Id, PlainGroup, PlainStream } from './plain-stream.ts'

function hasHole(stream: PlainStream, from: Id): boolean {
  return stream.entries.length > 0 && stream.maxDeleted !== 0n && from <= stream.maxDeleted
}

function placeOf(stream: PlainStream, id: Id): number | undefined {
  const first = stream.entries[0]?.id ?? 0n
  const length = stream.entries.length
  if (stream.added === 0) return 0
  if (length === 0 && id <= stream.last) return stream.added
  if (id !== 0n && id < stream.maxDeleted) return undefined
  if (id === stream.last) return stream.added
  if (id > stream.last) return undefined
  if (stream.maxDeleted !== 0n && stream.maxDeleted >= first) return undefined
  if (id < first) return stream.added - length
  return id === first ? stream.added - length + 1 : undefined
}

export function lagOf(stream: PlainStream, group: PlainGroup): number | undefined {
  const first = stream.entries[0]?.id ?? 0n
  if (stream.added === 0 || stream.entries.length === 0) return 0
  if (group.last < first && stream.maxDeleted < first) return stream.entries.length
  if (group.read !== undefined && !hasHole(stream, group.last)) return stream.added - group.read
  const place = placeOf(stream, group.last)
  return place === undefined ? undefined : stream.added - place
}

/** A group gets an entry, the next one above its position. */
export function advance(stream: PlainStream, group: PlainGroup, id: Id): void {
  const isCounted =
    group.read !== undefined && !hasHole(stream, group.last) && group.last >= (stream.entries[0]?.id ?? 0n)
  group.read = isCounted ? group.read! + 1 : placeOf(stream, id)
  group.last = id
}

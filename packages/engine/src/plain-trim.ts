/** The plain model's trims. For tests only. */
import { isReferenced, type PlainReferences } from './plain-newer.ts'
import { fieldsOf, removeEntry, type Id, type PlainStream } from './plain-stream.ts'

export interface PlainTrim {
  maxLen?: number
  minId?: Id
  approximate: boolean
  limit?: number
  references?: PlainReferences | undefined
}

export function plainTrim(stream: PlainStream, trim: PlainTrim, nodeEntriesMax: number): number {
  const limit = trim.approximate ? (trim.limit ?? 100 * nodeEntriesMax) : 0
  if (trim.references === 'acked' && stream.groups.size > 0) return plainTrimAcked(stream, trim, limit)
  const before = stream.entries.length
  const all = stream.entries.map(({ id }) => id)
  const isWanted = (id: Id): boolean =>
    trim.minId === undefined ? stream.entries.length > trim.maxLen! : id < trim.minId
  for (;;) {
    const node = stream.nodes[0]
    const removed = before - stream.entries.length
    if (node === undefined || (trim.maxLen !== undefined && stream.entries.length <= trim.maxLen)) break
    if (limit > 0 && removed + node.live > limit) break
    const goes =
      trim.minId === undefined ? stream.entries.length - node.live >= trim.maxLen! : node.ids.at(-1)! < trim.minId
    if (goes) {
      stream.entries.splice(0, node.live)
      stream.nodes.shift()
      continue
    }
    if (trim.approximate) break
    while (stream.entries.length > 0 && isWanted(stream.entries[0]!.id)) {
      stream.entries.shift()
      node.live--
    }
    break
  }
  const gone = all.slice(0, before - stream.entries.length)
  if (trim.references === 'delref') {
    for (const group of stream.groups.values()) for (const id of gone) group.pending.delete(id)
  }
  return gone.length
}

/** A trim with ACKED; 0 is no limit. */
function plainTrimAcked(stream: PlainStream, trim: PlainTrim, limit: number): number {
  const before = stream.entries.length
  const tooMany = (length: number): boolean => trim.maxLen === undefined || length > trim.maxLen
  for (const node of stream.nodes.slice()) {
    const here = node.ids.filter((id) => fieldsOf(stream, id) !== undefined)
    if (trim.approximate) {
      const goes =
        trim.minId === undefined ? stream.entries.length - here.length >= trim.maxLen! : node.ids.at(-1)! < trim.minId
      if (!goes || !tooMany(stream.entries.length)) break
      if (limit > 0 && before - stream.entries.length + here.length > limit) break
    }
    for (const id of here) {
      if (!tooMany(stream.entries.length) || (trim.minId !== undefined && id >= trim.minId)) continue
      if (!isReferenced(stream, id)) removeEntry(stream, id)
    }
  }
  return before - stream.entries.length
}

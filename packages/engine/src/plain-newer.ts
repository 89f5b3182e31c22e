/** The plain model's XDELEX, XACKDEL, XNACK, and idempotent producers. For tests only. */
import { COUNT_MAX, fieldsOf, removeEntry, type Id, type PlainGroup, type PlainStream } from './plain-stream.ts'

export type PlainReferences = 'keepref' | 'delref' | 'acked'

const everyGroup = (stream: PlainStream): PlainGroup[] => [...stream.groups.values()]

export function isReferenced(stream: PlainStream, id: Id): boolean {
  return everyGroup(stream).some((group) => group.pending.has(id) || id > group.last)
}

function dropReferences(stream: PlainStream, id: Id): void {
  for (const group of everyGroup(stream)) group.pending.delete(id)
}

function deleteOne(stream: PlainStream, id: Id, references: PlainReferences): 1 | 2 {
  if (references === 'acked' && isReferenced(stream, id)) return 2
  if (references === 'delref') dropReferences(stream, id)
  removeEntry(stream, id)
  if (id > stream.maxDeleted) stream.maxDeleted = id
  return 1
}

export function plainDeleteEx(stream: PlainStream, ids: readonly Id[], references: PlainReferences): number[] {
  return ids.map((id) => {
    if (fieldsOf(stream, id) !== undefined) return deleteOne(stream, id, references)
    if (references === 'delref') dropReferences(stream, id)
    return -1
  })
}

export function plainAckDelete(
  stream: PlainStream,
  group: PlainGroup,
  ids: readonly Id[],
  references: PlainReferences,
): number[] {
  return ids.map((id) => {
    if (!group.pending.delete(id)) return -1
    if (fieldsOf(stream, id) !== undefined) return deleteOne(stream, id, references)
    if (references === 'delref') dropReferences(stream, id)
    return 1
  })
}

export interface PlainNack {
  mode: 'silent' | 'fail' | 'fatal'
  retry?: number | undefined
  force: boolean
}

/** `tick` gives rising numbers: the order of what is given back. */
export function plainNack(
  stream: PlainStream,
  group: PlainGroup,
  what: PlainNack & { ids: readonly Id[] },
  tick: () => number,
): number {
  let given = 0
  for (const id of what.ids) {
    const before = group.pending.get(id)
    if (before === undefined && !(what.force && fieldsOf(stream, id) !== undefined)) continue
    let count = before?.count ?? 0n
    if (what.mode === 'silent' && count > 0n) count--
    if (what.mode === 'fatal') count = COUNT_MAX
    if (what.retry !== undefined) count = BigInt(what.retry)
    group.pending.set(id, { owner: undefined, time: 0, count, nackedAt: tick() })
    given++
  }
  return given
}

/** Forgets what has expired, of each producer from its oldest on. */
export function plainForget(stream: PlainStream, now: number): void {
  const { sent, duration } = stream.idmp
  for (const [producer, list] of sent) {
    while (list.length > 0 && list[0]!.id >> 64n <= BigInt(now - duration * 1000)) list.shift()
    if (list.length === 0) sent.delete(producer)
  }
}

export function plainFindIid(stream: PlainStream, producer: string, iid: string): Id | undefined {
  return stream.idmp.sent.get(producer)?.find((one) => one.iid === iid)?.id
}

export function plainRecord(stream: PlainStream, producer: string, iid: string, id: Id): void {
  const { idmp } = stream
  const list = (idmp.sent.get(producer) ?? []).filter((one) => one.iid !== iid)
  list.push({ iid, id })
  if (list.length > idmp.max) list.shift()
  idmp.sent.set(producer, list)
  idmp.added++
}

/** A trim of what every group has finished: up to the oldest entry that is pending in any, or that any has not read. */
import * as engine from '@millrace/engine'
import type { Trim } from '../backend.ts'
import { toStreamId } from './embedded-codec.ts'

/** With a length to keep, entries are looked at so many at a time: looking copies them. */
const PIECE = 1000

/** How many entries went. */
export function trimAcked(
  database: engine.Database,
  { key, trim }: { readonly key: string; readonly trim: Trim },
  nowMs: number,
): number {
  const stream = database.find(key, nowMs)
  if (stream === undefined) return 0
  const groups = engine.groupInfos(database, key, nowMs)
  if (groups.length === 0) return 0
  let cut = engine.ID_MAX
  for (const group of groups) {
    const { first } = engine.pendingSummary(database, { key, group: group.name }, nowMs)
    const unread = engine.nextId(group.lastId) ?? engine.ID_MAX
    for (const id of [unread, first]) if (id !== undefined && engine.compareIds(id, cut) < 0) cut = id
  }
  if (trim.minId !== undefined && engine.compareIds(toStreamId(trim.minId), cut) < 0) cut = toStreamId(trim.minId)
  const options = {
    approximate: trim.approximate === true,
    ...(trim.limit === undefined ? {} : { limit: trim.limit }),
  }
  const cutAt = (id: engine.StreamId): number =>
    engine.trim(database, key, { keep: { kind: 'min-id', id }, ...options }, nowMs)
  if (trim.maxLen === undefined) return cutAt(cut)
  let gone = 0
  for (;;) {
    const surplus = engine.length(database, key, nowMs) - trim.maxLen
    if (surplus <= 0) return gone
    const query = { key, from: engine.ID_ZERO, to: engine.ID_MAX, count: Math.min(surplus, PIECE), reverse: false }
    const behind = engine.nextId(engine.range(database, query, nowMs).at(-1)!.id) ?? engine.ID_MAX
    const isLast = engine.compareIds(behind, cut) >= 0 || surplus <= PIECE
    const count = cutAt(engine.compareIds(behind, cut) < 0 ? behind : cut)
    gone += count
    if (isLast || count === 0) return gone
  }
}

/**
 * XREADGROUP … CLAIM: before new entries, those that have been pending too long, of the whole group.
 *
 *   nacked zone          by delivery time                       new
 *   2-0 ── 1-0      ──►  5-0 (9 s)  4-0 (9 s)  7-0 (6 s)   ──►  8-0  9-0 …
 *   at once              idle for the minimum and longer        up to COUNT together
 *
 * What the stream no longer has is passed over, and stays pending.
 */
import type { Database } from './database.ts'
import { oneMore } from './delivery-count.ts'
import { NOBODY, type Group } from './group.ts'
import type { ConsumerRef, GroupRef } from './group-commands.ts'
import { sameId, type StreamId } from './id.ts'
import type { Stream } from './stream.ts'

/** An entry that was pending, as it is told to who claimed it. */
export interface IdleEntry {
  readonly id: StreamId
  readonly fields: readonly Uint8Array[]
  /** Since its delivery before this one; since 1970 when it had been given back. */
  readonly idleMs: number
  /** How often it had been delivered before. */
  readonly deliveriesBefore: number
}

/** Claims what has been idle for so long, as long as `take` agrees; the consumer exists. */
export function claimIdle(
  database: Database,
  stream: Stream,
  reader: { readonly ref: ConsumerRef; readonly group: Group; readonly nowMs: number; readonly minIdleMs: number },
  take: (entry: IdleEntry) => boolean,
): IdleEntry[] {
  const { ref, group, nowMs, minIdleMs } = reader
  const entries: IdleEntry[] = []
  const counts: number[] = []
  /** False when the reader wants no more. */
  const offer = (id: StreamId): boolean => {
    const row = group.pending.get(id)!
    const deliveredMs = row.owner === NOBODY ? 0 : row.timeMs
    const idleMs = Math.max(nowMs - deliveredMs, 0)
    const entry = { id, fields: stream.fieldsOf(id)!, idleMs, deliveriesBefore: row.count }
    if (!take(entry)) return false
    entries.push(entry)
    counts.push(oneMore(row.count))
    return true
  }
  if (offerNacked(stream, group, offer)) offerIdle(stream, group, nowMs - minIdleMs, offer)
  if (entries.length === 0) return entries
  const ids = entries.map(({ id }) => id)
  database.commit({ kind: 'consumer-seen', ...ref, seenMs: nowMs, activeMs: nowMs })
  database.commit({ kind: 'claimed', ...ref, ids, atMs: nowMs, counts })
  return entries
}

/**
 * From when on something can be claimed after so long an idle time, if nobody does anything until then: a time that may
 * have passed, 0 when entries were given back. Undefined: nothing is pending that the stream still has,
 * or there is no such group.
 */
export function nextClaimableMs(
  database: Database,
  ref: GroupRef,
  minIdleMs: number,
  nowMs: number,
): number | undefined {
  // A waiting reader asks: that the key is no stream any more is told to it elsewhere.
  const stream = database.streamAt(ref.key, nowMs)
  const group = stream?.group(ref.group)
  if (stream === undefined || group === undefined) return undefined
  for (const id of group.nacked()) if (stream.has(id)) return 0
  const first = firstOwned(stream, group)
  return first === undefined ? undefined : first + minIdleMs
}

function offerNacked(stream: Stream, group: Group, offer: (id: StreamId) => boolean): boolean {
  for (const id of group.nacked()) if (stream.has(id) && !offer(id)) return false
  return true
}

function offerIdle(stream: Stream, group: Group, deliveredMsMax: number, offer: (id: StreamId) => boolean): void {
  const order = group.deliveryOrder()
  let before: StreamId | undefined
  for (let time = firstOwned(stream, group); time !== undefined; time = firstOwned(stream, group)) {
    const id = order.first
    if (time > deliveredMsMax) return
    // An entry that was delivered twice in the same millisecond has two places, one after the other.
    if ((before === undefined || !sameId(before, id)) && !offer(id)) return
    before = id
    order.pop()
  }
}

/** The time of the first place in the order that is not stale; gives up those before it. */
function firstOwned(stream: Stream, group: Group): number | undefined {
  const order = group.deliveryOrder()
  for (let time = order.firstTime; time !== undefined; time = order.firstTime) {
    const row = group.pending.get(order.first)
    if (row !== undefined && row.owner !== NOBODY && row.timeMs === time && stream.has(row.id)) return time
    order.pop()
  }
  return undefined
}

/**
 * XNACK: pending entries are given back to the group. They stay pending, but for nobody, and whoever claims next gets
 * them first, whatever minimum of idle time it asks for.
 *
 *   pending for a, 3 deliveries ──► pending for nobody     silent 2    fail 3    fatal 2^63 - 1    or as told
 */
import type { Database } from './database.ts'
import { DELIVERIES_MAX, isDeliveryCount, oneLess } from './delivery-count.ts'
import { EngineError } from './errors.ts'
import { requireGroup, type GroupRef } from './group-commands.ts'
import { formatId, isAscending, type StreamId } from './id.ts'
import { IdCell } from './number-id.ts'
import { PendingSeeker } from './pending-seeker.ts'

export interface NackRequest {
  /** `silent`: the delivery does not count; `fail`: it does; `fatal`: as if delivered as often as can be. */
  readonly mode: 'silent' | 'fail' | 'fatal'
  readonly ids: readonly StreamId[]
  /** RETRYCOUNT: the number of deliveries to set, whatever the mode. */
  readonly deliveries?: number
  /** FORCE: entries that are in the stream but not pending become pending for nobody, with no delivery counted. */
  readonly force?: boolean
}

/** XNACK. Returns how many were given back; an ID that comes twice is counted twice. */
export function negativeAcknowledge(database: Database, ref: GroupRef, request: NackRequest, nowMs: number): number {
  const { mode, deliveries } = request
  if (deliveries !== undefined && !isDeliveryCount(deliveries)) {
    throw new EngineError('BAD_ARGUMENT', `deliveries is a whole number of 0 and more, not ${deliveries}`)
  }
  const stream = database.find(ref.key, nowMs)
  const group = requireGroup(stream, ref)
  const ids: StreamId[] = []
  const counts: number[] = []
  // What this call has made of an ID that comes again.
  const current = isAscending(request.ids) ? undefined : new Map<string, number>()
  const seeker = new PendingSeeker(group.pending)
  const cell = new IdCell()
  for (const id of request.ids) {
    cell.setId(id)
    const before = current?.get(formatId(id)) ?? (seeker.seek(cell) ? seeker.count : undefined)
    if (before === undefined && !(request.force === true && stream!.has(id))) continue
    const count = deliveries ?? countAfter(mode, before ?? 0, before === undefined)
    current?.set(formatId(id), count)
    ids.push(id)
    counts.push(count)
  }
  if (ids.length > 0) database.commit({ kind: 'nacked', key: ref.key, group: ref.group, ids, counts })
  return ids.length
}

function countAfter(mode: NackRequest['mode'], before: number, isNew: boolean): number {
  if (mode === 'fatal') return DELIVERIES_MAX
  return mode === 'silent' && !isNew ? oneLess(before) : before
}

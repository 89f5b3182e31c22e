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
import { EntrySeeker } from './entry-seeker.ts'
import { claimedChange, FoundEntries } from './found-entries.ts'
import { NOBODY, type Group } from './group.ts'
import type { ConsumerRef, GroupRef } from './group-commands.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { PendingSeeker } from './pending-seeker.ts'
import type { ReadBudget } from './read-budget.ts'
import type { Stream } from './stream.ts'

/** Claims what has been idle for so long, as long as the budget has room; the consumer exists. */
export function claimIdle(database: Database, stream: Stream, reader: ClaimReader, minIdleMs: number): FoundEntries {
  const { ref, nowMs } = reader
  const offers = new Offers(stream, reader)
  if (offerNacked(offers, reader.group)) offerIdle(offers, reader.group, nowMs - minIdleMs)
  const { claimed } = offers
  if (claimed.length === 0) return claimed
  database.commit({ kind: 'consumer-seen', ...ref, seenMs: nowMs, activeMs: nowMs })
  database.commit(claimedChange(ref, claimed.counted(oneMore), nowMs))
  return claimed
}

export interface ClaimReader {
  readonly ref: ConsumerRef
  readonly group: Group
  readonly nowMs: number
  readonly budget: ReadBudget
}

/** Pending entries that are offered to a reader one by one, and those of them that it took. Hot: there may be a million. */
class Offers {
  readonly claimed = new FoundEntries(true)
  readonly entry: EntrySeeker
  readonly pending: PendingSeeker
  readonly #nowMs: number
  readonly #budget: ReadBudget

  constructor(stream: Stream, { group, nowMs, budget }: ClaimReader) {
    this.entry = new EntrySeeker(stream)
    this.pending = new PendingSeeker(group.pending)
    this.#nowMs = nowMs
    this.#budget = budget
  }

  /** Offers what both seekers have gone to; false when the reader wants no more. */
  make(id: NumberId): boolean {
    const { pending, entry } = this
    const deliveredMs = pending.owner === NOBODY ? 0 : pending.timeMs
    const idleMs = Math.max(this.#nowMs - deliveredMs, 0)
    const { count } = pending
    if (this.#budget.isMeasured) {
      const fields = entry.segment!.fieldsAt(entry.row)
      if (!this.#budget.take({ id: toStreamId(id), fields, idleMs, deliveriesBefore: count })) return false
    } else if (this.#budget.takeUnmeasured(1) === 0) return false
    this.claimed.add(id, entry, count, idleMs)
    return true
  }
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

function offerNacked(offers: Offers, group: Group): boolean {
  const cell = new IdCell()
  for (const id of group.nacked()) {
    cell.setId(id)
    if (offers.entry.seek(cell) && offers.pending.seek(cell) && !offers.make(cell)) return false
  }
  return true
}

function offerIdle(offers: Offers, group: Group, deliveredMsMax: number): void {
  const order = group.deliveryOrder()
  const id = new IdCell()
  const before = new IdCell()
  let isFirst = true
  for (let time = order.firstTime; time !== undefined && time <= deliveredMsMax; time = order.firstTime) {
    order.readFirst(id)
    // An entry that was delivered twice in the same millisecond has two places, one after the other.
    const isAgain = !isFirst && compareNumberIds(before, id) === 0
    if (!isAgain && isOwnedSince(time, id, offers)) {
      if (!offers.make(id)) return
      before.copy(id)
      isFirst = false
    }
    order.pop()
  }
}

/** The time of the first place in the order that is not stale; gives up those before it. */
function firstOwned(stream: Stream, group: Group): number | undefined {
  const order = group.deliveryOrder()
  const seekers = { entry: new EntrySeeker(stream), pending: new PendingSeeker(group.pending) }
  const id = new IdCell()
  for (let time = order.firstTime; time !== undefined; time = order.firstTime) {
    order.readFirst(id)
    if (isOwnedSince(time, id, seekers)) return time
    order.pop()
  }
  return undefined
}

/** Whether the entry's place in the order is not stale; then both seekers have gone to it. */
function isOwnedSince(timeMs: number, id: NumberId, { entry, pending }: Pick<Offers, 'entry' | 'pending'>): boolean {
  return pending.seek(id) && pending.owner !== NOBODY && pending.timeMs === timeMs && entry.seek(id)
}

/**
 * Takes pending entries that this worker does not hold: those of its own whose delivery it never heard of, or all that others left.
 *
 *   XPENDING ──not held──► XCLAIM … JUSTID to oneself ──ours now──► XRANGE of each ──► entries, with their deliveries so far
 *
 * Nothing is counted: a read of one's own pending entries would count a delivery of every one of them, and of those in hand too.
 */
import type { ClaimedEntry, EntryId } from '../backend.ts'
import type { IntakeSite } from './intake.ts'
import type { Line } from './line.ts'

const PAGE = 500

export interface TakePendingOptions {
  /** Only this worker's own, as long as they are. Default: everybody's. */
  readonly isOwn?: boolean
  /** Only what has been idle so long. Default 0. */
  readonly minIdleMs?: number
  /** Not to be taken, though not held yet. */
  readonly known?: ReadonlySet<EntryId>
}

export interface TakenPage {
  readonly entries: readonly ClaimedEntry[]
  /** By the clock's monotonicMs(): their leases begin here. */
  readonly sentAtMs: number
}

/** Pages in the order of IDs. What is held when a page comes is left out. */
export async function* takePending(
  { backend, group, consumer, clock, onEvent }: IntakeSite,
  line: Line,
  { isOwn = false, minIdleMs = 0, known = new Set() }: TakePendingOptions,
): AsyncGenerator<TakenPage, void, undefined> {
  const { stream } = line
  const whose = isOwn ? { consumer } : {}
  const claimed = { justId: true, minIdleMs, ...(isOwn && { ifOwner: consumer }) }
  for (let from = '-', isMore = true; isMore;) {
    const rows = await backend.pending(stream, group, {
      from,
      count: PAGE,
      ...whose,
      ...(minIdleMs > 0 && { minIdleMs }),
    })
    isMore = rows.length === PAGE
    if (isMore) from = `(${rows.at(-1)!.id}`
    const held = line.leases.heldIds()
    const left = rows.filter(({ id }) => !held.has(id) && !known.has(id))
    if (left.length === 0) continue
    const sentAtMs = clock.monotonicMs()
    const ids = left.map(({ id }) => id)
    const { entries, deleted } = await backend.claim(stream, group, consumer, { ...claimed, ids })
    if (deleted.length > 0) onEvent({ type: 'deleted', ids: deleted })
    const deliveries = new Map(left.map((row) => [row.id, row.deliveries]))
    const found = await Promise.all(
      entries.map(async ({ id }) => (await backend.range(stream, { from: id, to: id }))[0]),
    )
    const heldNow = line.leases.heldIds()
    const taken = entries
      .map(({ id }, i) => ({ id, fields: found[i]?.fields, deliveries: Math.max(1, deliveries.get(id) ?? 1) }))
      // Taken meanwhile, by the read whose reply had been late.
      .filter(({ id }) => !heldNow.has(id))
    if (taken.length > 0) yield { entries: taken, sentAtMs }
  }
}

/**
 * Takes over what others were given of a partition and have not done, all of it, in the order of IDs: its lease was theirs and is
 * this worker's now. The deliveries are not counted yet (lanes.ts).
 */
import type { EntryId } from '../backend.ts'
import type { IntakeSite } from '../worker/intake.ts'
import type { Lease } from '../worker/lease.ts'
import type { Line } from '../worker/line.ts'

const PAGE = 500

/** `known`: not left over, though not held yet. `minIdleMs`: only what has been idle so long. */
export async function takeLeftOver(
  site: IntakeSite,
  line: Line,
  { known = new Set(), minIdleMs = 0 }: { readonly known?: ReadonlySet<EntryId>; readonly minIdleMs?: number } = {},
): Promise<Lease[]> {
  const { backend, group, consumer, clock } = site
  const leases: Lease[] = []
  for (let from = '-', isMore = true; isMore;) {
    const rows = await backend.pending(line.stream, group, { from, count: PAGE, ...(minIdleMs > 0 && { minIdleMs }) })
    isMore = rows.length === PAGE
    if (isMore) from = `(${rows.at(-1)!.id}`
    const held = line.leases.heldIds()
    const left = rows.filter(({ id }) => !held.has(id) && !known.has(id))
    if (left.length === 0) continue
    const sentAtMs = clock.monotonicMs()
    const claim = { minIdleMs, ids: left.map(({ id }) => id), justId: true }
    const { entries, deleted } = await backend.claim(line.stream, group, consumer, claim)
    if (deleted.length > 0) site.onEvent({ type: 'deleted', ids: deleted })
    if (entries.length > 0) site.onEvent({ type: 'taken-over', count: entries.length })
    const deliveries = new Map(left.map((row) => [row.id, row.deliveries]))
    const found = await Promise.all(
      entries.map(async ({ id }) => (await backend.range(line.stream, { from: id, to: id }))[0]),
    )
    for (const [i, { id }] of entries.entries()) {
      // Taken meanwhile by the reader, whose reply had been lost.
      if (line.leases.heldIds().has(id)) continue
      const lease = line.leases.take(line, { id, fields: found[i]?.fields }, deliveries.get(id) ?? 1, sentAtMs)
      lease.isUncounted = true
      leases.push(lease)
    }
  }
  return leases
}

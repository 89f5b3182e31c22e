/**
 * Takes over what others were given of a partition and have not done, all of it, in the order of IDs: its lease was theirs and is
 * this worker's now. The deliveries are not counted yet (lanes.ts).
 */
import type { IntakeSite } from '../worker/intake.ts'
import type { Lease } from '../worker/lease.ts'
import type { Line } from '../worker/line.ts'
import { takePending, type TakePendingOptions } from '../worker/take-pending.ts'

export async function takeLeftOver(site: IntakeSite, line: Line, options: TakePendingOptions = {}): Promise<Lease[]> {
  const leases: Lease[] = []
  for await (const { entries, sentAtMs } of takePending(site, line, options)) {
    site.onEvent({ type: 'taken-over', count: entries.length })
    for (const entry of entries) {
      const lease = line.leases.take(line, entry, entry.deliveries, sentAtMs)
      lease.isUncounted = true
      leases.push(lease)
    }
  }
  return leases
}

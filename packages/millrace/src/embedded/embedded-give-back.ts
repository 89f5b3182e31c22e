/** XCLAIM … JUSTID RETRYCOUNT, the count of each entry one lower: a delivery that did not happen. */
import * as engine from '@millrace/engine'
import type { ClaimedEntry, ClaimOptions, ClaimResult, EntryId } from '../backend.ts'
import * as codec from './embedded-codec.ts'

export function giveBack(
  database: engine.Database,
  { ref, options }: { readonly ref: engine.ConsumerRef; readonly options: ClaimOptions },
  nowMs: number,
): ClaimResult {
  const { minIdleMs, ids = [], ifOwner, idleMs } = options
  const entries: ClaimedEntry[] = []
  const deleted: EntryId[] = []
  engine.requireGroup(database.find(ref.key, nowMs), ref)
  for (const id of ids.map(codec.toStreamId)) {
    const query = { from: id, to: id, minIdleMs: 0, count: 1 }
    const [pending] = engine.pendingEntries(database, ref, query, nowMs)
    if (pending === undefined) continue
    const claim = {
      ids: [id],
      minIdleMs,
      justId: true,
      deliveries: Math.max(pending.deliveries - 1, 0),
      ...(ifOwner === undefined ? {} : { ifOwner: codec.toByteString(ifOwner) }),
      ...(idleMs === undefined ? {} : { idleMs }),
    }
    const claimed = engine.claim(database, ref, claim, nowMs)
    for (const entry of claimed.entries)
      entries.push({ ...codec.toDeliveredEntry(entry), deliveries: entry.deliveries })
    deleted.push(...claimed.deleted.map(codec.toEntryId))
  }
  return { entries, deleted, next: '0-0' as EntryId }
}

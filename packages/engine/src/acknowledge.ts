/**
 * XACK.
 *
 *   IDs in columns, ascending, all pending  ──► acknowledged, with those very columns        the usual case, and hot
 *   IDs in any order, twice, or not pending ──► acknowledged, with those that are
 */
import type { Database } from './database.ts'
import type { Group } from './group.ts'
import type { ConsumerRef, GroupRef } from './group-commands.ts'
import { formatId, isAscending, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import type { PendingRow } from './pending.ts'

/** XACK. Returns the IDs that were pending; with `ifOwner`, only what that consumer owns is acknowledged. */
export function acknowledge(
  database: Database,
  ref: GroupRef,
  what: { readonly ids: readonly StreamId[]; readonly ifOwner?: string },
  nowMs: number,
): StreamId[] {
  const { key, group: name } = ref
  const group = database.find(key, nowMs)?.group(name)
  if (group === undefined) return []
  const acknowledged = pendingOf(group, what.ids, what.ifOwner)
  if (acknowledged.length > 0) {
    database.commit({ kind: 'acknowledged', key, group: name, ids: IdList.of(acknowledged) })
  }
  return acknowledged
}

/** XACK of IDs in columns. Returns how many were pending. Hot: nothing is made for any of them. */
export function acknowledgePacked(database: Database, ref: GroupRef, ids: IdList, nowMs: number): number {
  const { key, group: name } = ref
  const group = database.find(key, nowMs)?.group(name)
  if (group === undefined || ids.count === 0) return 0
  if (ids.isAscending() && group.pending.hasAll(ids)) {
    database.commit({ kind: 'acknowledged', key, group: name, ids })
    return ids.count
  }
  return acknowledge(database, ref, { ids: ids.toIds() }, nowMs).length
}

/**
 * XACK of IDs in columns if they ascend and one consumer owns all of them: true, else nothing is done. Hot: the usual end
 * of a batch; `acknowledge` with `ifOwner` is for the rest.
 */
export function acknowledgeOwned(database: Database, ref: ConsumerRef, ids: IdList, nowMs: number): boolean {
  const { key, group: name, consumer } = ref
  const group = database.find(key, nowMs)?.group(name)
  const owner = group?.consumer(consumer)
  if (owner === undefined || !ids.isAscending() || !group!.pending.hasAll(ids, owner.number)) return false
  if (ids.count > 0) database.commit({ kind: 'acknowledged', key, group: name, ids })
  return true
}

/** Those of the IDs that are pending, each once, in their order. */
function pendingOf(group: Group, ids: readonly StreamId[], owner: string | undefined): StreamId[] {
  const found: StreamId[] = []
  // IDs mostly come in order, and then none comes twice.
  const taken = isAscending(ids) ? undefined : new Set<string>()
  for (const id of ids) {
    const row = group.pending.get(id)
    if (row === undefined || !isOwnedBy(group, row, owner)) continue
    if (taken?.has(formatId(id)) === true) continue
    taken?.add(formatId(id))
    found.push(id)
  }
  return found
}

function isOwnedBy(group: Group, row: PendingRow | undefined, owner: string | undefined): boolean {
  if (owner === undefined) return true
  return row !== undefined && group.ownerName(row) === owner
}

// What is nobody's, pending or not, is claimable at once.

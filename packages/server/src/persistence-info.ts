/**
 * INFO's section on what is on disk: Redis's fields, filled from the durability that there is, and behind them ours.
 *
 *   rdb_…       snapshots
 *   aof_…       the journal
 *   loading_…   while it loads
 *   journal_…   what waits for the disk now, and who waits with it
 */
import type { DurabilityInfo } from './durability.ts'
import type { Field } from './info.ts'
import type { Loading } from './keeper.ts'
import type { ServerState } from './server-state.ts'

export function persistenceFields(server: ServerState): Field[] {
  const { keeper } = server
  const info = keeper?.info()
  return [
    ['loading', keeper?.loading === undefined ? 0 : 1],
    ['async_loading', 0],
    ...snapshotFields(server, info),
    ['aof_enabled', keeper === undefined ? 0 : 1],
    ...rewriteFields(server, info),
    ['aof_last_write_status', info?.journal.lastWriteFailed === true ? 'err' : 'ok'],
    ['module_fork_in_progress', 0],
    ...(info === undefined ? [] : journalFields(server, info)),
    ...(keeper?.loading === undefined ? [] : loadingFields(keeper.loading, server.nowMs)),
  ]
}

function snapshotFields(server: ServerState, info: DurabilityInfo | undefined): Field[] {
  const { keeper, startedMs, nowMs, databases } = server
  const snapshot = info?.snapshot
  const isSaving = keeper?.running === 'save'
  return [
    ['rdb_changes_since_last_save', snapshot?.changesBehind ?? databases.changeCount],
    ['rdb_bgsave_in_progress', isSaving ? 1 : 0],
    ['rdb_last_save_time', Math.floor((snapshot?.lastMs ?? startedMs) / 1000)],
    ['rdb_last_bgsave_status', keeper?.hasFailed('save') === true ? 'err' : 'ok'],
    ['rdb_last_bgsave_time_sec', seconds(snapshot?.lastDurationMs)],
    ['rdb_current_bgsave_time_sec', isSaving ? since(snapshot?.runningSinceMs, nowMs) : -1],
    ['rdb_saves', snapshot?.count ?? 0],
  ]
}

function rewriteFields({ keeper, nowMs }: ServerState, info: DurabilityInfo | undefined): Field[] {
  const isRewriting = keeper?.running === 'rewrite'
  return [
    ['aof_rewrite_in_progress', isRewriting ? 1 : 0],
    ['aof_rewrite_scheduled', keeper?.isScheduled('rewrite') === true ? 1 : 0],
    [
      'aof_last_rewrite_time_sec',
      keeper === undefined || keeper.rewrites === 0 ? -1 : seconds(info?.snapshot.lastDurationMs),
    ],
    ['aof_current_rewrite_time_sec', isRewriting ? since(info?.snapshot.runningSinceMs, nowMs) : -1],
    ['aof_last_bgrewrite_status', keeper?.hasFailed('rewrite') === true ? 'err' : 'ok'],
    ['aof_rewrites', keeper?.rewrites ?? 0],
  ]
}

function journalFields({ gate }: ServerState, { journal }: DurabilityInfo): Field[] {
  return [
    ['aof_current_size', journal.bytes],
    ['aof_base_size', journal.baseBytes],
    ['aof_pending_rewrite', 0],
    ['aof_buffer_length', 0],
    ['aof_pending_bio_fsync', journal.isSyncing ? 1 : 0],
    ['aof_delayed_fsync', 0],
    ['journal_unsynced_bytes', journal.unsyncedBytes],
    ['clients_waiting_for_disk', gate?.holderCount ?? 0],
  ]
}

function loadingFields({ sinceMs, bytes, bytesTotal }: Loading, nowMs: number): Field[] {
  const share = bytesTotal === 0 ? 0 : bytes / bytesTotal
  const passedMs = Math.max(0, nowMs - sinceMs)
  // As Redis: a second until the first bytes tell more.
  const eta = share === 0 ? 1 : Math.round((passedMs / share - passedMs) / 1000)
  return [
    ['loading_start_time', Math.floor(sinceMs / 1000)],
    ['loading_total_bytes', bytesTotal],
    ['loading_rdb_used_mem', 0],
    ['loading_loaded_bytes', bytes],
    ['loading_loaded_perc', (share * 100).toFixed(2)],
    ['loading_eta_seconds', eta],
  ]
}

function seconds(ms: number | undefined): number {
  return ms === undefined ? -1 : Math.floor(ms / 1000)
}

function since(ms: number | undefined, nowMs: number): number {
  return ms === undefined ? -1 : seconds(Math.max(0, nowMs - ms))
}

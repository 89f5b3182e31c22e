/**
 * `maxmemory` of a server whose data are in a directory: a budget for what is in memory, the rest of its streams is on disk.
 *
 *   maxmemory 0 ──► Infinity: all is in memory, until CONFIG SET says otherwise
 *   INFO memory ──► cold_…   what is on disk only, and what of that has been read back
 */
import type { Field } from './info.ts'
import type { Settings } from './options.ts'
import type { ServerState } from './server-state.ts'

export function memoryBudgetOf({ maxMemoryBytes }: Settings): number {
  return maxMemoryBytes === 0 ? Infinity : maxMemoryBytes
}

/** Of a server without a directory there are none. */
export function coldFields({ cold }: ServerState): Field[] {
  if (cold === undefined) return []
  const info = cold.info()
  return [
    ['cold_segments', info.segments],
    ['cold_bytes', info.recordBytes],
    ['cold_cached_bytes', info.cachedBytes],
    ['cold_files', info.files],
    ['cold_file_bytes', info.fileBytes],
    ['cold_segments_written', info.spills],
    ['cold_segments_read', info.reads],
    ['cold_last_write_status', info.failure === undefined ? 'ok' : 'err'],
  ]
}

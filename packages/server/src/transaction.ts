/**
 * MULTI and WATCH: what is queued for EXEC, whether something has spoilt it, and the keys that it was to find untouched.
 *
 *   idle ──WATCH──► watching ──MULTI──► open ──EXEC, DISCARD──► idle
 *                                        └ a refused command ──► spoilt ──EXEC──► EXECABORT, idle
 */
import type { Watch } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { CommandEntry } from './command-entry.ts'

export interface QueuedCommand {
  readonly entry: CommandEntry
  readonly request: Request
}

// What a queued command, or a watched key, costs beside its bytes and the request's columns: a few objects.
const QUEUED_BYTES = 272
const WATCHED_BYTES = 300

export class Transaction {
  isOpen = false
  /** A queued command was refused: EXEC answers EXECABORT. */
  isSpoilt = false
  /** A queued command is refused when memory is out, and EXEC with it. */
  needsMemory = false
  queue: QueuedCommand[] = []
  /** By the number of the database that was selected, and the key. */
  readonly #watches = new Map<string, Watch>()
  #queuedBytes = 0
  #watchedBytes = 0

  /** Bytes of what is queued and watched. */
  get bytes(): number {
    return this.#queuedBytes + this.#watchedBytes
  }

  begin(): void {
    this.isOpen = true
  }

  add(entry: CommandEntry, request: Request): void {
    this.queue.push({ entry, request })
    this.#queuedBytes += request.bytes.length + request.columnBytes + QUEUED_BYTES
    if (entry.deniesOutOfMemory) this.needsMemory = true
  }

  isWatching(databaseIndex: number, key: string): boolean {
    return this.#watches.has(`${databaseIndex} ${key}`)
  }

  watch(databaseIndex: number, key: string, watch: Watch): void {
    this.#watches.set(`${databaseIndex} ${key}`, watch)
    this.#watchedBytes += key.length + WATCHED_BYTES
  }

  /** Whether somebody touched a watched key, or one has expired. */
  isStale(nowMs: number): boolean {
    for (const watch of this.#watches.values()) if (watch.isDirty(nowMs)) return true
    return false
  }

  unwatch(): void {
    if (this.#watches.size === 0) return
    for (const watch of this.#watches.values()) watch.end()
    this.#watches.clear()
    this.#watchedBytes = 0
  }

  /** Forgets the queue and the watched keys. */
  end(): void {
    this.isOpen = false
    this.isSpoilt = false
    this.needsMemory = false
    this.queue = []
    this.#queuedBytes = 0
    this.unwatch()
  }
}

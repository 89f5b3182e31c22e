/**
 * Reads new entries for a worker, never more than it has room for.
 *
 *   room? ──► XREADGROUP … COUNT room ──► take ──► room? …
 *               │ GROUP_NOT_FOUND: create the group, say so, go on
 *               └ UNAVAILABLE, OUTCOME_UNKNOWN: wait, go on (what a lost reply held is pending: the sweep finds it)
 */

import type { Backend, DeliveredEntry, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { backoffMs, pause } from '../pause.ts'
import type { WorkerEvent } from './worker.ts'

export interface WorkerReaderSite {
  readonly backend: Backend
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly from: EntryId | '$'
  readonly blockMs: number
  readonly free: () => number
  /** Resolves when there may be room again. */
  readonly untilFree: (signal: AbortSignal) => Promise<void>
  readonly take: (entry: DeliveredEntry, sentAtMs: number) => void
  readonly onEvent: (event: WorkerEvent) => void
}

export class WorkerReader {
  readonly #site: WorkerReaderSite
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>

  constructor(site: WorkerReaderSite) {
    this.#site = site
    this.#ended = this.#run()
  }

  /** What was delivered until then is still taken. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The worker stops'))
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let hasGroup = false
    for (let failures = 0; !signal.aborted;) {
      try {
        if (!hasGroup) await this.#createGroup()
        hasGroup = true
        await this.#read()
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        const code = error instanceof StreamError ? error.code : undefined
        if (code === 'GROUP_NOT_FOUND') hasGroup = false
        else this.#site.onEvent({ type: 'error', error })
        if (code === 'CLOSED') return
        await pause(backoffMs(failures++), signal)
      }
    }
  }

  async #createGroup(): Promise<void> {
    const { backend, stream, group, from, onEvent } = this.#site
    if (await backend.createGroup(stream, group, { from })) onEvent({ type: 'group-created' })
  }

  async #read(): Promise<void> {
    const { backend, stream, group, consumer, blockMs, free, untilFree, take } = this.#site
    const { signal } = this.#stopping
    const count = free()
    if (count <= 0) {
      await untilFree(signal)
      return
    }
    const positions = new Map([[stream, '>' as const]])
    const found = await backend.readGroup({ group, consumer }, positions, { count, blockMs, signal })
    // The reply may have waited for an entry: its idle time began at most a moment ago.
    const sentAtMs = performance.now()
    for (const entry of found.get(stream) ?? []) take(entry, sentAtMs)
  }
}

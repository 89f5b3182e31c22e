/**
 * Writes a stream to an archive: a consumer group of its own, whose acknowledgement comes after the record.
 *
 *   take the lease ──► what an earlier one left pending ──► new entries … until the segment is full, or old enough
 *        ▲                                                       │
 *        └──────────── settle ◄── put the record ◄── put the segment
 *
 * Retention `acked` waits for this group as for any other, so nothing is trimmed that has no record. One archiver works at a time,
 * under a lease by the backend's clock; one that was stopped for longer writes what another has written, too, which replay tells
 * once. Objects are never changed, so no order of two writers can lose anything.
 */
import { randomBytes } from 'node:crypto'
import { checkInteger, checkName } from '../arguments.ts'
import type { Backend, DeliveredEntry, Entry, EntryId } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import { archiveKey, compareIds } from './archive-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { writeSegment } from './segment-file.ts'

export type ArchiveEvent =
  | { readonly type: 'archived'; readonly firstId: EntryId; readonly lastId: EntryId; readonly entries: number }
  /** A try failed; it is made again after a moment. */
  | { readonly type: 'error'; readonly error: unknown }
  /** Entries that were trimmed or deleted before they were archived. */
  | { readonly type: 'deleted'; readonly ids: readonly EntryId[] }

export interface ArchiveOptions {
  readonly store: ObjectStore
  /** The consumer group. Default `archive`. */
  readonly group?: string
  /** A segment is written when it holds so many entries. Default 10,000. */
  readonly segmentEntries?: number
  /** … or so many bytes of values. Default 8,388,608. */
  readonly segmentBytes?: number
  /** … or when its first entry was read so long ago. Default 60,000. */
  readonly segmentMs?: number
  /** How long a silent archiver keeps others out. Default 30,000. */
  readonly leaseMs?: number
  readonly onEvent?: (event: ArchiveEvent) => void
}

const RETRY_MS = 1000
const READ_COUNT = 500
const CLAIM_COUNT = 1000

type Settings = Required<Omit<ArchiveOptions, 'onEvent'>> & Pick<ArchiveOptions, 'onEvent'>

/** A segment in the making. */
interface Open {
  readonly entries: Entry[]
  bytes: number
  /** By the monotonic clock. */
  readonly sinceMs: number
}

export class Archiver {
  readonly #backend: Backend
  readonly #clock: Clock
  readonly #stream: string
  readonly #settings: Settings
  readonly #consumer = `archiver-${randomBytes(6).toString('hex')}`
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #open: Open | undefined
  #leaseUntilMs = 0

  /** Starts at once. `BAD_ARGUMENT` for a limit below 1. */
  constructor(site: { readonly backend: Backend; readonly clock: Clock }, stream: string, options: ArchiveOptions) {
    const { group = 'archive', segmentEntries = 10_000, segmentBytes = 1 << 23 } = options
    const { segmentMs = 60_000, leaseMs = 30_000, store, onEvent } = options
    checkName('stream', stream)
    checkName('group', group)
    checkInteger('segmentEntries', segmentEntries, 1)
    checkInteger('segmentBytes', segmentBytes, 1)
    checkInteger('segmentMs', segmentMs, 1)
    checkInteger('leaseMs', leaseMs, 1000)
    this.#backend = site.backend
    this.#clock = site.clock
    this.#stream = stream
    const limits = { group, segmentEntries, segmentBytes, segmentMs, leaseMs, store }
    this.#settings = onEvent === undefined ? limits : { ...limits, onEvent }
    this.#ended = this.#run()
  }

  /** Writes what is open, gives the lease back, resolves when nothing is on its way. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The archiver stops'))
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if (await this.#renew()) await this.#turn()
        else await this.#pause(this.#settings.leaseMs / 3)
      } catch (error) {
        if (signal.aborted) break
        this.#tell({ type: 'error', error })
        if (error instanceof StreamError && error.code === 'CLOSED') return
        // What is open is pending for this consumer: it is read again.
        this.#open = undefined
        this.#leaseUntilMs = 0
        await this.#pause(RETRY_MS)
      }
    }
    await this.#finish()
  }

  async #turn(): Promise<void> {
    const { signal } = this.#stopping
    const { segmentMs, group } = this.#settings
    const waitedMs = this.#open === undefined ? 0 : this.#clock.monotonicMs() - this.#open.sinceMs
    const blockMs = Math.max(1, Math.ceil(Math.min(segmentMs - waitedMs, this.#settings.leaseMs / 3)))
    const count = Math.min(READ_COUNT, this.#room())
    const options = { count, blockMs, signal }
    const reader = { group, consumer: this.#consumer }
    let found: readonly DeliveredEntry[] = []
    try {
      found = (await this.#backend.readGroup(reader, new Map([[this.#stream, '>']]), options)).get(this.#stream) ?? []
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    this.#take(found)
    await this.#writeIfDue()
  }

  /** How many entries the open segment can still take. */
  #room(): number {
    return this.#settings.segmentEntries - (this.#open?.entries.length ?? 0)
  }

  #take(found: readonly DeliveredEntry[]): void {
    for (const { id, fields } of found) {
      if (fields === undefined) continue
      this.#open ??= { entries: [], bytes: 0, sinceMs: this.#clock.monotonicMs() }
      this.#open.entries.push({ id, fields })
      for (const field of fields) this.#open.bytes += field.length
    }
  }

  async #writeIfDue(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    const { segmentEntries, segmentBytes, segmentMs } = this.#settings
    const isOld = this.#clock.monotonicMs() - open.sinceMs >= segmentMs
    if (isOld || open.entries.length >= segmentEntries || open.bytes >= segmentBytes) await this.#write(open)
  }

  async #write({ entries }: Open): Promise<void> {
    const { store, group } = this.#settings
    entries.sort((a, b) => compareIds(a.id, b.id))
    const { head, bytes } = await writeSegment(this.#stream, entries)
    await store.put(archiveKey(this.#stream, head, 'seg'), bytes)
    // From here on it counts: whoever finds the record finds the segment.
    await store.put(archiveKey(this.#stream, head, 'json'), Buffer.from(JSON.stringify(head)))
    const ids = entries.map((entry) => entry.id)
    for (let at = 0; at < ids.length; at += CLAIM_COUNT) {
      await this.#backend.settle(this.#stream, group, this.#consumer, ids.slice(at, at + CLAIM_COUNT))
    }
    this.#open = undefined
    this.#tell({ type: 'archived', firstId: head.firstId, lastId: head.lastId, entries: head.entries })
  }

  /** Is this the archiver at work? Whoever becomes it takes over what was pending before anything new is read. */
  async #renew(): Promise<boolean> {
    const { leaseMs, group } = this.#settings
    const sentAtMs = this.#clock.monotonicMs()
    const wasOurs = this.#leaseUntilMs > sentAtMs
    if (wasOurs && this.#leaseUntilMs - sentAtMs > (leaseMs * 2) / 3) return true
    const key = this.#leaseKey()
    const { isTaken } = await this.#backend.step({
      if: [{ kind: 'value', key, oneOf: [undefined, this.#consumer] }],
      do: [{ kind: 'set', key, value: this.#consumer, expireMs: leaseMs }],
    })
    if (!isTaken) {
      this.#leaseUntilMs = 0
      this.#open = undefined
      return false
    }
    this.#leaseUntilMs = sentAtMs + leaseMs
    if (wasOurs) return true
    await this.#backend.createGroup(this.#stream, group)
    await this.#takeOver()
    return true
  }

  async #takeOver(): Promise<void> {
    const { group } = this.#settings
    this.#open = undefined
    let from = '0-0' as EntryId
    do {
      const count = Math.min(CLAIM_COUNT, this.#room())
      const options = { minIdleMs: 0, from, count }
      const { entries, deleted, next } = await this.#backend.claim(this.#stream, group, this.#consumer, options)
      if (deleted.length > 0) this.#tell({ type: 'deleted', ids: deleted })
      this.#take(entries)
      await this.#writeIfDue()
      from = next
    } while (from !== '0-0' && !this.#stopping.signal.aborted)
  }

  async #finish(): Promise<void> {
    try {
      if (this.#open !== undefined && this.#leaseUntilMs > this.#clock.monotonicMs()) await this.#write(this.#open)
      const key = this.#leaseKey()
      await this.#backend.step({
        if: [{ kind: 'value', key, oneOf: [this.#consumer] }],
        do: [{ kind: 'remove', key }],
      })
      await this.#backend.deleteConsumer(this.#stream, this.#settings.group, this.#consumer)
    } catch (error) {
      // The next archiver takes over what is pending; nothing is lost with this.
      this.#tell({ type: 'error', error })
    }
  }

  #leaseKey(): string {
    return siblingKey(this.#stream, `lease:${this.#settings.group}`)
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.setTimer(ms, resolve)
      signal.addEventListener(
        'abort',
        () => {
          cancel()
          resolve()
        },
        { once: true },
      )
    })
  }

  #tell(event: ArchiveEvent): void {
    try {
      this.#settings.onEvent?.(event)
    } catch {
      // A listener's own mistake must not stop the work; there is nobody else to tell.
    }
  }
}

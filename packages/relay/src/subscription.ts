/**
 * One reader's place at the hub. It takes a batch only when that continues exactly where the reader is; otherwise,
 * or when more than WAITING_ENTRIES_MAX wait for a slow reader, it lets go of all of them and says so: the reader
 * then goes on with the log, which has everything.
 *
 *   reader has … e7 │ waiting: e8 e9 │ offered: (behind e9) e10      taken
 *                                    │ offered: (behind e10) e11     missed one: behind
 *                                    │ offered: (behind e6) e7…e12   e10, e11, e12 taken
 */
import type { EntryId } from 'millrace'
import type { AnswerEntry } from './entry.ts'
import { compareIds } from './entry-id.ts'

const WAITING_ENTRIES_MAX = 100

export class Subscription {
  readonly #signal: AbortSignal
  readonly #hubPosition: () => EntryId
  readonly #onClose: (subscription: Subscription) => void
  #waiting: AnswerEntry[] = []
  /** The last entry that the reader took. */
  #taken: EntryId
  /** The last entry that waits, or that was taken. */
  #end: EntryId
  #behind = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(
    position: EntryId,
    hubPosition: () => EntryId,
    signal: AbortSignal,
    onClose: (subscription: Subscription) => void,
  ) {
    this.#taken = position
    this.#end = position
    this.#hubPosition = hubPosition
    this.#signal = signal
    this.#onClose = onClose
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The reader is at `id`. False when the hub has passed it already: read the log first. */
  moveTo(id: EntryId): boolean {
    if (!this.#behind && id === this.#taken) return this.#waiting.length > 0 || this.#joins()
    this.#waiting = []
    this.#taken = id
    this.#end = id
    this.#behind = false
    return this.#joins()
  }

  /** The next entries; undefined: read the log. Rejects when the signal aborts, the answer is gone or the hub closes. */
  async next(): Promise<readonly AnswerEntry[] | undefined> {
    for (;;) {
      this.#signal.throwIfAborted()
      if (this.#waiting.length > 0) return this.#take()
      if (this.#behind) return undefined
      if (this.#failure !== undefined) throw this.#failure.error
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Entries that follow `prev` in the log. */
  offer(prev: EntryId, entries: readonly AnswerEntry[]): void {
    if (this.#behind) return
    const fresh = prev === this.#end ? entries : entries.filter((entry) => compareIds(entry.id, this.#end) > 0)
    if (compareIds(prev, this.#end) > 0 || this.#waiting.length + fresh.length > WAITING_ENTRIES_MAX) {
      this.#waiting = []
      this.#behind = true
    } else if (fresh.length > 0) {
      this.#waiting.push(...fresh)
      this.#end = fresh.at(-1)!.id
    }
    this.#notify()
  }

  /** After what waits, next() rejects with this. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#notify()
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#waiting = []
    this.#onClose(this)
  }

  readonly #onAbort = (): void => this.#notify()

  #take(): readonly AnswerEntry[] {
    const entries = this.#waiting
    this.#waiting = []
    this.#taken = this.#end
    return entries
  }

  #joins(): boolean {
    return this.#failure !== undefined || compareIds(this.#hubPosition(), this.#end) <= 0
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}

/**
 * Moves delayed entries to where they are due, each in one step: exactly once, whoever else tries.
 *
 *   {orders}:delayed ──follow──► DueIndex ──due──► step: if it is still there, append to `mr:to` or the stream, and delete it
 */
import type { Backend, Entry, EntryId } from '../backend.ts'
import { dueOf } from '../delayed.ts'
import { compareIds } from '../entry-id-order.ts'
import { withEnvelopeFields } from '../envelope.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import { DueIndex } from './due-index.ts'

const INDEX_MAX = 100_000
const PAGE = 1000
const PAGES_MAX = 200
const MOVED_AT_ONCE = 64
/** One that cannot be moved (its target is no stream, say) is tried again after so long. */
const REFUSED_MS = 5000

export class Promoter {
  readonly #backend: Backend
  readonly #stream: string
  readonly #delayed: string
  readonly #index: DueIndex
  readonly #onError: (error: unknown) => void
  #after = '0-0' as EntryId

  constructor(backend: Backend, stream: string, onError: (error: unknown) => void, indexMax = INDEX_MAX) {
    this.#backend = backend
    this.#stream = stream
    this.#delayed = siblingKey(stream, 'delayed')
    this.#index = new DueIndex(indexMax)
    this.#onError = onError
  }

  /** When there is something to do next, by the backend's clock. */
  get earliestMs(): number {
    return this.#index.earliestMs
  }

  /** Notes what was added since, and moves what is due. Rejects when the backend cannot be had; nothing is forgotten then. */
  async run(nowMs: number): Promise<void> {
    if (this.#index.horizonMs <= nowMs) this.#forget()
    await this.#follow()
    await this.#move(nowMs)
  }

  /** A stream that went back, or was removed, is read anew. */
  async look(): Promise<void> {
    if (this.#after === '0-0') return
    const info = await this.#backend.inspect(this.#delayed)
    if (info === undefined || compareIds(info.lastId, this.#after) < 0) this.#forget()
  }

  #forget(): void {
    this.#index.clear()
    this.#after = '0-0' as EntryId
  }

  async #follow(): Promise<void> {
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const page = await this.#backend.range(this.#delayed, { from: `(${this.#after}`, count: PAGE })
      for (const { id, fields } of page) this.#index.add({ id, dueMs: dueOf(id, fields).dueMs })
      const last = page.at(-1)
      if (last !== undefined) this.#after = last.id
      if (page.length < PAGE) return
    }
  }

  async #move(nowMs: number): Promise<void> {
    for (;;) {
      const ids: EntryId[] = []
      for (let due; ids.length < MOVED_AT_ONCE && (due = this.#index.take(nowMs)) !== undefined;) ids.push(due.id)
      if (ids.length === 0) return
      const results = await Promise.allSettled(ids.map(async (id) => await this.#moveOne(id)))
      let passing: { readonly error: unknown } | undefined
      for (const [i, result] of results.entries()) {
        if (result.status === 'fulfilled') continue
        const error: unknown = result.reason
        const code = error instanceof StreamError ? error.code : undefined
        const isPassing = code === 'UNAVAILABLE' || code === 'OUTCOME_UNKNOWN' || code === 'CLOSED'
        this.#index.add({ id: ids[i]!, dueMs: isPassing ? nowMs : nowMs + REFUSED_MS })
        if (isPassing) passing ??= { error }
        else this.#onError(error)
      }
      if (passing !== undefined) throw passing.error
    }
  }

  async #moveOne(id: EntryId): Promise<void> {
    const [entry] = await this.#backend.range(this.#delayed, { from: id, to: id })
    // Cancelled, or moved by another.
    if (entry === undefined) return
    await this.#backend.step({
      if: [{ kind: 'entry', stream: this.#delayed, id }],
      do: [
        { kind: 'append', stream: this.#target(entry), fields: plain(entry) },
        { kind: 'delete', stream: this.#delayed, ids: [id] },
      ],
    })
  }

  #target(entry: Entry): string {
    return dueOf(entry.id, entry.fields).to ?? this.#stream
  }
}

function plain(entry: Entry): ReturnType<typeof withEnvelopeFields> {
  return withEnvelopeFields(entry.fields, { 'mr:delay': undefined, 'mr:at': undefined, 'mr:to': undefined })
}

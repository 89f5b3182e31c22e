/**
 * Moves what is due: from `<stream>:delayed`, where entries stand in the order in which they came, to where they belong.
 *
 *   <stream>:delayed ──new entries, a page at a time──► DueIndex ──due──► step: is it still there? append, delete
 *        ▲                                                 │
 *        └──── read again from the beginning ──── what was left out is nearly due, or the duty was another's
 *
 * An entry is moved once: the step looks whether it is still there. It is never moved early, by the backend's own clock.
 */
import type { Backend, Entry, EntryId } from '../backend.ts'
import { withEnvelopeFields } from '../envelope.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import { type Due, DueIndex } from './due-index.ts'

const INDEX_MAX = 100_000
const PAGE = 1000
/** Pages in one look: the rest comes with the next. */
const PAGES_MAX = 100
/** Moved at once. */
const BATCH = 100
/** One that cannot be moved, as it stands, is tried again after this. */
const REFUSED_MS = 60_000
const START = '0-0' as EntryId

export class Promoter {
  readonly #backend: Backend
  readonly #stream: string
  readonly #delayed: string
  readonly #onError: (error: unknown) => void
  readonly #index: DueIndex
  #readUpTo = START

  constructor(
    backend: Backend,
    stream: string,
    options: { readonly onError: (error: unknown) => void; readonly indexMax?: number },
  ) {
    this.#backend = backend
    this.#stream = stream
    this.#delayed = siblingKey(stream, 'delayed')
    this.#onError = options.onError
    this.#index = new DueIndex(options.indexMax ?? INDEX_MAX)
  }

  /** What was read before may have been moved by another: begin again. */
  forget(): void {
    this.#index.clear()
    this.#readUpTo = START
  }

  /** Looks for new entries and moves what is due. Resolves when the next one is due; undefined: nothing waits. */
  async run(nowMs: () => number): Promise<number | undefined> {
    if (this.#index.cutMs <= nowMs()) this.forget()
    await this.#readNew()
    for (;;) {
      const batch: Due[] = []
      while (batch.length < BATCH && this.#index.first !== undefined && this.#index.first.dueMs <= nowMs())
        batch.push(this.#index.take()!)
      if (batch.length === 0) break
      const moves = await Promise.allSettled(batch.map(async (due) => await this.#move(due)))
      for (const [i, move] of moves.entries())
        if (move.status === 'rejected') this.#again(batch[i]!, move.reason, nowMs())
      if (moves.some((move) => move.status === 'rejected')) break
    }
    const next = Math.min(this.#index.first?.dueMs ?? Infinity, this.#index.cutMs)
    return next === Infinity ? undefined : next
  }

  async #readNew(): Promise<void> {
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const found = await this.#backend.range(this.#delayed, { from: `(${this.#readUpTo}`, count: PAGE })
      for (const entry of found) {
        this.#index.add({ id: entry.id, dueMs: dueAt(entry) })
        this.#readUpTo = entry.id
      }
      if (found.length < PAGE) return
    }
  }

  async #move({ id }: Due): Promise<void> {
    const [entry] = await this.#backend.range(this.#delayed, { from: id, to: id })
    // Cancelled, or moved by another.
    if (entry === undefined) return
    const target = textOf(entry, 'mr:to') ?? this.#stream
    const fields = withEnvelopeFields(entry.fields, { 'mr:delay': undefined, 'mr:at': undefined, 'mr:to': undefined })
    await this.#backend.step({
      if: [{ kind: 'entry', stream: this.#delayed, id }],
      do: [
        { kind: 'append', stream: target, fields },
        { kind: 'delete', stream: this.#delayed, ids: [id] },
      ],
    })
  }

  /** What passes is tried with the next look, what the entry itself causes after a while. */
  #again(due: Due, error: unknown, nowMs: number): void {
    const code = error instanceof StreamError ? error.code : undefined
    const isPassing = code === 'UNAVAILABLE' || code === 'OUTCOME_UNKNOWN' || code === 'OUT_OF_MEMORY'
    this.#index.add(isPassing ? due : { id: due.id, dueMs: nowMs + REFUSED_MS })
    this.#onError(error)
  }
}

/** Milliseconds since 1970. What tells no time is due at once. */
function dueAt(entry: Entry): number {
  const at = Number(textOf(entry, 'mr:at') ?? Number.NaN)
  if (Number.isFinite(at)) return at
  const delay = Number(textOf(entry, 'mr:delay') ?? 0)
  return Number(entry.id.split('-')[0]) + (Number.isFinite(delay) ? delay : 0)
}

function textOf(entry: Entry, name: string): string | undefined {
  for (let i = 0; i + 1 < entry.fields.length; i += 2) {
    if (Buffer.from(entry.fields[i]!).toString() === name) return Buffer.from(entry.fields[i + 1]!).toString()
  }
  return undefined
}

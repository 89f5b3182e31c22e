/**
 * One answer's stream: append behind a known entry, read pages, look at both ends.
 *
 *   question  start  delta  delta  delta  …
 *   └ first                        └ last: an append names it, and is refused when it isn't the last any more
 *
 * Every append renews the stream's time to live.
 */
import type { Backend, Entry, EntryId } from 'millrace'
import type { AnswerBody, AnswerEntry } from './entry.ts'
import { decodeEntry, decodeLogOnly, encodeEntry, hasFields, type LogOnly } from './entry-codec.ts'

/** How many entries one read of the log brings at most. */
export const PAGE_ENTRIES = 500

/** An entry on its way into the log. */
export interface Draft {
  readonly body: AnswerBody
  readonly seq: number
  readonly epoch: number
  readonly logOnly?: LogOnly
}

export class AnswerLog {
  readonly stream: string
  readonly #backend: Backend
  readonly #retentionMs: number

  constructor(backend: Backend, stream: string, retentionMs: number) {
    this.#backend = backend
    this.stream = stream
    this.#retentionMs = retentionMs
  }

  /** Rejects with `LAST_ID_MISMATCH` when `after` isn't the last entry. */
  async append(draft: Draft, after: EntryId): Promise<EntryId> {
    const id = await this.#backend.add(this.stream, encodeEntry(draft.body, draft, draft.logOnly), {
      ifLastId: after,
      expireMs: this.#retentionMs,
    })
    return id!
  }

  /** The entries behind `after`, oldest first, at most a page. */
  async page(after: EntryId, count: number = PAGE_ENTRIES): Promise<AnswerEntry[]> {
    const entries = await this.#backend.range(this.stream, { from: `(${after}`, count })
    return entries.map(decodeEntry)
  }

  async first(): Promise<{ readonly entry: AnswerEntry; readonly logOnly: LogOnly } | undefined> {
    const [entry] = await this.#backend.range(this.stream, { count: 1 })
    return entry === undefined ? undefined : { entry: decodeEntry(entry), logOnly: decodeLogOnly(entry) }
  }

  async last(): Promise<AnswerEntry | undefined> {
    const [entry] = await this.#backend.range(this.stream, { count: 1, reverse: true })
    return entry === undefined ? undefined : decodeEntry(entry)
  }

  async at(id: EntryId): Promise<AnswerEntry | undefined> {
    const [entry] = await this.#backend.range(this.stream, { from: id, to: id, count: 1 })
    return entry === undefined ? undefined : decodeEntry(entry)
  }

  /** All entries with what only the log holds, page by page. */
  async *all(): AsyncGenerator<{ readonly entry: AnswerEntry; readonly logOnly: LogOnly }> {
    let from = '-'
    for (;;) {
      const entries: readonly Entry[] = await this.#backend.range(this.stream, { from, count: PAGE_ENTRIES })
      for (const entry of entries) yield { entry: decodeEntry(entry), logOnly: decodeLogOnly(entry) }
      if (entries.length < PAGE_ENTRIES) return
      from = `(${entries.at(-1)!.id}`
    }
  }

  /**
   * What became of an append whose outcome is in doubt: is `draft` the entry behind `after`?
   *
   *   … after │ draft          ours-already
   *   … after │ another        other
   *   … after │                nothing
   *   … (no `after`)           went-back: the store lost what it had acknowledged
   */
  async whatFollows(
    after: EntryId,
    draft: Draft,
  ): Promise<
    { readonly is: 'ours-already' | 'other'; readonly entry: AnswerEntry } | { readonly is: 'nothing' | 'went-back' }
  > {
    const [known, next] = await this.#backend.range(this.stream, { from: after, count: 2 })
    if (known === undefined || known.id !== after) return { is: 'went-back' }
    if (next === undefined) return { is: 'nothing' }
    const ours = hasFields(next, encodeEntry(draft.body, draft, draft.logOnly))
    return { is: ours ? 'ours-already' : 'other', entry: decodeEntry(next) }
  }
}

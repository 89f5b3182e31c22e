/**
 * The one pen of a producer: it appends only behind its own last entry, so whoever else has written is noticed
 * in the same step, and nothing of a fenced producer ever reaches the log.
 *
 *   append ──► appended ─────────────────────────────► go on
 *          ├─► refused, or the reply was lost ─► look behind the last entry:
 *          │                   our entry ────────────► it was applied: go on
 *          │                   nothing ──────────────► append again
 *          │                   another's ────────────► Halt 'fenced'
 *          │                   last entry missing ───► Halt 'went_back', or 'gone' when all is missing
 *          └─► unreachable, out of memory ─► again with backoff, for 30 s at most ─► Halt 'unwritable'
 */
import { type EntryId, StreamError } from 'millrace'
import type { AnswerLog, Draft } from './answer-log.ts'
import type { AnswerBody, AnswerEntry } from './entry.ts'
import type { LogOnly } from './entry-codec.ts'
import { Halt } from './halt.ts'
import { backoffMs, pause } from './pause.ts'

/** Longer than a failover takes; the lease, when it is lost, ends the wait before. */
const PATIENCE_MS = 30_000

const IN_DOUBT: ReadonlySet<string> = new Set(['LAST_ID_MISMATCH', 'OUTCOME_UNKNOWN'])
const MAY_PASS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OUT_OF_MEMORY', 'BACKEND_ERROR'])

/** Where a writer stands: its last entry. */
export interface Position {
  readonly id: EntryId
  readonly seq: number
  readonly epoch: number
}

export class AnswerWriter {
  readonly #log: AnswerLog
  readonly #signal: AbortSignal
  #position: Position

  constructor(log: AnswerLog, position: Position, signal: AbortSignal) {
    this.#log = log
    this.#position = position
    this.#signal = signal
  }

  get position(): Position {
    return this.#position
  }

  /** After the store went back in time: go on behind what it has. */
  moveTo(position: Position): void {
    this.#position = position
  }

  async append(body: AnswerBody, epoch: number = this.#position.epoch, logOnly?: LogOnly): Promise<void> {
    const draft: Draft = { body, seq: this.#position.seq + 1, epoch, ...(logOnly && { logOnly }) }
    const untilMs = Date.now() + PATIENCE_MS
    for (let failures = 0; ; failures++) {
      this.#signal.throwIfAborted()
      const id = await this.#try(draft, Date.now() >= untilMs)
      if (id !== undefined) {
        this.#position = { id, seq: draft.seq, epoch }
        return
      }
      await pause(backoffMs(failures, 10, 1000), this.#signal)
    }
  }

  /** The entry's ID; undefined: nothing was appended, try again. */
  async #try(draft: Draft, isLast: boolean): Promise<EntryId | undefined> {
    try {
      return await this.#log.append(draft, this.#position.id)
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      if (isLast) throw new Halt('unwritable', `The answer's stream took no entry for ${PATIENCE_MS} ms`, error)
      if (IN_DOUBT.has(error.code)) return await this.#settleDoubt(draft)
      if (MAY_PASS.has(error.code)) return undefined
      throw new Halt('unwritable', `The answer's stream refuses the entry: ${error.message}`, error)
    }
  }

  async #settleDoubt(draft: Draft): Promise<EntryId | undefined> {
    try {
      const found = await this.#log.whatFollows(this.#position.id, draft)
      if (found.is === 'ours-already') return found.entry.id
      if (found.is === 'nothing') return undefined
      if (found.is === 'other')
        throw new Halt('fenced', `Entry ${found.entry.id} (${nameOf(found.entry)}) is another's`)
      const last = await this.#log.last()
      if (last === undefined) throw new Halt('gone', 'The answer has expired or was deleted')
      throw new Halt('went_back', `Entry ${this.#position.id} is gone; the log now ends with ${last.id}`)
    } catch (error) {
      if (error instanceof StreamError) return undefined // The look failed too: the caller tries again, within its limit.
      throw error
    }
  }
}

function nameOf(entry: AnswerEntry): string {
  return `${entry.type}, epoch ${entry.epoch}`
}

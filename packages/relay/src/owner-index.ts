/**
 * An owner's answers, newest last, in a small stream of their own, and the quota that is counted from it.
 *
 *   <prefix>_SESSION:<owner>   1795391639213-0  answer 7f3a…
 *                              1795391650100-0  answer 9c04…
 *
 * A question first takes its place here, behind the last entry that was seen while counting (`ifLastId`), so the
 * quota holds over several servers. Within one process an owner's asks wait for each other.
 */
import { type Backend, type EntryId, StreamError } from 'millrace'
import type { AnswerLog } from './answer-log.ts'
import { BEFORE_ALL, idMs } from './entry-id.ts'
import { Lanes } from './lanes.ts'
import { backoffMs, pause } from './pause.ts'
import { RelayError } from './relay-error.ts'
import { isClosing } from './text.ts'

const MINUTE_MS = 60_000
/** An index entry whose answer isn't there yet belongs to an ask under way; when it is older, to one that failed. */
const ASKING_MS = 5000
const KEPT_ANSWERS = 200
const LOOKED_AT_ANSWERS = 50
const TRIES = 30
const ASKS_WAITING_MAX = 64
const CLOSED_REMEMBERED = 10_000

export interface OwnerIndexOptions {
  readonly retentionMs: number
  readonly perMinuteMax: number
  readonly unfinishedMax: number
  readonly streamOf: (owner: string) => string
  readonly logOf: (answer: string) => AnswerLog
}

export interface IndexedAnswer {
  readonly answer: string
  readonly askedAtMs: number
}

interface Indexed {
  readonly answers: readonly IndexedAnswer[]
  readonly lastId: EntryId
}

export class OwnerIndex {
  readonly #backend: Backend
  readonly #options: OwnerIndexOptions
  readonly #lanes = new Lanes(ASKS_WAITING_MAX)
  /** Closed is for ever, so their logs need no second look. Oldest first. */
  readonly #closed = new Set<string>()

  constructor(backend: Backend, options: OwnerIndexOptions) {
    this.#backend = backend
    this.#options = options
  }

  /** The owner's answers, newest first. */
  async newest(owner: string, count: number): Promise<readonly IndexedAnswer[]> {
    return (await this.#read(owner, count)).answers
  }

  /** Takes a place for the answer; rejects with `TOO_MANY_QUESTIONS` or `TOO_MANY_AT_ONCE`. */
  reserve(owner: string, answer: string): Promise<void> {
    return this.#lanes.run(owner, () => this.#reserve(owner, answer))
  }

  async #reserve(owner: string, answer: string): Promise<void> {
    const { retentionMs, perMinuteMax, unfinishedMax, streamOf } = this.#options
    const looked = Math.max(LOOKED_AT_ANSWERS, perMinuteMax, unfinishedMax)
    for (let tries = 0; tries < TRIES; tries++) {
      const { answers, lastId } = await this.#read(owner, looked)
      if (answers.some((indexed) => indexed.answer === answer)) return
      this.#checkMinute(answers)
      await this.#checkUnfinished(answers)
      try {
        const trim = { maxLen: Math.max(KEPT_ANSWERS, looked) }
        const options = { ifLastId: lastId, expireMs: retentionMs, trim }
        await this.#backend.add(streamOf(owner), ['answer', answer], options)
        return
      } catch (error) {
        const inDoubt = error instanceof StreamError && ['LAST_ID_MISMATCH', 'OUTCOME_UNKNOWN'].includes(error.code)
        if (!inDoubt) throw error
      }
      await pause(backoffMs(tries, 2, 100))
    }
    throw new StreamError('UNAVAILABLE', `The owner's index changed ${TRIES} times while a question was added`)
  }

  async #read(owner: string, count: number): Promise<Indexed> {
    const entries = await this.#backend.range(this.#options.streamOf(owner), { count, reverse: true })
    const answers = new Map<string, IndexedAnswer>()
    for (const { id, fields } of entries) {
      const answer = Buffer.from(fields[1] ?? []).toString()
      answers.set(answer, { answer, askedAtMs: idMs(id) })
    }
    return { answers: [...answers.values()], lastId: entries[0]?.id ?? BEFORE_ALL }
  }

  #checkMinute(answers: readonly IndexedAnswer[]): void {
    const { perMinuteMax } = this.#options
    const nowMs = Date.now()
    const oldest = answers[perMinuteMax - 1]
    if (oldest === undefined || oldest.askedAtMs <= nowMs - MINUTE_MS) return
    const retryAfterMs = Math.min(MINUTE_MS, oldest.askedAtMs + MINUTE_MS - nowMs)
    const message = `At most ${perMinuteMax} questions a minute; try again in ${Math.ceil(retryAfterMs / 1000)} s`
    throw new RelayError('TOO_MANY_QUESTIONS', message, { retryAfterMs })
  }

  async #checkUnfinished(answers: readonly IndexedAnswer[]): Promise<void> {
    const { unfinishedMax } = this.#options
    const open = answers.filter(({ answer }) => !this.#closed.has(answer))
    if (open.length < unfinishedMax) return
    const unfinished = await Promise.all(open.map((indexed) => this.#isUnfinished(indexed)))
    if (unfinished.filter(Boolean).length < unfinishedMax) return
    throw new RelayError('TOO_MANY_AT_ONCE', `At most ${unfinishedMax} answers at once; wait for one, or stop it`)
  }

  async #isUnfinished({ answer, askedAtMs }: IndexedAnswer): Promise<boolean> {
    const last = await this.#options.logOf(answer).last()
    if (last === undefined) return Date.now() - askedAtMs < ASKING_MS
    if (!isClosing(last)) return true
    this.#closed.add(answer)
    if (this.#closed.size > CLOSED_REMEMBERED) this.#closed.delete(this.#closed.values().next().value!)
    return false
  }
}

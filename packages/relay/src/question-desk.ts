/**
 * Taking a question, in an order in which a crash between two steps leaves nothing that a repeat doesn't mend:
 *
 *   1 owner's index   a place within the quota
 *   2 answer's log    `question`, only if the log is empty: else it was asked before
 *   3 questions       the job
 *
 * The same request again finds the log. If that still holds only the question, a job may be missing, and one is added.
 */
import { StreamError } from 'millrace'
import type { AnswerLog } from './answer-log.ts'
import { BEFORE_ALL, idMs } from './entry-id.ts'
import type { OwnerIndex } from './owner-index.ts'
import { backoffMs, pause } from './pause.ts'
import type { Questions } from './questions.ts'
import type { AskRequest } from './relay.ts'

/** A worker takes a waiting question at once, so after this time its job may have been lost. */
const JOB_DOUBT_MS = 1000
const JOBS_REMEMBERED = 1000
const TRIES = 5

export interface Asked {
  readonly owner: string
  readonly answer: string
  readonly log: AnswerLog
}

export class QuestionDesk {
  readonly #index: OwnerIndex
  readonly #questions: Questions
  /** When this process last added a job for an answer; 0: it tried and failed. Oldest first. */
  readonly #jobAddedAtMs = new Map<string, number>()

  constructor(index: OwnerIndex, questions: Questions) {
    this.#index = index
    this.#questions = questions
  }

  async ask(asked: Asked, request: AskRequest): Promise<{ readonly answer: string; readonly created: boolean }> {
    const { owner, answer, log } = asked
    if ((await log.first()) === undefined) {
      await this.#index.reserve(owner, answer)
      if (await this.#record(asked, request)) {
        await this.#addJob(answer)
        return { answer, created: true }
      }
    }
    await this.#addLostJob(answer, log)
    return { answer, created: false }
  }

  /** Writes the question; false when somebody else has. */
  async #record({ owner, log }: Asked, { topic, question }: AskRequest): Promise<boolean> {
    const draft = { body: { type: 'question', topic, question }, seq: 0, epoch: 0, logOnly: { owner } } as const
    for (let tries = 0; ; tries++) {
      try {
        await log.append(draft, BEFORE_ALL)
        return true
      } catch (error) {
        if (!(error instanceof StreamError)) throw error
        // After a lost reply the question in the log may be ours; its job is then still to be added.
        if (error.code === 'LAST_ID_MISMATCH') return tries > 0
        if (error.code !== 'OUTCOME_UNKNOWN' || tries === TRIES) throw error
      }
      await pause(backoffMs(tries, 20, 500))
    }
  }

  async #addLostJob(answer: string, log: AnswerLog): Promise<void> {
    const last = await log.last()
    if (last?.type !== 'question') return
    const addedAtMs = this.#jobAddedAtMs.get(answer) ?? idMs(last.id)
    if (Date.now() - addedAtMs > JOB_DOUBT_MS) await this.#addJob(answer)
  }

  async #addJob(answer: string): Promise<void> {
    this.#remember(answer, 0)
    await this.#questions.add(answer)
    this.#remember(answer, Date.now())
  }

  #remember(answer: string, addedAtMs: number): void {
    this.#jobAddedAtMs.delete(answer)
    this.#jobAddedAtMs.set(answer, addedAtMs)
    if (this.#jobAddedAtMs.size > JOBS_REMEMBERED) {
      this.#jobAddedAtMs.delete(this.#jobAddedAtMs.keys().next().value!)
    }
  }
}

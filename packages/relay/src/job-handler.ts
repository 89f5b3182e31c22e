/**
 * From a job to an answer: looks into the answer's log and begins it, takes it over, or leaves it alone.
 *
 *   no log, or closed                                     acknowledge
 *   a log that can't be read                              acknowledge, and tell: another try reads the same
 *   only the question                                     begin
 *   begun for this job, which was delivered again         take over: its server was lost
 *   begun for the job that this one replaces              take over: its server was closing
 *   begun for another job that is still pending           acknowledge: a duplicate
 *   begun for another job that is pending no more         take over
 *
 * A job is acknowledged when its promise resolves. It rejects when the answer isn't finished and nobody else has it.
 */
import { type AnswerHistory, readHistory } from './answer-history.ts'
import type { AnswerLog } from './answer-log.ts'
import { DamagedEntry } from './entry-codec.ts'
import type { LanguageModel } from './generate.ts'
import { Producer, type Assignment, type ProducerParts } from './producer.ts'
import type { Job, Questions } from './questions.ts'
import { isClosing } from './text.ts'

export interface JobHandlerParts extends Omit<ProducerParts, 'log' | 'slotGroup' | 'model'> {
  readonly questions: Questions
  readonly logOf: (answer: string) => AnswerLog
  readonly slotGroupOf: (answer: string) => string
}

export class JobHandler {
  readonly #parts: JobHandlerParts
  readonly #model: LanguageModel
  readonly #producers = new Set<Producer>()
  #closing = false

  constructor(parts: JobHandlerParts, model: LanguageModel) {
    this.#parts = parts
    this.#model = model
  }

  async handle(job: Job, lease: AbortSignal): Promise<void> {
    const log = this.#parts.logOf(job.answer)
    const history = await this.#history(log)
    if (history === undefined || isClosing(history.last)) return
    const reason = await this.#reason(job, history)
    if (reason === 'duplicate') return
    await this.#produce(job, log, { job: job.id, history, reason }, lease)
  }

  /** Ends the running answers without another entry, and gives each to whichever server is next. */
  handOn(): void {
    this.#closing = true
    for (const producer of this.#producers) producer.handOn()
  }

  async #history(log: AnswerLog): Promise<AnswerHistory | undefined> {
    try {
      return await readHistory(log)
    } catch (error) {
      if (!(error instanceof DamagedEntry)) throw error
      this.#parts.onError(error)
      return undefined
    }
  }

  async #reason(job: Job, history: AnswerHistory): Promise<Assignment['reason'] | 'duplicate'> {
    if (history.job === undefined) return history.last.type === 'question' ? undefined : 'server_lost'
    if (history.job === job.instead) return 'server_stopping'
    if (history.job === job.id) return 'server_lost'
    return (await this.#parts.questions.isPending(history.job)) ? 'duplicate' : 'server_lost'
  }

  async #produce(job: Job, log: AnswerLog, assignment: Assignment, lease: AbortSignal): Promise<void> {
    const slotGroup = this.#parts.slotGroupOf(job.answer)
    const producer = new Producer({ ...this.#parts, log, slotGroup, model: this.#model }, assignment)
    this.#producers.add(producer)
    if (this.#closing) producer.handOn()
    try {
      const outcome = await producer.run(lease)
      // The new job is there before the old one is acknowledged: between the two, one too many is harmless.
      if (outcome === 'stopping') await this.#parts.questions.add(job.answer, job.id)
      if (outcome === 'lease_lost' || outcome === 'unwritable') throw new Error(`Answer not finished here: ${outcome}`)
    } finally {
      this.#producers.delete(producer)
    }
  }
}

/**
 * One answer in the making: the model's text into the answer's log, until it is closed or somebody else's.
 *
 *            ┌──────── failed, may pass: wait, `restarted` ────────┐
 *            ▼                                                     │
 *   begin ─► start / restarted ─► model ─► delta delta … ─► end    │
 *                                   └─────────────────────────────►┴─► error
 *
 *   stopped or taken over (seen in the own log, even when the model is silent) ─► the model is aborted
 *   lease lost, server closing ─► the model is aborted, nothing more is written
 *   the store lost entries ─► read the log again, `restarted` under a higher epoch
 */
import { randomBytes } from 'node:crypto'
import { type AnswerHistory, readHistory } from './answer-history.ts'
import type { AnswerLog } from './answer-log.ts'
import { AnswerWriter } from './answer-writer.ts'
import { DeltaWriter } from './delta-writer.ts'
import type { AnswerBody, AnswerEntry } from './entry.ts'
import { idMs } from './entry-id.ts'
import { followLog } from './follower.ts'
import { GenerateError, type GenerateRequest, type LanguageModel } from './generate.ts'
import { Halt, type HaltReason } from './halt.ts'
import { type DoneEvent, runModel } from './model-run.ts'
import { backoffMs, pause } from './pause.ts'
import type { ReaderHub } from './reader-hub.ts'
import { RelayError } from './relay-error.ts'
import { TextDigest } from './text-digest.ts'
import { isClosing } from './text.ts'

/** A longer wait than this is the asker's business, not ours. */
const RETRY_WAIT_MS_MAX = 60_000
const RETRY_WAIT_MS = 1000
const MESSAGE_CHARS_MAX = 500

type RestartReason = Extract<AnswerBody, { type: 'restarted' }>['reason']

export interface ProducerParts {
  readonly log: AnswerLog
  readonly hub: ReaderHub
  readonly slotGroup: string
  readonly model: LanguageModel
  readonly server: string
  readonly attemptsMax: number
  readonly lingerMs: number
  readonly onError: (error: unknown) => void
}

export interface Assignment {
  readonly job: string
  readonly history: AnswerHistory
  /** Why the answer begins again; undefined: nobody has begun it. */
  readonly reason: RestartReason | undefined
}

export class Producer {
  readonly #parts: ProducerParts
  readonly #assignment: Assignment
  readonly #control = new AbortController()
  readonly #writer: AnswerWriter
  readonly #digest = new TextDigest()
  #attempts: number
  /** Known before the entry that carries it is written, so that our own entry isn't taken for a stranger's. */
  #epoch: number

  constructor(parts: ProducerParts, assignment: Assignment) {
    const { last, text, attempts } = assignment.history
    this.#parts = parts
    this.#assignment = assignment
    this.#writer = new AnswerWriter(parts.log, last, this.#control.signal)
    this.#digest.add(text)
    this.#attempts = attempts
    this.#epoch = last.epoch
  }

  /** Resolves why it ended: `closed` when the answer is complete or has failed. `lease` aborts when the job is ours no more. */
  async run(lease: AbortSignal): Promise<HaltReason | 'closed'> {
    const onLeaseLost = (): void => this.#halt('lease_lost', 'The job has another owner or none')
    if (lease.aborted) onLeaseLost()
    lease.addEventListener('abort', onLeaseLost, { once: true })
    const watching = this.#watch()
    try {
      await this.#produce()
      return 'closed'
    } catch (error) {
      const cause: unknown = this.#control.signal.aborted ? this.#control.signal.reason : error
      if (cause instanceof Halt) return cause.reason
      throw error
    } finally {
      lease.removeEventListener('abort', onLeaseLost)
      this.#halt('stopping', 'The producer has ended')
      await watching
    }
  }

  /** This server closes: stop the model and write nothing more. */
  handOn(): void {
    this.#halt('stopping', 'The server is closing')
  }

  async #produce(): Promise<void> {
    let reason = this.#assignment.reason
    for (;;) {
      try {
        if (!(await this.#begin(reason))) return
        const failure = await this.#attempt()
        if (failure === undefined) return
        if (!(await this.#mayTryAgain(failure))) return await this.#fail(failure)
        reason = failure.code
      } catch (error) {
        if (!(error instanceof Halt) || error.reason !== 'went_back') throw error
        await this.#resynchronise()
        reason = 'server_lost'
      }
    }
  }

  /** Writes `start` or `restarted`; false when there were too many attempts, and the answer has failed. */
  async #begin(reason: RestartReason | undefined): Promise<boolean> {
    const { server, model, attemptsMax } = this.#parts
    const after = this.#writer.position
    const logOnly = { job: this.#assignment.job, by: randomBytes(8).toString('hex') }
    if (reason !== 'server_stopping') this.#attempts++
    this.#epoch = after.epoch + 1
    if (this.#attempts > attemptsMax) {
      const message = `The answer was interrupted ${attemptsMax} times and was given up`
      await this.#writer.append({ type: 'error', code: 'too_many_attempts', message }, this.#epoch)
      return false
    }
    if (reason === undefined) {
      await this.#writer.append({ type: 'start', server, model: model.label }, this.#epoch, logOnly)
      return true
    }
    const keep = model.canContinue ? this.#digest.chars : 0
    const gapMs = Math.max(0, Date.now() - idMs(after.id))
    const body = { type: 'restarted', server, model: model.label, keep, reason, after: after.id, gapMs } as const
    await this.#writer.append(body, this.#epoch, logOnly)
    if (keep === 0) this.#digest.reset()
    return true
  }

  /** Runs the model once; resolves its failure, or undefined when the answer is complete. */
  async #attempt(): Promise<GenerateError | undefined> {
    const attempt = new AbortController()
    const signal = AbortSignal.any([this.#control.signal, attempt.signal])
    const append = (text: string): Promise<void> => this.#appendText(text)
    const deltas = new DeltaWriter(append, this.#parts.lingerMs, (error) => attempt.abort(error))
    try {
      const request = await this.#request()
      const done = await runModel(this.#parts.model, request, signal, (text) => deltas.push(text))
      await deltas.finish()
      await this.#end(done)
      return undefined
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof GenerateError)) throw error
      if (error.cause !== undefined) this.#parts.onError(error)
      await deltas.finish() // What came before the failure belongs to the answer.
      return error
    } finally {
      attempt.abort(new Halt('stopping', 'The attempt is over')) // A model that still runs is of no use any more.
      await deltas.drop()
    }
  }

  async #request(): Promise<GenerateRequest> {
    const { topic, question } = this.#assignment.history
    if (this.#digest.chars === 0) return { topic, question, textSoFar: '' }
    const history = await readHistory(this.#parts.log)
    if (history === undefined) throw new Halt('gone', 'The answer has expired or was deleted')
    return { topic, question, textSoFar: history.text }
  }

  async #appendText(text: string): Promise<void> {
    await this.#writer.append({ type: 'delta', text })
    this.#digest.add(text)
  }

  async #end(done: DoneEvent): Promise<void> {
    const { finish, sources, usage } = done
    const { chars } = this.#digest
    await this.#writer.append({ type: 'end', finish, chars, sha256: this.#digest.hex(), sources, usage })
  }

  /** Waits as long as the provider asked for; false when there is no point in another attempt. */
  async #mayTryAgain(failure: GenerateError): Promise<boolean> {
    if (!failure.retryable || this.#attempts >= this.#parts.attemptsMax) return false
    const waitMs = failure.retryAfterMs ?? backoffMs(this.#attempts - 1, RETRY_WAIT_MS, RETRY_WAIT_MS_MAX)
    if (waitMs > RETRY_WAIT_MS_MAX) return false
    await pause(waitMs, this.#control.signal)
    return true
  }

  async #fail(failure: GenerateError): Promise<void> {
    const { code, retryAfterMs } = failure
    const message = failure.message.slice(0, MESSAGE_CHARS_MAX)
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)) }
    await this.#writer.append({ type: 'error', code, message, ...wait })
  }

  /** The store went back in time: take the log as it is now, unless it is closed or another's. */
  async #resynchronise(): Promise<void> {
    const history = await readHistory(this.#parts.log)
    if (history === undefined) throw new Halt('gone', 'The answer has expired or was deleted')
    const { last } = history
    if (isClosing(last) || last.epoch > this.#epoch) throw new Halt('fenced', `Entry ${last.id} is another's`)
    this.#writer.moveTo({ id: last.id, seq: last.seq, epoch: this.#epoch })
    this.#digest.reset()
    this.#digest.add(history.text)
  }

  /** Reads the own answer, so that a stop or a takeover ends even a silent model. Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#control
    const { log, hub, slotGroup } = this.#parts
    while (!signal.aborted) {
      try {
        const batches = followLog({ log, hub, slotGroup }, this.#writer.position, signal)
        for await (const batch of batches) batch.entries.forEach((entry) => this.#look(entry))
        return // The answer is closed.
      } catch (error) {
        if (error instanceof RelayError && error.code === 'NOT_FOUND') this.#halt('gone', 'The answer has expired')
        await pause(300, signal).catch(() => undefined) // Aborted: the loop ends.
      }
    }
  }

  #look(entry: AnswerEntry): void {
    if (entry.type === 'stopped') this.#halt('fenced', 'The answer was stopped')
    else if (entry.epoch > this.#epoch) this.#halt('fenced', `Taken over under epoch ${entry.epoch}`)
  }

  #halt(reason: HaltReason, message: string): void {
    if (!this.#control.signal.aborted) this.#control.abort(new Halt(reason, message))
  }
}

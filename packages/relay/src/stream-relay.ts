/**
 * The relay over a Backend.
 *
 *   ask ──► owner's index (quota) ──► answer: question ──► questions: job
 *                                                             │ group 'workers'
 *   work ──► worker ──► JobHandler ──► Producer ──► answer: start, delta, delta, … end
 *                                                             │
 *   follow ◄── followLog ◄── ReaderHub ◄──────────────────────┘
 */
import type { Backend, EntryId } from 'millrace'
import { AnswerKeys } from './answer-keys.ts'
import { AnswerLog } from './answer-log.ts'
import { checkOwner, checkRequest } from './ask-request.ts'
import type { AnswerSummary } from './entry.ts'
import { BEFORE_ALL, isEntryId } from './entry-id.ts'
import { type Cursor, type FollowBatch, followLog } from './follower.ts'
import type { LanguageModel } from './generate.ts'
import { OwnerIndex } from './owner-index.ts'
import { Questions } from './questions.ts'
import { QuestionDesk } from './question-desk.ts'
import { QuestionWorker } from './question-worker.ts'
import { ReaderHub } from './reader-hub.ts'
import { pause } from './pause.ts'
import { closedError, notFound, RelayError } from './relay-error.ts'
import type { AnswerInfo, AskRequest, QuestionsInfo, Relay, RelayOptions } from './relay.ts'
import { type Settings, settingsFrom, within } from './settings.ts'
import { stopAnswer } from './stop.ts'
import { isClosing, stateOf } from './text.ts'

const GRACE_MS = 10_000
const GRACE_MS_MAX = 86_400_000
const LISTED = 50
const LISTED_MAX = 200
const BLOCK_MS = 5000
/** How long closing waits for its followers to take what is left. */
const LAST_PAGES_MS = 1000

/** Makes a relay; the backend stays the caller's, to be closed after the relay. */
export function createRelay(backend: Backend, options: RelayOptions): Relay {
  return new StreamRelay(backend, settingsFrom(options))
}

class StreamRelay implements Relay {
  readonly #backend: Backend
  readonly #settings: Settings
  readonly #keys: AnswerKeys
  readonly #hub: ReaderHub
  readonly #index: OwnerIndex
  readonly #questions: Questions
  readonly #desk: QuestionDesk
  readonly #watching = new Map<string, number>()
  #worker: QuestionWorker | undefined
  #closing: Promise<void> | undefined

  constructor(backend: Backend, settings: Settings) {
    const { prefix, retentionMs, perMinuteMax, unfinishedMax } = settings
    // Expiry is noticed well within the life of an answer.
    const checkMs = Math.min(BLOCK_MS, Math.max(50, Math.floor(retentionMs / 2)))
    this.#backend = backend
    this.#settings = settings
    this.#keys = new AnswerKeys(prefix, backend.kind)
    this.#hub = new ReaderHub(backend, { blockMs: checkMs, checkMs })
    this.#questions = new Questions(backend, this.#keys.questions)
    this.#index = new OwnerIndex(backend, {
      retentionMs,
      perMinuteMax,
      unfinishedMax,
      streamOf: (owner) => this.#keys.session(owner),
      logOf: (answer) => this.#log(answer),
    })
    this.#desk = new QuestionDesk(this.#index, this.#questions)
  }

  async ask(owner: string, request: AskRequest): Promise<{ readonly answer: string; readonly created: boolean }> {
    this.#throwIfClosing()
    checkOwner(owner)
    checkRequest(request)
    const answer = this.#keys.answerId(owner, request.requestId)
    return await this.#desk.ask({ owner, answer, log: this.#log(answer) }, request)
  }

  async *follow(
    owner: string,
    answer: string,
    options: { readonly after?: EntryId; readonly signal: AbortSignal },
  ): AsyncGenerator<FollowBatch> {
    const { after = BEFORE_ALL, signal } = options
    this.#throwIfClosing()
    signal.throwIfAborted()
    if (!isEntryId(after))
      throw new RelayError('BAD_REQUEST', `after: expected an entry ID, got '${String(after).slice(0, 60)}'`)
    const log = await this.#owned(owner, answer)
    const { cursor, closed } = await cursorAt(log, after)
    if (closed) return yield { entries: [], caughtUp: true }
    this.#count(log.stream, 1)
    try {
      yield* followLog({ log, hub: this.#hub, slotGroup: this.#keys.slotGroup(answer) }, cursor, signal)
    } finally {
      this.#count(log.stream, -1)
    }
  }

  async stop(owner: string, answer: string): Promise<{ readonly stopped: boolean }> {
    this.#throwIfClosing()
    const log = await this.#owned(owner, answer)
    return { stopped: await stopAnswer(log) }
  }

  async list(owner: string, count: number = LISTED): Promise<readonly AnswerSummary[]> {
    this.#throwIfClosing()
    checkOwner(owner)
    if (!Number.isInteger(count) || count < 1 || count > LISTED_MAX) {
      throw new RelayError('BAD_REQUEST', `count: expected a whole number from 1 to ${LISTED_MAX}, got ${count}`)
    }
    const indexed = await this.#index.newest(owner, count)
    const summaries = await Promise.all(indexed.map(({ answer, askedAtMs }) => this.#summary(answer, askedAtMs)))
    return summaries.filter((summary) => summary !== undefined)
  }

  async inspect(owner: string, answer: string): Promise<AnswerInfo> {
    this.#throwIfClosing()
    const { stream } = await this.#owned(owner, answer)
    const info = await this.#backend.inspect(stream)
    if (info === undefined) throw notFound()
    const { length, memoryBytes, ttlMs, lastId } = info
    return { stream, length, memoryBytes, ttlMs, lastId, watching: this.#watching.get(stream) ?? 0 }
  }

  async inspectQuestions(): Promise<QuestionsInfo> {
    this.#throwIfClosing()
    return await this.#questions.inspect()
  }

  work(model: LanguageModel): void {
    this.#throwIfClosing()
    if (this.#worker !== undefined) throw new RelayError('BAD_REQUEST', 'work() was called before')
    const parts = {
      ...this.#settings,
      hub: this.#hub,
      questions: this.#questions,
      logOf: (answer: string) => this.#log(answer),
      slotGroupOf: (answer: string) => this.#keys.slotGroup(answer),
    }
    this.#worker = new QuestionWorker(this.#backend, parts, model)
  }

  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    const graceMs = within('graceMs', options.graceMs ?? GRACE_MS, 0, GRACE_MS_MAX)
    this.#closing ??= this.#close(graceMs)
    await this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    await this.#worker?.close(graceMs)
    await this.#hub.close()
    await this.#followersGone()
  }

  /** Followers hand out what the log still has for them; who is too slow for that goes on elsewhere. */
  async #followersGone(): Promise<void> {
    const deadline = Date.now() + LAST_PAGES_MS
    while (this.#watching.size > 0 && Date.now() < deadline) await pause(5)
  }

  #log(answer: string): AnswerLog {
    return new AnswerLog(this.#backend, this.#keys.stream(answer), this.#settings.retentionMs)
  }

  async #owned(owner: string, answer: string): Promise<AnswerLog> {
    checkOwner(owner)
    const log = this.#log(answer)
    const first = await log.first()
    if (first === undefined || first.logOnly.owner !== owner) throw notFound()
    return log
  }

  async #summary(answer: string, askedAtMs: number): Promise<AnswerSummary | undefined> {
    const log = this.#log(answer)
    const [first, last] = await Promise.all([log.first(), log.last()])
    if (first?.entry.type !== 'question' || last === undefined) return undefined
    const { topic, question } = first.entry
    return { answer, topic, question, askedAtMs, state: stateOf(last) }
  }

  #count(stream: string, change: 1 | -1): void {
    const count = (this.#watching.get(stream) ?? 0) + change
    if (count > 0) this.#watching.set(stream, count)
    else this.#watching.delete(stream)
  }

  #throwIfClosing(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

/** Where a reader that has everything up to `after` stands. */
async function cursorAt(
  log: AnswerLog,
  after: EntryId,
): Promise<{ readonly cursor: Cursor; readonly closed: boolean }> {
  if (after === BEFORE_ALL) return { cursor: { id: after, seq: -1 }, closed: false }
  const entry = await log.at(after)
  if (entry !== undefined) return { cursor: entry, closed: isClosing(entry) }
  const message = `after: the answer has no entry ${after}; follow from its first entry`
  throw new RelayError('BAD_REQUEST', message)
}

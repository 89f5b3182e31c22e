/**
 * What the page knows, and what it does with it: one open answer that is followed, the list of this browser's
 * questions, a question that is being asked, and the figures of the streams.
 *
 *   socket ──entries──► AnswerLog ──view()──► PageState ──subscribe()──► React
 *                                     at most 30 times a second
 *
 * Entries change logs at once; React hears of it in commits, which come slower when drawing takes long.
 */
import { AnswerLog, idMs, type AnswerView } from './answer-log.ts'
import { askStreaming, askWhole, findWhole } from './asking.ts'
import {
  recallComparison,
  recallWholeAnswers,
  rememberComparison,
  withWholeAnswer,
  type Comparison,
  type WholeAnswers,
} from './comparison.ts'
import { Connection, type ConnectionState } from './connection.ts'
import { Followed } from './followed.ts'
import { newRequestId } from './proof.ts'
import {
  decodeHello,
  decodeInspection,
  decodeList,
  type Hello,
  type Inspection,
  type Summary,
  type WireError,
} from './wire.ts'

export interface Asking {
  readonly question: string
  readonly whole: boolean
  readonly sinceMs: number
}

export interface PageState {
  readonly connection: ConnectionState
  readonly hello: Hello | undefined
  readonly history: readonly Summary[] | undefined
  readonly open: AnswerView | undefined
  readonly asking: Asking | undefined
  /** Why the last question was not taken. */
  readonly refusal: (WireError & { readonly atMs: number; readonly question: string }) | undefined
  readonly inspection: Inspection | undefined
  readonly comparison: Comparison
  readonly wholeAnswers: WholeAnswers
  readonly stopping: boolean
  /** Server's clock minus ours. */
  readonly skewMs: number
}

const COMMIT_MS = 33
const COMMIT_MS_MAX = 1000
const POLL_MS = 1000
const HISTORY_MS = 3000
const HISTORY_COUNT = 100
const STREAMS_COUNT = 12

export class Client {
  readonly #connection: Connection
  readonly #navigate: (answer: string | undefined) => void
  readonly #followed: Followed
  readonly #logs = new Map<string, AnswerLog>()
  readonly #listeners = new Set<() => void>()
  #state: PageState
  #commitTimer: ReturnType<typeof setTimeout> | undefined
  #commitMs = COMMIT_MS
  #historyAtMs = 0
  #aborter: AbortController | undefined

  constructor(backend: string, navigate: (answer: string | undefined) => void) {
    this.#navigate = navigate
    this.#connection = new Connection(backend, {
      state: (connection) => this.#set({ connection }),
      up: () => this.#onUp(),
      hello: (payload) => this.#onHello(payload),
      entry: (payload) => this.#followed.take(payload),
      followEnded: (payload) => this.#followed.ended(payload),
    })
    this.#followed = new Followed(this.#connection, {
      changed: () => this.#touch(),
      closed: (log) => this.#onClosed(log),
    })
    this.#state = {
      connection: { kind: 'connecting', attempt: 0 },
      hello: undefined,
      history: undefined,
      open: undefined,
      asking: undefined,
      refusal: undefined,
      inspection: undefined,
      comparison: recallComparison(),
      wholeAnswers: recallWholeAnswers(),
      stopping: false,
      skewMs: 0,
    }
  }

  get backend(): string {
    return this.#connection.backend
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly snapshot = (): PageState => this.#state

  async start(): Promise<void> {
    setInterval(() => void this.#poll(), POLL_MS)
    await this.#connection.start()
  }

  /** Shows an answer and follows it from what is known of it; `undefined`: the empty page. */
  open(answer: string | undefined): void {
    if (answer === this.#followed.log?.answer) return
    const log = answer === undefined ? undefined : this.#logOf(answer)
    this.#followed.open(log)
    const { inspection } = this.#state
    this.#set({
      open: log?.view(this.#nowMs()),
      inspection: inspection && { ...inspection, stream: undefined },
      refusal: undefined,
      stopping: false,
    })
    void this.#poll()
  }

  #logOf(answer: string): AnswerLog {
    const question = this.#state.history?.find((each) => each.answer === answer)?.question
    const log = this.#logs.get(answer) ?? new AnswerLog(answer, question)
    this.#keep(log)
    return log
  }

  /** The newest dozen stay in memory; older ones are read from their stream again. */
  #keep(log: AnswerLog): void {
    this.#logs.delete(log.answer)
    this.#logs.set(log.answer, log)
    for (const answer of this.#logs.keys()) {
      if (this.#logs.size <= STREAMS_COUNT) return
      this.#logs.delete(answer)
    }
  }

  async ask(topic: string, question: string, whole: boolean): Promise<void> {
    // One at a time; but who has gone on to another answer meanwhile doesn't wait for the first.
    if (this.#state.asking !== undefined && this.#followed.log === undefined) return
    const asking = { question, whole, sinceMs: Date.now() }
    this.#set({ asking, refusal: undefined, stopping: false })
    const before = this.#followed.log?.answer
    this.#followed.open(undefined)
    const request = { requestId: newRequestId(), topic, question }
    const aborter = new AbortController()
    this.#aborter = aborter
    const outcome = await (whole ? askWhole : askStreaming)(this.#connection, request, aborter.signal)
    const isLatest = this.#state.asking === asking
    // Unless the reader has gone on to another answer, or another question, meanwhile.
    const isAwaited = isLatest && this.#followed.log === undefined
    if (isLatest) this.#set({ asking: undefined })
    if (outcome.kind === 'refused') {
      if (isAwaited) this.open(before)
      this.#set({ refusal: { ...outcome.error, atMs: Date.now(), question } })
      return
    }
    if (outcome.wholeMs !== undefined) this.#measureWhole(outcome.answer, outcome.wholeMs)
    this.#keep(this.#logs.get(outcome.answer) ?? new AnswerLog(outcome.answer, question))
    if (isAwaited) {
      this.#navigate(outcome.answer)
      this.open(outcome.answer)
    }
    // Stopped on its way: the server had taken it all the same.
    if (aborter.signal.aborted) void this.#stopAnswer(outcome.answer)
    void this.refreshHistory()
  }

  #measureWhole(answer: string, wholeMs: number): void {
    const comparison = { ...this.#state.comparison, wholeMs }
    rememberComparison(comparison)
    this.#set({ comparison, wholeAnswers: withWholeAnswer(this.#state.wholeAnswers, answer, wholeMs) })
  }

  /** Ends the open answer, or the one that is being waited for, wherever it is produced. */
  async stop(): Promise<void> {
    const { asking, stopping } = this.#state
    if (stopping) return
    this.#set({ stopping: true })
    const open = this.#followed.log?.answer
    const answer = open ?? (asking?.whole === true ? await findWhole(this.#connection, asking) : undefined)
    if (answer === undefined) this.#aborter?.abort()
    else await this.#stopAnswer(answer)
    this.#set({ stopping: false })
  }

  async #stopAnswer(answer: string): Promise<void> {
    const reply = await this.#connection.call('stop', { answer })
    if (reply.ok || reply.error.code === 'NOT_FOUND') return
    // No socket at the moment: the same by HTTP, which may get through.
    const url = `${this.backend}/api/answers/${encodeURIComponent(answer)}/stop`
    const init = { method: 'POST', credentials: 'include', signal: AbortSignal.timeout(5000) } as const
    const response = await fetch(url, init).catch(() => undefined)
    if (response?.ok !== true) this.#followed.trouble(reply.error)
  }

  dismissRefusal(): void {
    this.#set({ refusal: undefined })
  }

  async refreshHistory(): Promise<void> {
    this.#historyAtMs = Date.now()
    const reply = await this.#connection.call('list', { count: HISTORY_COUNT })
    if (reply.ok) this.#set({ history: decodeList(reply.payload) })
  }

  #onUp(): void {
    this.#followed.resume()
    void this.refreshHistory()
    void this.#poll()
  }

  #onHello(payload: unknown): void {
    const hello = decodeHello(payload)
    this.#set({ hello, ...this.#clock(hello.nowMs) })
  }

  #clock(nowMs: number | undefined): { skewMs?: number } {
    return nowMs === undefined ? {} : { skewMs: nowMs - Date.now() }
  }

  #onClosed(log: AnswerLog): void {
    void this.refreshHistory()
    this.#set({ stopping: false })
    const { firstMs, totalMs, state } = log.view(this.#nowMs())
    const isStreamed = this.#state.wholeAnswers[log.answer] === undefined
    const isNew = log.lastId !== undefined && this.#nowMs() - idMs(log.lastId) < 10_000
    if (state !== 'done' || firstMs === undefined || totalMs === undefined || !isStreamed || !isNew) return
    const comparison = { ...this.#state.comparison, streamed: { firstMs, totalMs } }
    rememberComparison(comparison)
    this.#set({ comparison })
  }

  /** Once a second, while somebody can see it. */
  async #poll(): Promise<void> {
    if (document.visibilityState !== 'visible' || !this.#connection.connected) return
    const runs = this.#state.history?.some((each) => each.state === 'waiting' || each.state === 'streaming')
    if (runs === true && Date.now() - this.#historyAtMs > HISTORY_MS) void this.refreshHistory()
    const answer = this.#followed.log?.answer
    const known = answer !== undefined && this.#followed.log?.trouble === undefined
    const reply = await this.#connection.call('inspect', known ? { answer } : {}, 3000)
    if (!reply.ok || this.#followed.log?.answer !== answer) return
    const inspection = decodeInspection(reply.payload)
    this.#set({ inspection, ...this.#clock(inspection.nowMs) })
  }

  #nowMs(): number {
    return Date.now() + this.#state.skewMs
  }

  #set(change: Partial<PageState>): void {
    this.#state = { ...this.#state, ...change }
    this.#touch()
  }

  #touch(): void {
    if (this.#commitTimer !== undefined) return
    this.#commitTimer = setTimeout(() => this.#commit(), this.#commitMs)
  }

  #commit(): void {
    this.#commitTimer = undefined
    const open = this.#followed.log?.view(this.#nowMs())
    this.#state = { ...this.#state, open }
    const beganAt = performance.now()
    for (const listener of this.#listeners) listener()
    // React draws before the next timer: what it took says how soon the next commit may come.
    setTimeout(() => {
      const tookMs = performance.now() - beganAt
      this.#commitMs = Math.min(Math.max(COMMIT_MS, tookMs * 2), COMMIT_MS_MAX)
    }, 0)
  }
}

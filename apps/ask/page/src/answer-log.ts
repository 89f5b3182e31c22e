/**
 * One answer, rebuilt from its entries. The sequence number says where an entry belongs:
 *
 *   last seq 7   comes 8        applied
 *                comes 7 or 5   repeated, ignored (an overlap after a reconnect)
 *                comes 10       gap: nothing is taken, the reader follows again behind entry 7
 *                comes 6 with an ID above the last one
 *                               diverged: the stream was rewritten (a failover lost its tail), read it anew
 *
 * `end`, `error` and `stopped` close the answer; what would follow is ignored.
 */
import { nextText } from '@millrace/relay/text'
import { RateSeries, tokensIn, type RatePoint } from './rate.ts'
import type { AnswerState, Entry, Source, WireError } from './wire.ts'

export type Applied = 'applied' | 'repeated' | 'gap' | 'diverged'

/** One line of the inspector. */
export interface Row {
  readonly id: string
  readonly seq: number
  readonly type: string
  readonly text: string
  readonly bytes: number
  readonly atMs: number
  /** Came while somebody was looking, not out of the log. */
  readonly live: boolean
}

export interface Interruption {
  readonly id: string
  readonly reason: string
  readonly after: string
  readonly gapMs: number
  readonly keep: number
  readonly epoch: number
  readonly sameServer: boolean
}

export interface AnswerView {
  readonly answer: string
  readonly question: string
  readonly topic: string
  readonly askedAtMs: number | undefined
  readonly state: AnswerState
  readonly text: string
  /** How often the text was cut back: whoever keeps parsed parts of it begins anew when this changes. */
  readonly cuts: number
  readonly lastId: string | undefined
  readonly entries: number
  readonly firstMs: number | undefined
  readonly totalMs: number | undefined
  readonly tokens: number
  readonly tokensCounted: boolean
  readonly tokensPerSecond: number | undefined
  readonly rows: readonly Row[]
  readonly rate: readonly RatePoint[]
  readonly interruptions: readonly Interruption[]
  readonly finish: string | undefined
  readonly sources: readonly Source[]
  readonly error: (WireError & { readonly atMs: number }) | undefined
  readonly model: string | undefined
  readonly caughtUp: boolean
  readonly proof: Proof
  readonly trouble: WireError | undefined
}

/** Whether the text on the page is what the stream says it is. */
export type Proof = 'none' | 'verified' | 'differs'

export const ROWS_MAX = 300
const INTERRUPTIONS_MAX = 20
const ROW_TEXT_MAX = 80

/** Every reader's rule. What the decoder here leaves open (any ID, any reason) has no part in it. */
const textAfter = nextText as (text: string, entry: Entry) => string

const encoder = new TextEncoder()

export class AnswerLog {
  readonly answer: string
  #question: string
  #topic = ''
  #text = ''
  #cuts = 0
  #lastSeq = -1
  #lastId: string | undefined
  #askedAtMs: number | undefined
  #firstAtMs: number | undefined
  #lastTextAtMs: number | undefined
  #closedAtMs: number | undefined
  #state: AnswerState = 'waiting'
  #rows: Row[] = []
  #interruptions: readonly Interruption[] = []
  #series = new RateSeries()
  #tokens = 0
  #tokensCounted = false
  #end: { readonly finish: string; readonly chars: number; readonly sha256: string } | undefined
  #sources: readonly Source[] = []
  #error: AnswerView['error']
  #model: string | undefined
  #server: string | undefined
  caughtUp = false
  proof: Proof = 'none'
  /** Why the answer cannot be read, when it can't. */
  trouble: WireError | undefined

  constructor(answer: string, question = '') {
    this.answer = answer
    this.#question = question
  }

  /** As if nothing had been read yet. */
  reset(): void {
    this.#text = ''
    this.#cuts += 1
    this.#lastSeq = -1
    this.#lastId = undefined
    this.#askedAtMs = undefined
    this.#firstAtMs = undefined
    this.#lastTextAtMs = undefined
    this.#closedAtMs = undefined
    this.#state = 'waiting'
    this.#rows = []
    this.#interruptions = []
    this.#series = new RateSeries()
    this.#tokens = 0
    this.#tokensCounted = false
    this.#end = undefined
    this.#error = undefined
    this.#sources = []
    this.caughtUp = false
    this.proof = 'none'
  }

  get lastId(): string | undefined {
    return this.#lastId
  }

  get closed(): boolean {
    return this.#closedAtMs !== undefined
  }

  get text(): string {
    return this.#text
  }

  /** What `end` said the text should be. */
  get expected(): { readonly chars: number; readonly sha256: string } | undefined {
    return this.#end
  }

  apply(entry: Entry, live: boolean): Applied {
    if (this.closed) return 'repeated'
    const isNewer = this.#lastId === undefined || compareIds(entry.id, this.#lastId) > 0
    if (entry.seq <= this.#lastSeq) return isNewer ? 'diverged' : 'repeated'
    if (entry.seq > this.#lastSeq + 1) return 'gap'
    if (!isNewer) return 'diverged'
    this.#lastSeq = entry.seq
    this.#lastId = entry.id
    this.#take(entry, idMs(entry.id))
    this.#addRow(entry, live)
    return 'applied'
  }

  #take(entry: Entry, atMs: number): void {
    switch (entry.type) {
      case 'question':
        this.#question = entry.question
        this.#topic = entry.topic
        this.#askedAtMs = atMs
        return
      case 'start':
        this.#model = entry.model
        this.#server = entry.server
        this.#state = 'streaming'
        return
      case 'delta':
        this.#takeDelta(entry, atMs)
        return
      case 'restarted':
        this.#takeRestart(entry)
        return
      case 'end':
        this.#end = entry
        this.#sources = entry.sources
        if (entry.outputTokens !== undefined && entry.outputTokens > 0) {
          this.#tokens = entry.outputTokens
          this.#tokensCounted = true
        }
        this.#close('done', atMs)
        return
      case 'error':
        this.#error = { ...entry, atMs }
        this.#close('failed', atMs)
        return
      case 'stopped':
        this.#close('stopped', atMs)
        return
      case 'unknown':
        return
      default:
        entry satisfies never
    }
  }

  #takeDelta(entry: Extract<Entry, { type: 'delta' }>, atMs: number): void {
    const { text } = entry
    this.#text = textAfter(this.#text, entry)
    this.#state = 'streaming'
    if (text === '') return
    this.#firstAtMs ??= atMs
    this.#lastTextAtMs = atMs
    const tokens = tokensIn(text)
    this.#tokens += tokens
    this.#series.add(atMs, tokens)
  }

  #takeRestart(entry: Extract<Entry, { type: 'restarted' }>): void {
    const { id, reason, after, gapMs, keep, epoch } = entry
    const sameServer = entry.server !== '' && entry.server === this.#server
    const interruption = { id, reason, after, gapMs, keep, epoch, sameServer }
    this.#interruptions = [...this.#interruptions, interruption].slice(-INTERRUPTIONS_MAX)
    if (keep < this.#text.length) {
      this.#text = textAfter(this.#text, entry)
      this.#tokens = tokensIn(this.#text)
      this.#cuts += 1
    }
    this.#model = entry.model
    this.#server = entry.server
    this.#state = 'streaming'
  }

  #close(state: AnswerState, atMs: number): void {
    this.#state = state
    this.#closedAtMs = atMs
  }

  #addRow(entry: Entry, live: boolean): void {
    const text = describe(entry)
    const bytes = encoder.encode(text).length
    const type = entry.type === 'unknown' ? entry.name : entry.type
    const { id, seq } = entry
    this.#rows.push({
      id,
      seq,
      type,
      text: text.slice(0, ROW_TEXT_MAX).replaceAll('\n', '⏎'),
      bytes,
      atMs: idMs(id),
      live,
    })
    // Cut in strides, so that a long answer doesn't move 300 rows for each entry.
    if (this.#rows.length >= ROWS_MAX * 2) this.#rows = this.#rows.slice(-ROWS_MAX)
  }

  /** `nowMs` is the server's clock as far as it is known. */
  view(nowMs: number): AnswerView {
    return {
      answer: this.answer,
      question: this.#question,
      topic: this.#topic,
      askedAtMs: this.#askedAtMs,
      state: this.#state,
      text: this.#text,
      cuts: this.#cuts,
      lastId: this.#lastId,
      entries: this.#lastSeq + 1,
      firstMs: span(this.#askedAtMs, this.#firstAtMs),
      totalMs: span(this.#askedAtMs, this.#closedAtMs),
      tokens: this.#tokens,
      tokensCounted: this.#tokensCounted,
      tokensPerSecond: this.#tokensPerSecond(nowMs),
      rows: this.#rows.slice(-ROWS_MAX),
      rate: this.#series.points(),
      interruptions: this.#interruptions,
      finish: this.#end?.finish,
      sources: this.#sources,
      error: this.#error,
      model: this.#model,
      caughtUp: this.caughtUp,
      proof: this.proof,
      trouble: this.trouble,
    }
  }

  /** While it streams: over the last two seconds. Afterwards: over the whole. */
  #tokensPerSecond(nowMs: number): number | undefined {
    if (!this.closed) return this.#series.recent(nowMs)
    const ms = span(this.#firstAtMs, this.#lastTextAtMs)
    return ms === undefined || ms < 50 ? undefined : (this.#tokens * 1000) / ms
  }
}

/** What the inspector shows of an entry. */
export function describe(entry: Entry): string {
  switch (entry.type) {
    case 'question':
      return entry.question
    case 'start':
      return `attempt ${entry.epoch}, ${entry.server}`
    case 'delta':
      return entry.text
    case 'restarted':
      return `attempt ${entry.epoch}, ${entry.server}, keeps ${entry.keep}`
    case 'end':
      return `${entry.finish}, ${entry.chars} characters`
    case 'error':
      return entry.code
    case 'stopped':
      return `${entry.chars} characters`
    default:
      return ''
  }
}

/** The time in an entry's ID. */
export function idMs(id: string): number {
  return Number(id.slice(0, Math.max(0, id.indexOf('-'))))
}

/** IDs are 64-bit pairs, so they are compared as decimals of any length, not as numbers. */
export function compareIds(a: string, b: string): number {
  const [aMs = '', aSeq = ''] = a.split('-')
  const [bMs = '', bSeq = ''] = b.split('-')
  return compareDecimals(aMs, bMs) || compareDecimals(aSeq, bSeq)
}

function compareDecimals(a: string, b: string): number {
  const difference = BigInt(a || 0) - BigInt(b || 0)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function span(fromMs: number | undefined, toMs: number | undefined): number | undefined {
  return fromMs === undefined || toMs === undefined ? undefined : Math.max(0, toMs - fromMs)
}

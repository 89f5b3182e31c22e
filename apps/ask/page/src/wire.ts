/**
 * What comes over the wire (docs/wire.md), read defensively: a decoder never throws, and gives `undefined` or a
 * harmless value for what isn't of the stated shape. An entry of a type that this page doesn't know keeps its
 * place in the sequence and is otherwise ignored.
 */

export interface WireError {
  readonly code: string
  readonly message: string
  readonly retryAfterMs?: number
}

export interface Source {
  readonly title: string
  readonly href: string
}

export type EntryBody =
  | { readonly type: 'question'; readonly topic: string; readonly question: string }
  | { readonly type: 'start'; readonly server: string; readonly model: string }
  | { readonly type: 'delta'; readonly text: string }
  | {
      readonly type: 'restarted'
      readonly server: string
      readonly model: string
      readonly keep: number
      readonly reason: string
      readonly after: string
      readonly gapMs: number
    }
  | {
      readonly type: 'end'
      readonly finish: string
      readonly chars: number
      readonly sha256: string
      readonly sources: readonly Source[]
      readonly outputTokens: number | undefined
    }
  | { readonly type: 'error'; readonly code: string; readonly message: string; readonly retryAfterMs?: number }
  | { readonly type: 'stopped'; readonly chars: number }
  | { readonly type: 'unknown'; readonly name: string }

export type Entry = EntryBody & { readonly id: string; readonly seq: number; readonly epoch: number }

export type AnswerState = 'waiting' | 'streaming' | 'done' | 'failed' | 'stopped'

export interface Summary {
  readonly answer: string
  readonly question: string
  readonly askedAtMs: number
  readonly state: AnswerState
}

export interface Hello {
  readonly server: string
  readonly backend: string
  readonly model: { readonly label: string; readonly kind: string }
  readonly topics: readonly string[]
  readonly questionBytesMax: number
  readonly retentionMs: number
  readonly nowMs: number | undefined
}

export interface Consumer {
  readonly name: string
  readonly pending: number
  readonly idleMs: number
  readonly state: 'live' | 'dead'
}

export interface Pending {
  readonly id: string
  readonly consumer: string
  readonly idleMs: number
  readonly deliveries: number
}

export interface StreamFigures {
  readonly stream: string
  readonly length: number
  readonly memoryBytes: number
  readonly ttlMs: number | undefined
  readonly lastId: string
  readonly watching: number
}

export interface Inspection {
  readonly nowMs: number | undefined
  readonly backend: { readonly label: string; readonly memoryBytes: number }
  readonly stream: StreamFigures | undefined
  readonly questions: {
    readonly stream: string
    readonly length: number
    readonly group: { readonly name: string; readonly pending: number; readonly lag: number | undefined } | undefined
    readonly consumers: readonly Consumer[]
    readonly pending: readonly Pending[]
  }
}

/** Lists from the wire are cut here, whatever came. */
const LIST_MAX = 200
const ENTRIES_MAX = 100_000
const ID = /^\d{1,20}-\d{1,20}$/
// On a Cluster an answer's id begins with its slot group: `a3.`.
const ANSWER = /^[A-Za-z0-9_.-]{1,64}$/

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function text(value: unknown, fallback = ''): string {
  return typeof value === 'string' ? value : fallback
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function list(value: unknown, max = LIST_MAX): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, max) : []
}

export function isAnswerId(value: unknown): value is string {
  return typeof value === 'string' && ANSWER.test(value)
}

export function decodeError(value: unknown): WireError {
  const from = fields(value)
  const retryAfterMs = count(from['retryAfterMs'])
  return {
    code: text(from['code'], 'INTERNAL'),
    message: text(from['message'], 'The server gave no reason.'),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** `undefined` when there is no ID or sequence number: such an entry has no place in the answer. */
export function decodeEntry(value: unknown): Entry | undefined {
  const from = fields(value)
  const { id, seq } = from
  if (typeof id !== 'string' || !ID.test(id)) return undefined
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return undefined
  return { ...decodeBody(from), id, seq, epoch: count(from['epoch']) ?? 0 }
}

function decodeBody(from: Fields): EntryBody {
  switch (from['type']) {
    case 'question':
      return { type: 'question', topic: text(from['topic']), question: text(from['question']) }
    case 'start':
      return { type: 'start', server: text(from['server']), model: text(from['model']) }
    case 'delta':
      return { type: 'delta', text: text(from['text']) }
    case 'restarted':
      return {
        type: 'restarted',
        server: text(from['server']),
        model: text(from['model']),
        keep: count(from['keep']) ?? 0,
        reason: text(from['reason'], 'server_lost'),
        after: text(from['after']),
        gapMs: count(from['gapMs']) ?? 0,
      }
    case 'end':
      return {
        type: 'end',
        finish: text(from['finish'], 'other'),
        chars: count(from['chars']) ?? 0,
        sha256: text(from['sha256']),
        sources: list(from['sources'], 20).flatMap(decodeSource),
        outputTokens: count(fields(from['usage'])['outputTokens']),
      }
    case 'error':
      return { type: 'error', ...decodeError({ code: 'internal', ...from }) }
    case 'stopped':
      return { type: 'stopped', chars: count(from['chars']) ?? 0 }
    default:
      return { type: 'unknown', name: text(from['type'], '?').slice(0, 20) }
  }
}

function decodeSource(value: unknown): Source[] {
  const { title, href } = fields(value)
  return typeof title === 'string' && typeof href === 'string' ? [{ title, href }] : []
}

export function decodeBatch(value: unknown): { answer: string; entries: readonly Entry[]; caughtUp: boolean } {
  const from = fields(value)
  const entries = list(from['entries'], ENTRIES_MAX).flatMap((each) => decodeEntry(each) ?? [])
  return { answer: text(from['answer']), entries, caughtUp: from['caughtUp'] === true }
}

export function decodeHello(value: unknown): Hello {
  const from = fields(value)
  const model = fields(from['model'])
  const limits = fields(from['limits'])
  const topics = list(from['topics'], 30).filter((each): each is string => typeof each === 'string')
  return {
    server: text(from['server']),
    backend: text(from['backend'], text(fields(from['backend'])['label'])),
    model: { label: text(model['label'], 'unknown model'), kind: text(model['kind']) },
    topics: topics.length > 0 ? topics : ['Redis'],
    questionBytesMax: count(limits['questionBytesMax']) ?? 16_384,
    retentionMs: count(limits['retentionMs']) ?? 86_400_000,
    nowMs: count(from['nowMs']),
  }
}

const STATES: readonly string[] = ['waiting', 'streaming', 'done', 'failed', 'stopped']

export function decodeList(value: unknown): readonly Summary[] {
  return list(fields(value)['answers']).flatMap((each) => {
    const { answer, question, askedAtMs, state } = fields(each)
    if (!isAnswerId(answer)) return []
    return [
      {
        answer,
        question: text(question).slice(0, 300),
        askedAtMs: count(askedAtMs) ?? 0,
        state: (STATES.includes(text(state)) ? state : 'done') as AnswerState,
      },
    ]
  })
}

export function decodeInspection(value: unknown): Inspection {
  const from = fields(value)
  const backend = fields(from['backend'])
  const questions = fields(from['questions'])
  return {
    nowMs: count(from['nowMs']),
    backend: { label: text(backend['label']), memoryBytes: count(backend['memoryBytes']) ?? 0 },
    stream: from['stream'] === undefined || from['stream'] === null ? undefined : decodeStream(fields(from['stream'])),
    questions: {
      stream: text(questions['stream']),
      length: count(questions['length']) ?? 0,
      group: decodeGroup(questions['group']),
      consumers: list(questions['consumers'], 50).map(decodeConsumer),
      pending: list(questions['pending'], 50).map(decodePending),
    },
  }
}

function decodeStream(from: Fields): StreamFigures {
  return {
    stream: text(from['stream']),
    length: count(from['length']) ?? 0,
    memoryBytes: count(from['memoryBytes']) ?? 0,
    ttlMs: count(from['ttlMs']),
    lastId: text(from['lastId']),
    watching: count(from['watching']) ?? 0,
  }
}

function decodeGroup(value: unknown): Inspection['questions']['group'] {
  const from = fields(value)
  if (typeof from['name'] !== 'string') return undefined
  return { name: from['name'], pending: count(from['pending']) ?? 0, lag: count(from['lag']) }
}

function decodeConsumer(value: unknown): Consumer {
  const from = fields(value)
  return {
    name: text(from['name'], '?'),
    pending: count(from['pending']) ?? 0,
    idleMs: count(from['idleMs']) ?? 0,
    state: from['state'] === 'dead' ? 'dead' : 'live',
  }
}

function decodePending(value: unknown): Pending {
  const from = fields(value)
  return {
    id: text(from['id'], '?'),
    consumer: text(from['consumer'], '?'),
    idleMs: count(from['idleMs']) ?? 0,
    deliveries: count(from['deliveries']) ?? 0,
  }
}

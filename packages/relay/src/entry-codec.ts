/**
 * An answer's entry <-> the fields of a stream's entry.
 *
 *   type delta │ seq 2 │ epoch 1 │ text "A consumer group "
 *   └ always, in this order ────┘ └ the type's own properties, one field each (SHAPES)
 *
 * Numbers are decimals, lists and objects JSON, an absent property is an absent field. Fields that a type
 * doesn't have are ignored, so a later version may add some.
 */
import { type Entry, type EntryId, StreamError } from 'millrace'
import type { AnswerBody, AnswerEntry, FailureCode, Source, Usage } from './entry.ts'
import { isEntryId } from './entry-id.ts'

/** What stays in the log and is given to no reader. */
export interface LogOnly {
  /** Whose answer it is; on the question. */
  readonly owner?: string
  /** The job that is worked on; on `start` and `restarted`. */
  readonly job?: string
  /** A random mark by which a producer knows its own entry; on `start` and `restarted`. */
  readonly by?: string
}

/** Something in an answer's log that is no entry of an answer. */
export class DamagedEntry extends StreamError {
  constructor(message: string) {
    super('BACKEND_ERROR', message)
    this.name = 'DamagedEntry'
  }
}

type Kind = 'text' | 'count' | 'count?' | 'id' | 'finish' | 'failure' | 'reason' | 'sources' | 'usage'

const SHAPES: Readonly<Record<AnswerBody['type'], Readonly<Record<string, Kind>>>> = {
  question: { topic: 'text', question: 'text' },
  start: { server: 'text', model: 'text' },
  delta: { text: 'text' },
  restarted: { server: 'text', model: 'text', keep: 'count', reason: 'reason', after: 'id', gapMs: 'count' },
  end: { finish: 'finish', chars: 'count', sha256: 'text', sources: 'sources', usage: 'usage' },
  error: { code: 'failure', message: 'text', retryAfterMs: 'count?' },
  stopped: { chars: 'count' },
}

const FAILURES: ReadonlySet<string> = new Set<FailureCode>([
  'auth',
  'rate_limit',
  'context_too_long',
  'content_filter',
  'timeout_connect',
  'timeout_first_token',
  'timeout_idle',
  'timeout_total',
  'provider_5xx',
  'provider_unreachable',
  'bad_request',
  'cut',
  'too_many_attempts',
  'internal',
])
const FINISHES: ReadonlySet<string> = new Set(['stop', 'length', 'other'])
const OUR_REASONS: ReadonlySet<string> = new Set(['server_lost', 'server_stopping'])

export function encodeEntry(
  body: AnswerBody,
  place: { readonly seq: number; readonly epoch: number },
  logOnly: LogOnly = {},
): string[] {
  const fields = ['type', body.type, 'seq', String(place.seq), 'epoch', String(place.epoch)]
  const values: Readonly<Record<string, unknown>> = { ...body }
  for (const [name, kind] of Object.entries(SHAPES[body.type])) {
    const value = values[name]
    if (value === undefined) continue
    fields.push(name, valueText(kind, value))
  }
  for (const [name, value] of Object.entries(logOnly)) fields.push(name, String(value))
  return fields
}

/** Throws for what would be damaged once it is in the log; for bodies whose parts come from outside. */
export function checkBody(body: AnswerBody): void {
  const values: Readonly<Record<string, unknown>> = { ...body }
  for (const [name, kind] of Object.entries(SHAPES[body.type])) {
    const value = values[name]
    if (value === undefined && kind.endsWith('?')) continue
    if (value !== undefined && decodeValue(kind, valueText(kind, value)) !== undefined) continue
    throw new TypeError(`${name}: expected ${EXPECTED[kind]}, got ${valueText('usage', value)}`)
  }
}

function valueText(kind: Kind, value: unknown): string {
  return kind === 'sources' || kind === 'usage' ? (JSON.stringify(value) ?? 'nothing') : String(value)
}

/** Throws `DamagedEntry` for what is no entry of an answer, naming the entry and the field. */
export function decodeEntry(entry: Entry): AnswerEntry {
  const fields = fieldsOf(entry)
  const type = fields.get('type') ?? ''
  const shape = Object.hasOwn(SHAPES, type) ? SHAPES[type as AnswerBody['type']] : undefined
  if (shape === undefined) throw damaged(entry.id, 'type', 'a type of the vocabulary', fields.get('type'))
  const decoded: Record<string, unknown> = { type, id: entry.id }
  const kinds: [string, Kind][] = [['seq', 'count'], ['epoch', 'count'], ...Object.entries(shape)]
  for (const [name, kind] of kinds) {
    const text = fields.get(name)
    if (text === undefined && kind.endsWith('?')) continue
    const value = text === undefined ? undefined : decodeValue(kind, text)
    if (value === undefined) throw damaged(entry.id, name, EXPECTED[kind], text)
    decoded[name] = value
  }
  return decoded as unknown as AnswerEntry
}

export function decodeLogOnly(entry: Entry): LogOnly {
  const fields = fieldsOf(entry)
  const decoded: { owner?: string; job?: string; by?: string } = {}
  for (const name of ['owner', 'job', 'by'] as const) {
    const value = fields.get(name)
    if (value !== undefined) decoded[name] = value
  }
  return decoded
}

/** True when the stored entry has exactly these fields. */
export function hasFields(entry: Entry, fields: readonly string[]): boolean {
  return (
    entry.fields.length === fields.length &&
    entry.fields.every((bytes, i) => Buffer.compare(bytes, Buffer.from(fields[i]!)) === 0)
  )
}

const EXPECTED: Readonly<Record<Kind, string>> = {
  text: 'a text',
  count: 'a whole number',
  'count?': 'a whole number',
  id: 'an entry ID',
  finish: 'stop, length or other',
  failure: 'a failure code',
  reason: 'a reason to restart',
  sources: 'a JSON list of {title, href}',
  usage: 'a JSON object of token counts',
}

function decodeValue(kind: Kind, text: string): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'count':
    case 'count?':
      return /^\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'id':
      return isEntryId(text) ? (text as EntryId) : undefined
    case 'finish':
      return FINISHES.has(text) ? text : undefined
    case 'failure':
      return FAILURES.has(text) ? text : undefined
    case 'reason':
      return FAILURES.has(text) || OUR_REASONS.has(text) ? text : undefined
    case 'sources':
      return sourcesFrom(parseJson(text))
    case 'usage':
      return usageFrom(parseJson(text))
  }
}

function sourcesFrom(value: unknown): readonly Source[] | undefined {
  if (!Array.isArray(value)) return undefined
  const sources: Source[] = []
  for (const item of value as unknown[]) {
    if (typeof item !== 'object' || item === null) return undefined
    const { title, href } = item as Record<string, unknown>
    if (typeof title !== 'string' || typeof href !== 'string') return undefined
    sources.push({ title, href })
  }
  return sources
}

function usageFrom(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const usage: { inputTokens?: number; outputTokens?: number } = {}
  for (const name of ['inputTokens', 'outputTokens'] as const) {
    const count = (value as Record<string, unknown>)[name]
    if (count === undefined) continue
    if (typeof count !== 'number') return undefined
    usage[name] = count
  }
  return usage
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not JSON: the caller names the field and what was expected.
  }
}

function fieldsOf(entry: Entry): Map<string, string> {
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < entry.fields.length; i += 2) fields.set(utf8(entry.fields[i]!), utf8(entry.fields[i + 1]!))
  return fields
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

function damaged(id: EntryId, field: string, expected: string, came: string | undefined): DamagedEntry {
  const got = came === undefined ? 'nothing' : `'${came.slice(0, 40)}'`
  return new DamagedEntry(`Entry ${id} is no entry of an answer: ${field}: expected ${expected}, got ${got}`)
}

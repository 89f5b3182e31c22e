/**
 * What clients may send: one schema for each payload of docs/wire.md, and one sentence for what was wrong.
 *
 *   unknown ──► schema ──► typed payload
 *                └──► BAD_REQUEST "`requestId`: expected 1 to 64 of A-Z a-z 0-9 _ -, came a number"
 *
 * Each schema's message is what was expected; what came is described by its kind and size, never quoted: it may be
 * somebody's question.
 */
import { z } from 'zod'
import type { EntryId } from 'millrace'
import { WireFailure } from './wire.ts'

export const questionBytesMax = 16 * 1024
export const listCountMax = 100
const u64Max = 2n ** 64n - 1n

const requestText = '1 to 64 of A-Z a-z 0-9 _ -'
const answerText = '1 to 64 of A-Z a-z 0-9 _ . -'
const offsetText = 'an entry ID <ms>-<seq>, both 64-bit'
const questionText = `text that is not empty, at most ${questionBytesMax} bytes of UTF-8`

const requestId = z.string(requestText).regex(/^[A-Za-z0-9_-]{1,64}$/, requestText)
// On a Cluster an answer's id begins with its slot group: `a3.`.
const answer = z.string(answerText).regex(/^[A-Za-z0-9_.-]{1,64}$/, answerText)
const offset = z
  .string(offsetText)
  .refine(isEntryId, offsetText)
  .transform((text) => text as EntryId)
const count = z
  .int(`a whole number from 1 to ${listCountMax}`)
  .min(1, `a whole number from 1 to ${listCountMax}`)
  .max(listCountMax, `a whole number from 1 to ${listCountMax}`)
const question = z.string(questionText).refine((text) => text.trim() !== '', questionText)

function object<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.object(shape, 'an object')
}

function topicOf(topics: readonly string[]) {
  const expected = `one of ${topics.map((topic) => JSON.stringify(topic)).join(', ')}`
  return z.string(expected).refine((topic) => topics.includes(topic), expected)
}

/** The schemas; `topics` is the list from which a client may choose. */
export function payloads(topics: readonly string[]) {
  const topic = topicOf(topics)
  return {
    ask: object({ requestId, topic, question }),
    askQuestion: object({ topic, topicQuestion: question }),
    follow: object({ answer, after: offset.optional() }),
    unfollow: object({ answer }),
    stop: object({ answer }),
    list: object({ count: count.optional() }),
    inspect: object({ answer: answer.optional() }),
  }
}

export type Payloads = ReturnType<typeof payloads>

/** The payload, or a `WireFailure` that names the field, what was expected and what came. */
export function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input)
  if (!result.success) throw failureOf(result.error.issues[0], input)
  refuseLongQuestion(result.data)
  return result.data
}

export function isEntryId(text: string): boolean {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(text)
  return match !== null && BigInt(match[1]!) <= u64Max && BigInt(match[2]!) <= u64Max
}

function failureOf(issue: z.core.$ZodIssue | undefined, input: unknown): WireFailure {
  const path = issue?.path ?? []
  const field = path.length === 0 ? 'the payload' : `\`${path.join('.')}\``
  const came = describe(valueAt(input, path))
  return new WireFailure('BAD_REQUEST', `${field}: expected ${issue?.message ?? 'something else'}, came ${came}`)
}

function refuseLongQuestion(payload: unknown): void {
  for (const name of ['question', 'topicQuestion'] as const) {
    const text = valueAt(payload, [name])
    if (typeof text !== 'string') continue
    const bytes = Buffer.byteLength(text)
    if (bytes > questionBytesMax) {
      throw new WireFailure('TOO_LARGE', `\`${name}\`: expected at most ${questionBytesMax} bytes, came ${bytes}`)
    }
  }
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

/** What a value is, without showing it. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string') return `text of ${value.length} characters`
  if (typeof value === 'number') return `the number ${value}`
  if (typeof value !== 'object') return `a ${typeof value}`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return `${value.byteLength} bytes of binary data`
  return 'an object'
}

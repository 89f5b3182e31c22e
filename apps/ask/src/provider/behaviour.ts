/**
 * What the provider does with one request, as data. It comes from, in this order:
 *
 *   1. the queue           `provider.next(behaviour)`, or POST /__behaviours from another process
 *   2. the question        a marker anywhere in it: `[[stall]]`, `[[429]]`, `[[{"tokens": 50, "tokensPerSecond": 20}]]`
 *   3. the provider's own  `startProvider({ behaviour })`
 *
 * Whatever is left out is the plain case: a seeded text at once, complete, with its finish and `[DONE]`.
 */
import { z } from 'zod'

/** No request is held longer than this, whatever its behaviour: a forgotten provider ends by itself. */
export const HOLD_MS_MAX = 15 * 60 * 1000
const TOKENS_MAX = 1_000_000

const ms = z.number().int().min(0).max(HOLD_MS_MAX)
const tokens = z.number().int().min(0).max(TOKENS_MAX)

const failureSchema = z.strictObject({
  status: z.number().int().min(400).max(599),
  code: z.string().max(100).optional(),
  type: z.string().max(100).optional(),
  message: z.string().max(10_000).optional(),
  /** Value of the `Retry-After` header: seconds or a date. */
  retryAfter: z.string().max(100).optional(),
})

export const behaviourSchema = z.strictObject({
  /** The text to stream; default: `seededText(seed, tokens)`. */
  text: z.string().max(1_000_000).optional(),
  seed: z.number().int().min(0).max(0xffffffff).optional(),
  tokens: tokens.optional(),
  /** From the request to the response's headers; `never`: the connection is accepted and nothing is answered. */
  headersMs: z.union([ms, z.literal('never')]).optional(),
  /** From the headers to the first token; `never`: only the role comes. */
  firstTokenMs: z.union([ms, z.literal('never')]).optional(),
  /** 0: as fast as possible. */
  tokensPerSecond: z.number().min(0).max(1_000_000).optional(),
  /** A silence of `ms` after so many tokens; without `ms` for ever. */
  stall: z.strictObject({ after: tokens, ms: ms.optional() }).optional(),
  /** Answer with this status and error instead. */
  failure: failureSchema.optional(),
  /** After so many tokens an error object comes in the stream. */
  errorAfter: tokens.optional(),
  /** After so many tokens a line comes that is not JSON. */
  malformedAfter: tokens.optional(),
  /** After so many tokens the socket is destroyed. */
  cutAfter: tokens.optional(),
  /** After so many bytes of the body the socket is destroyed. */
  cutAtByte: tokens.optional(),
  /** The text begins anew again and again. */
  endless: z.boolean().optional(),
  finish: z.enum(['stop', 'length', 'content_filter', 'tool_calls']).optional(),
  /** `no-done`: no `[DONE]`; `no-finish`: neither finish reason nor `[DONE]`; `open`: all of it, but the connection stays open. */
  ending: z.enum(['done', 'no-done', 'no-finish', 'open']).optional(),
  /** The body in pieces of so many bytes, each its own packet as far as the system allows. */
  splitBytes: z.number().int().min(1).max(65_536).optional(),
})

export type Behaviour = z.infer<typeof behaviourSchema>

export const presets = {
  '401': { failure: { status: 401, code: 'invalid_api_key', message: 'Incorrect API key provided: sk-abc***xyz.' } },
  '403': { failure: { status: 403, code: 'unsupported_country_region_territory' } },
  '404': { failure: { status: 404, code: 'model_not_found' } },
  '429': { failure: { status: 429, code: 'rate_limit_exceeded', retryAfter: '7' } },
  '429-quota': { failure: { status: 429, code: 'insufficient_quota', message: 'You exceeded your current quota.' } },
  '500': { failure: { status: 500, type: 'server_error' } },
  '503': { failure: { status: 503, type: 'server_error', message: 'The engine is overloaded.' } },
  context: {
    failure: {
      status: 400,
      code: 'context_length_exceeded',
      message: "This model's maximum context length is 8192 tokens.",
    },
  },
  filter: { tokens: 5, finish: 'content_filter' },
  cut: { cutAfter: 10 },
  'error-event': { errorAfter: 10 },
  malformed: { malformedAfter: 10 },
  'no-done': { ending: 'no-done' },
  'no-finish': { ending: 'no-finish' },
  endless: { endless: true, tokensPerSecond: 50 },
  silent: { headersMs: 'never' },
  'no-token': { firstTokenMs: 'never' },
  stall: { stall: { after: 10 } },
  slow: { firstTokenMs: 500, tokensPerSecond: 20, tokens: 200 },
} as const satisfies Record<string, Behaviour>

/** The behaviour that a question asks for by its marker, if it has one. */
export function markedBehaviour(question: string): Behaviour | undefined {
  const marker = /\[\[(.{1,2000}?)\]\](?!\])/s.exec(question)?.[1]?.trim()
  if (marker === undefined) return undefined
  if (Object.hasOwn(presets, marker)) return presets[marker as keyof typeof presets]
  if (!marker.startsWith('{')) return undefined
  return behaviourSchema.parse(JSON.parse(marker))
}

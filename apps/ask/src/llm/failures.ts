/**
 * What went wrong, from what LangChain and the clients below it throw, as a `GenerateError`.
 *
 * The libraries throw many shapes: `APIError` with status, headers and a body (openai), `ResponseError` with
 * `status_code` (ollama), plain errors with a name (LangChain's wrappers), `TypeError: fetch failed` and
 * `terminated` (fetch) with the socket's error as `cause`. They are read by their properties, since the classes
 * belong to packages below ours. The order of the questions is the order of what the provider knows best: its own
 * code, then the HTTP status, then the network.
 *
 * The messages are for people, and our own: a provider's text may quote the prompt or a part of the key.
 */
import { GenerateError, type FailureCode } from '@millrace/relay'

/** A provider that asks for more is asked again no later than in a day. */
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000

export function toGenerateError(error: unknown, begun: boolean): GenerateError {
  if (error instanceof GenerateError) return error
  const facts = readFacts(error)
  const code = codeOf(facts, begun)
  const retryAfterMs = code === 'rate_limit' || code === 'provider_5xx' ? retryAfterOf(facts) : undefined
  return new GenerateError(code, sentenceOf(code, facts, retryAfterMs), {
    retryable: isRetryable(code, facts),
    cause: error,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/** The answer ended without its finish: the connection was cut, or the server closed it early. */
export function cutError(cause?: unknown): GenerateError {
  return new GenerateError('cut', sentences.cut, { retryable: true, cause })
}

export function contentFilterError(): GenerateError {
  return new GenerateError('content_filter', sentences.content_filter, { retryable: false })
}

/** The provider ended the answer by saying that it failed. */
export function failedError(): GenerateError {
  return new GenerateError('provider_5xx', sentences.provider_5xx, { retryable: true })
}

interface Facts {
  readonly status: number | undefined
  /** The provider's own words for it: code, type and message, lower case. */
  readonly words: string
  readonly names: string
  readonly socketCodes: string
  readonly retryAfter: string | undefined
  readonly retryAfterMsHeader: string | undefined
  readonly message: string
  /** True for a body that could not be read as what it should be. */
  readonly malformed: boolean
}

function readFacts(error: unknown): Facts {
  const chain = causes(error)
  const texts = (key: string) => chain.map((link) => property(link, key)).filter((value) => typeof value === 'string')
  const numbers = [
    ...chain.map((link) => property(link, 'status')),
    ...chain.map((link) => property(link, 'status_code')),
  ]
  const bodies = chain.map((link) => property(link, 'error')).filter((body) => body !== undefined)
  const bodyTexts = bodies.flatMap((body) => [property(body, 'code'), property(body, 'type')])
  const headers = chain.map((link) => property(link, 'headers')).find((value) => value instanceof Headers)
  const message = texts('message').join(' ')
  return {
    status: numbers.find((value) => typeof value === 'number'),
    words: [...texts('code'), ...texts('type'), ...bodyTexts.filter((value) => typeof value === 'string'), message]
      .join(' ')
      .toLowerCase(),
    names: texts('name').join(' '),
    socketCodes: texts('code').join(' '),
    retryAfter: headers?.get('retry-after') ?? undefined,
    retryAfterMsHeader: headers?.get('retry-after-ms') ?? undefined,
    message,
    malformed: chain.some((link) => link instanceof SyntaxError),
  }
}

/** The error and what caused it, at most eight deep. */
function causes(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let link = error; link !== undefined && link !== null && chain.length < 8; link = property(link, 'cause')) {
    chain.push(link)
  }
  return chain
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

const contextWords =
  /context_length_exceeded|maximum context length|context window|exceed[a-z]* the (?:available )?context|input tokens exceed/
const filterWords = /content_filter|content_policy|responsibleaipolicy|content management policy/
const quotaWords =
  /insufficient_quota|insufficient balance|billing_hard_limit|credit balance|out of credits|exceeded your current quota/
const rateWords = /rate_limit|rate limit|too many requests/
const keyWords = /invalid_api_key|incorrect api key|authentication_error|invalid_organization/
const serverWords = /server_error|internal_error|overloaded|service_unavailable|unavailable/
const unreachableCodes =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|CERT_|DEPTH_ZERO|SELF_SIGNED|ERR_TLS|EPROTO|ERR_SSL/
const brokenCodes = /UND_ERR_SOCKET|ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE/

function codeOf(facts: Facts, begun: boolean): FailureCode {
  const { status, words } = facts
  if (contextWords.test(words) || status === 413) return 'context_too_long'
  if (filterWords.test(words)) return 'content_filter'
  if (status === 429 || status === 402 || quotaWords.test(words)) return 'rate_limit'
  if (status === 401 || status === 403 || (status === undefined && keyWords.test(words))) return 'auth'
  if (status !== undefined && status >= 500) return 'provider_5xx'
  if (status === 408 || status === 409 || status === 425) return 'provider_5xx'
  if (status !== undefined && status >= 400) return 'bad_request'
  if (rateWords.test(words)) return 'rate_limit'
  return networkCodeOf(facts, begun)
}

function networkCodeOf(facts: Facts, begun: boolean): FailureCode {
  const { words, names, socketCodes, message } = facts
  if (/UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT/.test(socketCodes)) return 'timeout_connect'
  if (/UND_ERR_HEADERS_TIMEOUT/.test(socketCodes)) return 'timeout_first_token'
  if (/UND_ERR_BODY_TIMEOUT/.test(socketCodes)) return 'timeout_idle'
  if (unreachableCodes.test(socketCodes)) return 'provider_unreachable'
  if (facts.malformed || serverWords.test(words)) return 'provider_5xx'
  if (begun || /did not receive done|terminated/i.test(message)) return 'cut'
  if (brokenCodes.test(socketCodes) || /fetch failed|connection error/i.test(message)) return 'provider_unreachable'
  if (/APIConnection/.test(names)) return 'provider_unreachable'
  return /TimeoutError/.test(names) ? 'timeout_connect' : 'internal'
}

/** In the header as milliseconds, seconds or a date, else in the message: "try again in 1.5s". */
function retryAfterOf(facts: Facts): number | undefined {
  const ms = Number(facts.retryAfterMsHeader ?? NaN)
  if (ms >= 0) return bounded(ms)
  const header = facts.retryAfter?.trim()
  if (header) {
    const seconds = Number(header)
    if (seconds >= 0) return bounded(seconds * 1000)
    const date = Date.parse(header)
    if (!Number.isNaN(date)) return bounded(date - Date.now())
  }
  const hint = /(?:try again in|retry after)\s+(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h)/i.exec(facts.message)
  if (!hint) return undefined
  const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[hint[2]!.toLowerCase()] ?? 1000
  return bounded(Number(hint[1]) * unitMs)
}

function bounded(ms: number): number {
  return Math.min(RETRY_AFTER_MS_MAX, Math.max(0, Math.round(ms)))
}

function isRetryable(code: FailureCode, facts: Facts): boolean {
  if (code === 'rate_limit') return facts.status !== 402 && !quotaWords.test(facts.words)
  return [
    'provider_5xx',
    'provider_unreachable',
    'cut',
    'timeout_connect',
    'timeout_first_token',
    'timeout_idle',
  ].includes(code)
}

const sentences = {
  auth: "The model's provider refused the key. Whoever runs this server has to check it.",
  rate_limit: 'The model has been asked too often.',
  context_too_long: "The question is too long for this model's context.",
  content_filter: "The provider's content filter ended this answer.",
  provider_5xx: "The model's server failed.",
  provider_unreachable: "The model's server cannot be reached.",
  bad_request: 'The provider did not accept the request.',
  cut: 'The connection to the model broke before its answer was complete.',
  internal: 'Something unexpected went wrong on our side while the model was asked.',
  timeout_connect: "The model's server did not answer in time.",
  timeout_first_token: 'The model did not begin its answer in time.',
  timeout_idle: 'The model fell silent in the middle of its answer.',
  timeout_total: 'The answer was not complete in time.',
  too_many_attempts: 'The answer was given up after too many attempts.',
} as const satisfies Record<FailureCode, string>

function sentenceOf(code: FailureCode, facts: Facts, retryAfterMs: number | undefined): string {
  const sentence = sentences[code]
  if (code === 'rate_limit' && !isRetryable(code, facts))
    return "The account with the model's provider has no credit left."
  if (code === 'rate_limit' && retryAfterMs !== undefined) {
    return `${sentence} Its provider asks us to wait ${Math.ceil(retryAfterMs / 1000)} s.`
  }
  if (code === 'bad_request' && facts.status === 404)
    return 'The provider knows no such model, or its address is wrong.'
  if (facts.malformed) return "The model's server sent something that is not an answer."
  return facts.status === undefined ? sentence : `${sentence.slice(0, -1)} (status ${facts.status}).`
}

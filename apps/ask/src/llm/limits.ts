/**
 * How long and how much a model may take before we give up on it.
 *
 *   ask ──connectMs──► response headers ──firstTokenMs──► first token ──idleMs──► next token ──► … ──► finish
 *   └──────────────────────────────────────── totalMs ────────────────────────────────────────────────────┘
 *
 * Each of the four has a failure code of its own, `timeout_connect` to `timeout_total`.
 */

export interface Limits {
  /** From the request to the response's headers. */
  readonly connectMs: number
  /** From the headers to the first token; a token of hidden reasoning counts. */
  readonly firstTokenMs: number
  /** Between two tokens. */
  readonly idleMs: number
  /** From the request to the end. */
  readonly totalMs: number
  /** Longest answer in UTF-16 code units; a longer one is ended there, with finish `length`. */
  readonly charsMax: number
  /** Longest response in bytes, whatever is in it. */
  readonly bytesMax: number
}

export const defaultLimits: Limits = {
  connectMs: 10_000,
  firstTokenMs: 30_000,
  idleMs: 20_000,
  totalMs: 300_000,
  charsMax: 200_000,
  bytesMax: 64 * 1024 * 1024,
}

/**
 * For models on one's own machine: Ollama and llama.cpp send the headers with the first token, and a first
 * question waits until the weights are loaded. A server that is not there refuses the connection at once.
 */
export const localLimits: Limits = { ...defaultLimits, connectMs: 120_000, firstTokenMs: 120_000 }

const TIMER_MS_MAX = 24 * 60 * 60 * 1000

/** `base` with what `LLM_CONNECT_MS`, `LLM_FIRST_TOKEN_MS`, `LLM_IDLE_MS` and `LLM_TOTAL_MS` say. */
export function readLimits(env: NodeJS.ProcessEnv, base: Limits = defaultLimits): Limits {
  return {
    ...base,
    connectMs: milliseconds(env, 'LLM_CONNECT_MS', base.connectMs),
    firstTokenMs: milliseconds(env, 'LLM_FIRST_TOKEN_MS', base.firstTokenMs),
    idleMs: milliseconds(env, 'LLM_IDLE_MS', base.idleMs),
    totalMs: milliseconds(env, 'LLM_TOTAL_MS', base.totalMs),
  }
}

function milliseconds(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]?.trim()
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= TIMER_MS_MAX) return value
  throw new Error(`${name} must be whole milliseconds from 1 to ${TIMER_MS_MAX}, but is '${text}'.`)
}

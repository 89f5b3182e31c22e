/**
 * The one interface to a language model: a request and a signal in, typed events out.
 *
 * `generate` throws a `GenerateError` for every failure; it never ends quietly when it was aborted or cut:
 * the last event of a complete answer is `done`, always. When the signal aborts it throws the signal's reason.
 */
import type { FailureCode, Source, Usage } from './entry.ts'

export interface GenerateRequest {
  readonly topic: string
  readonly question: string
  /** The text that stays from an interrupted attempt; only given to a model with `canContinue`. Default ''. */
  readonly textSoFar: string
}

export type GenerateEvent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'done'
      readonly finish: 'stop' | 'length' | 'other'
      readonly usage: Usage
      readonly sources: readonly Source[]
    }

export interface LanguageModel {
  /** Shown to people: 'gpt-4o-mini', 'built-in guide, no language model'. */
  readonly label: string
  /** True when `generate` can go on behind `textSoFar` so that the whole is one coherent answer. */
  readonly canContinue: boolean
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>
}

export class GenerateError extends Error {
  readonly code: FailureCode
  /** True when the same request may succeed later. */
  readonly retryable: boolean
  /** What the provider asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: FailureCode,
    message: string,
    options: { retryable: boolean; retryAfterMs?: number; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.name = 'GenerateError'
    this.code = code
    this.retryable = options.retryable
    // A wait that could not be read (NaN) is no wait that was asked for.
    this.retryAfterMs = Number.isFinite(options.retryAfterMs) ? options.retryAfterMs : undefined
  }
}

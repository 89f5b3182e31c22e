/**
 * One request under its limits: the clock of its phases, the signal that ends it, and the fetch it goes through.
 *
 *   connecting ──headers──► waiting ──first token──► streaming ──finish──► tail
 *       │                     │                         │                   │
 *       └──────────── time is up, or the caller's signal aborts ────────────┘──► over
 *
 * The phase's clock runs only while we wait for the model, so a slow reader of ours never looks like a slow
 * model. The total runs always. When it is over, `signal` aborts: our fetch passes that on to the socket,
 * whatever the library above does with it (LangChain's Ollama class hands no signal to its fetch at all).
 */
import { GenerateError } from '@millrace/relay'
import type { Limits } from './limits.ts'

type Phase = 'connecting' | 'waiting' | 'streaming' | 'tail'

/** A whole answer whose connection lingers: how long we stay for the usage figures. */
const TAIL_MS_MAX = 2_000

export class Watch {
  readonly #limits: Limits
  readonly #outer: AbortSignal
  readonly #request = new AbortController()
  readonly #total: NodeJS.Timeout
  readonly #onAbort: () => void
  #phase: Phase = 'connecting'
  #phaseBegan = performance.now()
  #timer: NodeJS.Timeout | undefined
  #over: { readonly reason: unknown } | undefined
  #interrupt: ((reason: unknown) => void) | undefined

  constructor(limits: Limits, signal: AbortSignal) {
    this.#limits = limits
    this.#outer = signal
    this.#onAbort = () => this.#end(signal.reason)
    this.#total = setTimeout(() => this.#end(timeoutError('timeout_total', limits.totalMs)), limits.totalMs)
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.#onAbort()
  }

  /** Aborts when the request is over, for whatever reason. */
  get signal(): AbortSignal {
    return this.#request.signal
  }

  /** Why it is over: the caller's reason or a time limit. */
  get over(): { readonly reason: unknown } | undefined {
    return this.#over
  }

  /** Give this to the model instead of the global fetch. */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const signal = init?.signal ? AbortSignal.any([init.signal, this.signal]) : this.signal
    const response = await globalThis.fetch(input, { ...init, signal })
    if (this.#phase === 'connecting') this.#headersArrived()
    if (response.body === null) return response
    const { status, statusText, headers } = response
    return new Response(response.body.pipeThrough(byteLimit(this.#limits.bytesMax)), { status, statusText, headers })
  }

  tokenArrived(): void {
    if (this.#phase !== 'tail') this.#phase = 'streaming'
  }

  finishArrived(): void {
    this.#phase = 'tail'
  }

  /** What `promise` gives, unless it is over before. A later rejection of `promise` is swallowed: nobody waits for it. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        promise.then(resolve, reject)
        if (this.#over) reject(this.#over.reason)
        this.#interrupt = reject
        this.#startTimer()
      })
    } finally {
      this.#interrupt = undefined
      clearTimeout(this.#timer)
    }
  }

  /** Ends the request if it still runs, and all timers. */
  close(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#total)
    this.#outer.removeEventListener('abort', this.#onAbort)
    this.#request.abort()
  }

  #headersArrived(): void {
    this.#phase = 'waiting'
    this.#phaseBegan = performance.now()
    if (this.#interrupt !== undefined) this.#startTimer()
  }

  #startTimer(): void {
    clearTimeout(this.#timer)
    if (this.#over) return
    const { code, ms, spentMs } = this.#phaseLimit()
    this.#timer = setTimeout(() => this.#end(timeoutError(code, ms)), Math.max(1, ms - spentMs))
  }

  /** The first two phases are one stretch each, however many empty chunks arrive in it; silence begins anew. */
  #phaseLimit(): { code: TimeoutCode; ms: number; spentMs: number } {
    const { connectMs, firstTokenMs, idleMs } = this.#limits
    const spentMs = performance.now() - this.#phaseBegan
    if (this.#phase === 'connecting') return { code: 'timeout_connect', ms: connectMs, spentMs }
    if (this.#phase === 'waiting') return { code: 'timeout_first_token', ms: firstTokenMs, spentMs }
    return { code: 'timeout_idle', ms: this.#phase === 'tail' ? Math.min(idleMs, TAIL_MS_MAX) : idleMs, spentMs: 0 }
  }

  #end(reason: unknown): void {
    if (this.#over) return
    this.#over = { reason }
    this.#interrupt?.(reason)
    this.#request.abort(reason)
  }
}

type TimeoutCode = 'timeout_connect' | 'timeout_first_token' | 'timeout_idle' | 'timeout_total'

const timeoutSentence: Record<TimeoutCode, (time: string) => string> = {
  timeout_connect: (time) => `The model's server did not answer within ${time}.`,
  timeout_first_token: (time) => `The model did not begin its answer within ${time}.`,
  timeout_idle: (time) => `The model fell silent for ${time} in the middle of its answer.`,
  timeout_total: (time) => `The answer was not complete after ${time}.`,
}

function timeoutError(code: TimeoutCode, ms: number): GenerateError {
  const time = ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`
  // A model that has talked for all this time would only do so again.
  return new GenerateError(code, timeoutSentence[code](time), { retryable: code !== 'timeout_total' })
}

/** Passes bytes on until there are too many: a line without end would otherwise grow in the reader's buffer. */
function byteLimit(bytesMax: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes <= bytesMax) return controller.enqueue(chunk)
      throw new GenerateError('cut', `The model's server sent more than ${bytesMax} bytes; the answer was cut there.`, {
        retryable: false,
      })
    },
  })
}

/**
 * One answer of the provider, from its behaviour to its bytes.
 *
 *   headers ──► role ──firstTokenMs──► token … token ──► finish ──► usage ──► [DONE]
 *
 *   data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" stream"},"finish_reason":null}],…}
 *
 * Every wait ends when the client leaves or the provider stops.
 */
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { HOLD_MS_MAX, type Behaviour } from './behaviour.ts'
import { seededTokens, tokensOf } from './seeded-text.ts'

export interface ReplyRequest {
  readonly model: string
  readonly isStream: boolean
  readonly wantsUsage: boolean
  readonly inputTokens: number
  /** Aborts when the client has gone or the provider stops. */
  readonly signal: AbortSignal
  /** Called when `Sent` has changed. */
  onSent(): void
}

/** What has been sent; the provider shows it for each request. */
export interface Sent {
  tokens: number
  bytes: number
  headersAtMs?: number
  firstTokenAtMs?: number
}

const TOKENS_DEFAULT = 60
/** Tokens sent without a pause before other requests get their turn. */
const TOKENS_PER_TURN = 64

/** Thrown when the behaviour has destroyed the socket. */
export class Cut extends Error {}

/** Thrown when nobody takes the bytes any more. */
export class Gone extends Error {}

export class Reply {
  readonly #response: ServerResponse
  readonly #behaviour: Behaviour
  readonly #request: ReplyRequest
  readonly #sent: Sent
  readonly #signal: AbortSignal
  readonly #beganMs = performance.now()

  constructor(response: ServerResponse, behaviour: Behaviour, request: ReplyRequest, sent: Sent) {
    this.#response = response
    this.#behaviour = behaviour
    this.#request = request
    this.#sent = sent
    this.#signal = request.signal
  }

  /** Resolves when all is sent; rejects with the signal's reason, `Gone` or `Cut`. */
  async send(): Promise<void> {
    const { failure, headersMs } = this.#behaviour
    await this.#pause(headersMs ?? 0)
    if (failure !== undefined) return this.#fail(failure)
    if (!this.#request.isStream) return this.#sendWhole()
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
    this.#response.flushHeaders()
    this.#sent.headersAtMs = Date.now()
    this.#request.onSent()
    await this.#event(this.#chunk({ role: 'assistant', content: '' }, null))
    await this.#pause(this.#behaviour.firstTokenMs ?? 0)
    await this.#sendTokens()
    await this.#sendEnding()
  }

  async #sendTokens(): Promise<void> {
    const { endless, tokensPerSecond = 0, stall } = this.#behaviour
    const tokens = this.#tokens()
    const count = endless ? Infinity : tokens.length
    const beganMs = performance.now()
    let stalledMs = 0
    for (let index = 0; index <= count; index++) {
      if (index % TOKENS_PER_TURN === 0) await this.#pause(0)
      if (stall?.after === index) {
        stalledMs += stall.ms ?? 0
        await this.#pause(stall.ms ?? 'never')
      }
      await this.#breakAt(index)
      if (index === count) return
      const dueMs =
        tokensPerSecond === 0 ? 0 : beganMs + stalledMs + (index * 1000) / tokensPerSecond - performance.now()
      if (dueMs >= 1) await this.#pause(dueMs)
      await this.#event(this.#chunk({ content: tokens[index % tokens.length]! }, null))
      this.#sent.tokens++
      this.#sent.firstTokenAtMs ??= Date.now()
      this.#request.onSent()
    }
  }

  /** The accidents that are set for this token. */
  async #breakAt(index: number): Promise<void> {
    const { cutAfter, malformedAfter, errorAfter } = this.#behaviour
    if (cutAfter === index) this.#cut()
    if (malformedAfter === index) await this.#write('data: {"choices":[{"delta":{"content":"br\n\n')
    if (errorAfter === index) {
      await this.#event({ error: { message: 'The server had an error.', type: 'server_error', code: null } })
      this.#cut()
    }
  }

  async #sendEnding(): Promise<void> {
    const { ending = 'done', finish = 'stop' } = this.#behaviour
    if (ending !== 'no-finish') {
      await this.#event(this.#chunk({}, finish))
      if (this.#request.wantsUsage) await this.#event({ ...this.#chunk({}, null), choices: [], usage: this.#usage() })
      if (ending !== 'no-done') await this.#write('data: [DONE]\n\n')
    }
    if (ending === 'open') await this.#pause('never')
    this.#response.end()
  }

  async #sendWhole(): Promise<void> {
    const { tokensPerSecond = 0, firstTokenMs = 0, finish = 'stop' } = this.#behaviour
    const tokens = this.#tokens()
    await this.#pause(firstTokenMs)
    if (tokensPerSecond > 0) await this.#pause((tokens.length * 1000) / tokensPerSecond)
    this.#sent.tokens = tokens.length
    const message = { role: 'assistant', content: tokens.join('') }
    const choices = [{ index: 0, message, finish_reason: finish }]
    this.#sendJson(200, { ...this.#head('chat.completion'), choices, usage: this.#usage() })
  }

  #fail(failure: NonNullable<Behaviour['failure']>): void {
    const { status, code = null, type = 'invalid_request_error', message = `Status ${status}.`, retryAfter } = failure
    if (retryAfter !== undefined) this.#response.setHeader('retry-after', retryAfter)
    this.#sendJson(status, { error: { message, type, param: null, code } })
  }

  #sendJson(status: number, body: unknown): void {
    this.#sent.headersAtMs = Date.now()
    this.#response.writeHead(status, { 'content-type': 'application/json' })
    this.#response.end(JSON.stringify(body))
  }

  #tokens(): string[] {
    const { text, seed = 1, tokens = TOKENS_DEFAULT } = this.#behaviour
    const list = text === undefined ? seededTokens(seed, tokens) : tokensOf(text)
    return this.#behaviour.endless && list.length === 0 ? [' '] : list
  }

  #head(object: string): Record<string, unknown> {
    return { id: 'chatcmpl-millrace', object, created: 0, model: this.#request.model }
  }

  #chunk(delta: Record<string, string>, finish: string | null): Record<string, unknown> {
    return { ...this.#head('chat.completion.chunk'), choices: [{ index: 0, delta, finish_reason: finish }] }
  }

  #usage(): Record<string, number> {
    const prompt = this.#request.inputTokens
    return { prompt_tokens: prompt, completion_tokens: this.#sent.tokens, total_tokens: prompt + this.#sent.tokens }
  }

  #event(data: Record<string, unknown>): Promise<void> {
    return this.#write(`data: ${JSON.stringify(data)}\n\n`)
  }

  async #write(text: string): Promise<void> {
    let bytes = Buffer.from(text)
    const { cutAtByte, splitBytes } = this.#behaviour
    const room = cutAtByte === undefined ? bytes.length : Math.max(0, cutAtByte - this.#sent.bytes)
    const isCut = room < bytes.length
    bytes = bytes.subarray(0, room)
    for (let at = 0; at < bytes.length; at += splitBytes ?? bytes.length) {
      await this.#send(bytes.subarray(at, at + (splitBytes ?? bytes.length)))
      if (splitBytes !== undefined) await this.#pause(0)
    }
    if (isCut) this.#cut()
  }

  /** Resolves when the system has taken the bytes, so that a reader who does not read holds us up. */
  #send(bytes: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted()
    this.#sent.bytes += bytes.length
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(this.#signal.reason)
      this.#signal.addEventListener('abort', onAbort, { once: true })
      this.#response.write(bytes, (error) => {
        this.#signal.removeEventListener('abort', onAbort)
        if (error) reject(new Gone('The client has gone.', { cause: error }))
        else resolve()
      })
    })
  }

  #cut(): never {
    this.#response.socket?.destroy()
    throw new Cut('The connection was cut, as the behaviour says.')
  }

  /** Never longer in sum than `HOLD_MS_MAX`. */
  async #pause(ms: number | 'never'): Promise<void> {
    const left = Math.max(0, HOLD_MS_MAX - (performance.now() - this.#beganMs))
    if (ms === 0) await nextTurn(undefined, { signal: this.#signal })
    else await sleep(ms === 'never' ? left : Math.min(ms, left), undefined, { signal: this.#signal })
    if (left === 0 || ms === 'never') this.#cut()
  }
}

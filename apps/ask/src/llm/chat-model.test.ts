/** The real ChatOpenAI and ChatOllama over HTTP: every failure, every limit, and a stop at every moment. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { ChatOllama } from '@langchain/ollama'
import { AIMessageChunk } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import type { GenerateEvent, LanguageModel } from '@millrace/relay'
import { GenerateError } from '@millrace/relay'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Behaviour } from '../provider/behaviour.ts'
import { startProvider, type Provider } from '../provider/provider.ts'
import { randomFrom, seededText } from '../provider/seeded-text.ts'
import { instructions, LangChainModel } from './chat-model.ts'
import { defaultLimits, type Limits } from './limits.ts'

const KEY = 'sk-secret-of-the-test'
const QUESTION = 'a question that nobody else may read'

let provider: Provider
const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)

beforeAll(async () => {
  process.on('unhandledRejection', onRejection)
  provider = await startProvider()
})
beforeEach(() => provider.reset())
afterAll(async () => {
  await provider.stop()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onRejection)
  expect(rejections).toEqual([])
})

function modelOf(limits: Partial<Limits> = {}, url: string = provider.url): LanguageModel {
  return new LangChainModel({
    label: 'test',
    limits: { ...defaultLimits, ...limits },
    open: (fetch) =>
      new ChatOpenAI({
        model: 'm',
        apiKey: KEY,
        maxRetries: 0,
        configuration: { baseURL: url, fetch, logLevel: 'off' },
      }),
  })
}

interface Outcome {
  readonly text: string
  readonly done: Extract<GenerateEvent, { type: 'done' }> | undefined
  readonly error: unknown
}

/** Reads the answer to its end, or until `onText` says stop. */
async function outcomeOf(model: LanguageModel, signal: AbortSignal, onText?: (text: string) => void): Promise<Outcome> {
  let text = ''
  let done: Outcome['done']
  try {
    for await (const event of model.generate({ topic: 'Redis', question: QUESTION, textSoFar: '' }, signal)) {
      expect(done, 'nothing comes behind done').toBeUndefined()
      if (event.type === 'done') done = event
      else text += event.text
      onText?.(text)
    }
  } catch (error) {
    return { text, done, error }
  }
  return { text, done, error: undefined }
}

function ask(behaviour: Behaviour, limits: Partial<Limits> = {}): Promise<Outcome> {
  provider.next(behaviour)
  return outcomeOf(modelOf(limits), new AbortController().signal)
}

describe('a complete answer', () => {
  it('is the text of the provider, then done with its usage', async () => {
    const { text, done, error } = await ask({ seed: 3, tokens: 50 })
    expect(error).toBeUndefined()
    expect(text).toBe(seededText(3, 50))
    expect(done).toEqual({
      type: 'done',
      finish: 'stop',
      sources: [],
      usage: { inputTokens: expect.any(Number), outputTokens: 50 },
    })
  })

  it('is asked for with the topic in the system message and the question as it is', async () => {
    await ask({})
    expect(provider.requests).toMatchObject([{ system: instructions('Redis'), question: QUESTION, stream: true }])
  })

  it('may end for its length, without [DONE], or with a connection that stays open', async () => {
    expect((await ask({ finish: 'length' })).done?.finish).toBe('length')
    expect((await ask({ finish: 'tool_calls' })).done?.finish).toBe('other')
    expect((await ask({ ending: 'no-done' })).done?.finish).toBe('stop')
    expect((await ask({ ending: 'open' }, { idleMs: 100 })).done?.finish).toBe('stop')
  })

  it('is whole when characters are split over packets at every width', async () => {
    const text = 'aé日🌊👩‍💻e\u0301 – ünïcödé ж'.repeat(3)
    for (let splitBytes = 1; splitBytes <= 7; splitBytes++) {
      const outcome = await ask({ text, splitBytes })
      expect(outcome.text).toBe(text)
      expect(outcome.done?.finish).toBe('stop')
    }
  })

  it('is cut at its longest length, says so, and ends the request', async () => {
    const { text, done } = await ask({ endless: true }, { charsMax: 1_000 })
    expect(text.length).toBeGreaterThan(990)
    expect(text.length).toBeLessThanOrEqual(1_000)
    expect(done?.finish).toBe('length')
    expect((await provider.until(([first]) => first?.endedAtMs !== undefined))[0]!.state).toBe('aborted')
  })

  it('is given up when the response has too many bytes', async () => {
    const { done, error } = await ask({ endless: true }, { bytesMax: 20_000 })
    expect(done).toBeUndefined()
    expect(error).toMatchObject({ code: 'cut', retryable: false })
  })
})

describe('a failure', () => {
  const cases: readonly (readonly [string, Behaviour, object])[] = [
    [
      'a refused key',
      { failure: { status: 401, code: 'invalid_api_key', message: `Incorrect API key: ${KEY}` } },
      { code: 'auth', retryable: false },
    ],
    ['a refused country', { failure: { status: 403 } }, { code: 'auth', retryable: false }],
    [
      'a rate limit with seconds',
      { failure: { status: 429, code: 'rate_limit_exceeded', retryAfter: '7' } },
      { code: 'rate_limit', retryable: true, retryAfterMs: 7_000 },
    ],
    [
      'a rate limit with a wait in its words',
      { failure: { status: 429, message: 'Please try again in 1.5s.' } },
      { code: 'rate_limit', retryable: true, retryAfterMs: 1_500 },
    ],
    [
      'a rate limit without a wait',
      { failure: { status: 429 } },
      { code: 'rate_limit', retryable: true, retryAfterMs: undefined },
    ],
    [
      'a wait of a year',
      { failure: { status: 429, retryAfter: '31536000' } },
      { code: 'rate_limit', retryAfterMs: 86_400_000 },
    ],
    [
      'a wait that is nonsense',
      { failure: { status: 429, retryAfter: 'soon' } },
      { code: 'rate_limit', retryAfterMs: undefined },
    ],
    [
      'an empty account',
      { failure: { status: 429, code: 'insufficient_quota', message: 'You exceeded your current quota.' } },
      { code: 'rate_limit', retryable: false },
    ],
    [
      'an unpaid account',
      { failure: { status: 402, message: 'Insufficient Balance' } },
      { code: 'rate_limit', retryable: false },
    ],
    [
      'a context too long',
      { failure: { status: 400, code: 'context_length_exceeded' } },
      { code: 'context_too_long', retryable: false },
    ],
    [
      'a context too long, in llama.cpp words',
      { failure: { status: 400, message: 'the request exceeds the available context size' } },
      { code: 'context_too_long', retryable: false },
    ],
    [
      'a filtered question',
      { failure: { status: 400, code: 'content_filter' } },
      { code: 'content_filter', retryable: false },
    ],
    ['a filtered answer', { finish: 'content_filter' }, { code: 'content_filter', retryable: false }],
    ['a bad request', { failure: { status: 400, message: 'temperature' } }, { code: 'bad_request', retryable: false }],
    [
      'an unknown model',
      { failure: { status: 404, code: 'model_not_found' } },
      { code: 'bad_request', retryable: false },
    ],
    ['a 500', { failure: { status: 500, type: 'server_error' } }, { code: 'provider_5xx', retryable: true }],
    [
      'a 503 with its wait',
      { failure: { status: 503, retryAfter: '2' } },
      { code: 'provider_5xx', retryable: true, retryAfterMs: 2_000 },
    ],
    ['an error in the stream', { errorAfter: 5 }, { code: 'provider_5xx', retryable: true }],
    ['a line that is not JSON', { malformedAfter: 5 }, { code: 'provider_5xx', retryable: true }],
    ['a cut before the first token', { cutAfter: 0 }, { code: 'cut', retryable: true }],
    ['a cut in the middle', { cutAfter: 5 }, { code: 'cut', retryable: true }],
    ['an end without a finish', { ending: 'no-finish' }, { code: 'cut', retryable: true }],
    ['no headers', { headersMs: 'never' }, { code: 'timeout_connect', retryable: true }],
    ['no first token', { firstTokenMs: 'never' }, { code: 'timeout_first_token', retryable: true }],
    ['a silence', { stall: { after: 5 } }, { code: 'timeout_idle', retryable: true }],
    ['no end', { endless: true, tokensPerSecond: 200 }, { code: 'timeout_total', retryable: false }],
  ]

  /** Only the limit that a case is about is short: on a busy machine the others must not be first. */
  const shortLimit: Record<string, Partial<Limits>> = {
    timeout_connect: { connectMs: 150 },
    timeout_first_token: { firstTokenMs: 150 },
    timeout_idle: { idleMs: 150 },
    timeout_total: { totalMs: 400 },
  }

  it.each(cases)('%s', async (_name, behaviour, expected) => {
    const { code } = expected as { code: string }
    const { done, error } = await ask(behaviour, shortLimit[code])
    expect(done).toBeUndefined()
    expect(error).toBeInstanceOf(GenerateError)
    expect(error).toMatchObject(expected)
    const { message } = error as GenerateError
    expect(message).toMatch(/^[A-Z].*\.$/)
    expect(message).not.toContain(KEY)
    expect(message).not.toContain(QUESTION)
    await provider.until((all) => all.every(({ endedAtMs }) => endedAtMs !== undefined), 1_000)
    expect(provider.requests, 'asked once: retries are not hidden below us').toHaveLength(1)
  })

  it('a rate limit until a date', async () => {
    const retryAfter = new Date(Date.now() + 30_000).toUTCString()
    const { error } = await ask({ failure: { status: 429, retryAfter } })
    const { retryAfterMs } = error as GenerateError
    expect(retryAfterMs).toBeGreaterThan(25_000)
    expect(retryAfterMs).toBeLessThanOrEqual(30_000)
  })

  it('a date in the past is no wait', async () => {
    const { error } = await ask({ failure: { status: 429, retryAfter: new Date(0).toUTCString() } })
    expect(error).toMatchObject({ retryAfterMs: 0 })
  })

  it('nobody at the address', async () => {
    const gone = await startProvider()
    const { url } = gone
    await gone.stop()
    const { error } = await outcomeOf(modelOf({}, url), new AbortController().signal)
    expect(error).toMatchObject({ code: 'provider_unreachable', retryable: true })
  })

  it('an address that has no name', async () => {
    const { error } = await outcomeOf(modelOf({}, 'http://nobody.invalid/v1'), new AbortController().signal)
    expect(error).toMatchObject({ code: 'provider_unreachable' })
  })

  it('a connection closed before the headers', async () => {
    const { error } = await ask({ cutAtByte: 0 })
    expect((error as GenerateError).code).toMatch(/^(provider_unreachable|cut)$/)
  })

  it('a slow reader is no silence of the model', async () => {
    provider.next({ tokens: 5 })
    const events = modelOf({ idleMs: 60 }).generate(
      { topic: 'Redis', question: QUESTION, textSoFar: '' },
      new AbortController().signal,
    )
    let text = ''
    for await (const event of events) {
      if (event.type === 'text') text += event.text
      if (event.type === 'text' && text === event.text) await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(text).toBe(seededText(1, 5))
  })
})

describe('a cut', () => {
  it('at 200 random bytes never looks finished', { timeout: 60_000 }, async () => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000)
    console.log(`seed ${seed}`)
    const random = randomFrom(seed)
    const whole = seededText(9, 60)
    await ask({ seed: 9, tokens: 60 })
    const bytes = provider.requests[0]!.bytesSent
    let cuts = 0
    for (let run = 0; run < 200; run++) {
      const cutAtByte = Math.floor(random() * bytes)
      const { text, done, error } = await ask({ seed: 9, tokens: 60, cutAtByte })
      expect(whole.startsWith(text), `cut at ${cutAtByte}`).toBe(true)
      if (done === undefined) {
        cuts++
        expect(error, `cut at ${cutAtByte}`).toMatchObject({ code: 'cut', retryable: true })
      } else {
        // Only the usage or [DONE] was lost: the provider had said that the answer was complete.
        expect(text).toBe(whole)
      }
    }
    expect(cuts).toBeGreaterThan(150)
  })
})

describe('a stop', () => {
  const phases: readonly (readonly [string, Behaviour])[] = [
    ['before the headers', { headersMs: 'never' }],
    ['before the first token', { firstTokenMs: 'never' }],
    ['between two tokens', { stall: { after: 5 } }],
    ['in the middle of many', { endless: true, tokensPerSecond: 500 }],
    ['at full speed', { endless: true }],
  ]

  it.each(phases)('%s closes the request within 500 ms and throws its reason', async (_name, behaviour) => {
    provider.next(behaviour)
    const stopper = new AbortController()
    const reason = new Error('stopped by a person')
    let stoppedMs = 0
    const stop = (): void => {
      stoppedMs = Date.now()
      stopper.abort(reason)
    }
    const reading = outcomeOf(modelOf(), stopper.signal, (text) => {
      if (text.length > 20 && stoppedMs === 0) stop()
    })
    const hasNoText = behaviour.headersMs === 'never' || behaviour.firstTokenMs === 'never'
    await provider.until(
      ([first]) =>
        first !== undefined && (!hasNoText || behaviour.headersMs === 'never' || first.headersAtMs !== undefined),
    )
    if (hasNoText) stop()
    if (behaviour.stall) {
      await provider.until(([first]) => first?.tokensSent === 5 || first?.abortedAtMs !== undefined)
      if (stoppedMs === 0) stop()
    }
    const { done, error } = await reading
    expect(done).toBeUndefined()
    expect(error).toBe(reason)
    expect(Date.now() - stoppedMs).toBeLessThan(500)
    const [record] = await provider.until(([first]) => first?.abortedAtMs !== undefined)
    expect(record!.state).toBe('aborted')
    expect(record!.abortedAtMs! - stoppedMs).toBeLessThan(500)
  })

  it('before the beginning asks nobody', async () => {
    const reason = 'a reason that is no Error'
    const { error } = await outcomeOf(modelOf(), AbortSignal.abort(reason))
    expect(error).toBe(reason)
    expect(provider.requests).toEqual([])
  })

  it('at 100 random moments never looks finished', { timeout: 60_000 }, async () => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000)
    console.log(`seed ${seed}`)
    const random = randomFrom(seed)
    // Its behaviour is not queued: a request that is stopped before it is sent would leave it to the next one.
    const steady = await startProvider({ behaviour: { seed: 8, tokens: 40, tokensPerSecond: 2_000 } })
    for (let run = 0; run < 100; run++) {
      const stopper = new AbortController()
      const reason = new Error(`stop ${run}`)
      const timer = setTimeout(() => stopper.abort(reason), random() * 40)
      const { text, done, error } = await outcomeOf(modelOf({}, steady.url), stopper.signal)
      clearTimeout(timer)
      if (done) expect(text).toBe(seededText(8, 40))
      else expect(error).toBe(reason)
    }
    await steady.stop()
  })

  it('of one answer leaves the others alone', async () => {
    provider.next({ endless: true }, { seed: 4, tokens: 100, tokensPerSecond: 500 })
    const stopper = new AbortController()
    const model = modelOf()
    const first = outcomeOf(model, stopper.signal, () => stopper.abort(new Error('enough')))
    await provider.until((all) => all.length === 1)
    const second = outcomeOf(model, new AbortController().signal)
    expect((await first).done).toBeUndefined()
    expect((await second).text).toBe(seededText(4, 100))
  })

  it('by leaving the loop closes the request too', async () => {
    provider.next({ endless: true })
    for await (const event of modelOf().generate(
      { topic: 'Redis', question: QUESTION, textSoFar: '' },
      new AbortController().signal,
    )) {
      if (event.type === 'text') break
    }
    await provider.until(([first]) => first?.abortedAtMs !== undefined, 2_000)
  })
})

describe('an Ollama', () => {
  /** Answers with the lines; the last stays open when `isOpen`. */
  async function withOllama<T>(
    lines: readonly object[],
    isOpen: boolean,
    use: (url: string, gone: Promise<unknown>) => Promise<T>,
  ): Promise<T> {
    let onGone: (value: unknown) => void
    const gone = new Promise((resolve) => (onGone = resolve))
    const server: Server = createServer((request, response) => {
      request.resume()
      response.once('close', () => onGone(undefined))
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      for (const line of lines) response.write(`${JSON.stringify(line)}\n`)
      if (!isOpen) response.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, gone)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  const ollama = (baseUrl: string, limits: Partial<Limits> = {}): LanguageModel =>
    new LangChainModel({
      label: 'ollama',
      limits: { ...defaultLimits, ...limits },
      open: (fetch) => new ChatOllama({ model: 'm', baseUrl, fetch, maxRetries: 0 }),
    })

  const said = (content: string): object => ({ model: 'm', message: { role: 'assistant', content }, done: false })
  const end = {
    model: 'm',
    message: { role: 'assistant', content: '' },
    done: true,
    done_reason: 'stop',
    eval_count: 2,
    prompt_eval_count: 5,
  }

  it('gives its text, finish and usage', async () => {
    const { text, done } = await withOllama([said('Hello '), said('日本'), end], false, (url) =>
      outcomeOf(ollama(url), new AbortController().signal),
    )
    expect(text).toBe('Hello 日本')
    expect(done).toMatchObject({ finish: 'stop', usage: { inputTokens: 5, outputTokens: 2 } })
  })

  it('that breaks off has not finished', async () => {
    const { done, error } = await withOllama([said('Hello ')], false, (url) =>
      outcomeOf(ollama(url), new AbortController().signal),
    )
    expect(done).toBeUndefined()
    expect(error).toMatchObject({ code: 'cut' })
  })

  it('sees a stop at once, though LangChain hands it no signal', async () => {
    const stopper = new AbortController()
    const reason = new Error('stop')
    await withOllama([said('Hello ')], true, async (url, gone) => {
      const { done, error } = await outcomeOf(ollama(url), stopper.signal, () => stopper.abort(reason))
      expect(done).toBeUndefined()
      expect(error).toBe(reason)
      await gone
    })
  })

  it('that falls silent is given up', async () => {
    const { error } = await withOllama([said('Hello ')], true, (url) =>
      outcomeOf(ollama(url, { idleMs: 80 }), new AbortController().signal),
    )
    expect(error).toMatchObject({ code: 'timeout_idle' })
  })
})

describe('a chunk', () => {
  it('may hold its text in blocks, with reasoning that is not shown', async () => {
    const blocks = [
      new AIMessageChunk({ content: [{ type: 'reasoning', reasoning: 'hm' }] }),
      new AIMessageChunk({
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      }),
      new AIMessageChunk({
        content: [],
        response_metadata: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      }),
    ]
    const stream = async function* (): AsyncGenerator<AIMessageChunk> {
      yield* blocks
    }
    const model = new LangChainModel({
      label: 'blocks',
      limits: defaultLimits,
      open: () => ({ stream: () => Promise.resolve(stream()) }) as never,
    })
    const { text, done } = await outcomeOf(model, new AbortController().signal)
    expect(text).toBe('ab')
    expect(done?.finish).toBe('length')
  })
})

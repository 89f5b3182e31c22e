/**
 * A model's provider for tests and demonstrations: an HTTP server that speaks OpenAI's Chat Completions, always says
 * the same for the same seed, and fails exactly as it is told to (behaviour.ts).
 *
 *   POST /v1/chat/completions   stream or not
 *   GET  /v1/models
 *
 * What happened to each request can be looked at, here or from another process:
 *
 *   GET  /__requests            { requests: [RequestRecord …] }, oldest first
 *   POST /__behaviours          a list of behaviours for the next requests
 *   POST /__reset               forgets requests and behaviours
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { behaviourSchema, markedBehaviour, type Behaviour } from './behaviour.ts'
import { Cut, Gone, Reply, type Sent } from './reply.ts'
import { tokensOf } from './seeded-text.ts'

export interface ProviderOptions {
  readonly host?: string
  /** Default 0: a free one. */
  readonly port?: number
  /** What requests get that neither the queue nor their question says otherwise for. */
  readonly behaviour?: Behaviour
  /** Requests without this key get 401. Default: no key is asked for. */
  readonly apiKey?: string
  readonly models?: readonly string[]
}

export interface RequestRecord {
  readonly id: number
  readonly model: string
  readonly stream: boolean
  /** The first system message and the last user message. */
  readonly system: string
  readonly question: string
  readonly organization: string | undefined
  /** Milliseconds since 1970, as all times here. */
  readonly beganAtMs: number
  readonly state: 'running' | 'complete' | 'failed' | 'cut' | 'aborted'
  readonly tokensSent: number
  readonly bytesSent: number
  readonly headersAtMs: number | undefined
  readonly firstTokenAtMs: number | undefined
  readonly endedAtMs: number | undefined
  /** When the client closed the connection before the answer was complete. */
  readonly abortedAtMs: number | undefined
}

const BODY_BYTES_MAX = 1024 * 1024
const REQUESTS_MAX = 10_000
const QUEUE_MAX = 1_000
const CONNECTIONS_MAX = 2_000

export async function startProvider(options: ProviderOptions = {}): Promise<Provider> {
  const provider = new Provider(options)
  await provider.listen()
  return provider
}

class Provider {
  readonly #options: ProviderOptions
  readonly #server: Server
  readonly #changes = new EventEmitter()
  readonly #stopped = new AbortController()
  #log: Entry[] = []
  #queue: Behaviour[] = []
  #count = 0

  constructor(options: ProviderOptions) {
    this.#options = options
    this.#changes.setMaxListeners(0)
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => fail(response, error))
    })
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#options.port ?? 0, this.#options.host ?? '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** The address to give as OPENAI_BASE_URL. */
  get url(): string {
    return `${this.origin}/v1`
  }

  get origin(): string {
    const { port } = this.#server.address() as AddressInfo
    return `http://${this.#options.host ?? '127.0.0.1'}:${port}`
  }

  get requests(): readonly RequestRecord[] {
    return this.#log.map(recordOf)
  }

  /** The next requests behave like this, one after the other. */
  next(...behaviours: Behaviour[]): void {
    if (this.#queue.length + behaviours.length > QUEUE_MAX) throw new Error(`At most ${QUEUE_MAX} behaviours can wait.`)
    this.#queue.push(...behaviours)
  }

  /** The requests, as soon as they are as wished; rejects after `limitMs`. */
  async until(
    isAsWished: (requests: readonly RequestRecord[]) => boolean,
    limitMs = 5_000,
  ): Promise<readonly RequestRecord[]> {
    const signal = AbortSignal.timeout(limitMs)
    while (!isAsWished(this.requests)) {
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`The requests were not as wished within ${limitMs} ms: ${JSON.stringify(this.requests)}`)
      })
    }
    return this.requests
  }

  reset(): void {
    this.#log = []
    this.#queue = []
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#server.closeAllConnections()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = `${request.method} ${request.url?.split('?')[0]}`
    if (route === 'POST /v1/chat/completions') return this.#complete(request, response)
    if (route === 'GET /v1/models') return sendJson(response, 200, { object: 'list', data: this.#models() })
    if (route === 'GET /__requests') return sendJson(response, 200, { requests: this.requests })
    if (route === 'POST /__behaviours') {
      this.next(...z.array(behaviourSchema).parse(await readJson(request)))
      return sendJson(response, 200, { waiting: this.#queue.length })
    }
    if (route === 'POST /__reset') {
      this.reset()
      return sendJson(response, 200, {})
    }
    request.resume()
    sendJson(response, 404, errorBody(`There is no ${route} here.`, 'not_found'))
  }

  async #complete(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = completionSchema.parse(await readJson(request))
    const entry = this.#enter(body, request)
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished && entry.state === 'running') {
        entry.state = 'aborted'
        entry.abortedAtMs = Date.now()
      }
      gone.abort()
      this.#changes.emit('change')
    })
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal])
    const behaviour = this.#behaviourFor(request, entry.question)
    const shape = {
      signal,
      onSent: () => void this.#changes.emit('change'),
      model: body.model,
      isStream: body.stream ?? false,
      wantsUsage: body.stream_options?.include_usage ?? false,
      inputTokens: tokensOf(entry.system + entry.question).length,
    }
    try {
      await new Reply(response, behaviour, shape, entry.sent).send()
      if (entry.state === 'running') entry.state = behaviour.failure === undefined ? 'complete' : 'failed'
    } catch (error) {
      entry.state = error instanceof Cut ? 'cut' : 'aborted'
      // Writing may find out that the client has gone before its connection is seen to close.
      if (entry.state === 'aborted') entry.abortedAtMs ??= Date.now()
      response.destroy()
      if (!(error instanceof Cut || error instanceof Gone || signal.aborted)) throw error
    } finally {
      entry.endedAtMs = Date.now()
      this.#changes.emit('change')
    }
  }

  #enter(body: z.infer<typeof completionSchema>, request: IncomingMessage): Entry {
    const organization = request.headers['openai-organization']
    const entry: Entry = {
      id: ++this.#count,
      model: body.model,
      stream: body.stream ?? false,
      system: textOf(body.messages.find(({ role }) => role === 'system' || role === 'developer')),
      question: textOf(body.messages.findLast(({ role }) => role === 'user')),
      organization: typeof organization === 'string' ? organization : undefined,
      beganAtMs: Date.now(),
      state: 'running',
      sent: { tokens: 0, bytes: 0 },
      endedAtMs: undefined,
      abortedAtMs: undefined,
    }
    this.#log.push(entry)
    if (this.#log.length > REQUESTS_MAX) this.#log.shift()
    this.#changes.emit('change')
    return entry
  }

  #behaviourFor(request: IncomingMessage, question: string): Behaviour {
    const { apiKey, behaviour } = this.#options
    if (apiKey !== undefined && request.headers.authorization !== `Bearer ${apiKey}`) {
      return { failure: { status: 401, code: 'invalid_api_key' } }
    }
    return this.#queue.shift() ?? markedBehaviour(question) ?? behaviour ?? {}
  }

  #models(): { id: string; object: 'model' }[] {
    return (this.#options.models ?? ['millrace-test']).map((id) => ({ id, object: 'model' }))
  }
}

export type { Provider }

interface Entry {
  readonly id: number
  readonly model: string
  readonly stream: boolean
  readonly system: string
  readonly question: string
  readonly organization: string | undefined
  readonly beganAtMs: number
  readonly sent: Sent
  state: RequestRecord['state']
  endedAtMs: number | undefined
  abortedAtMs: number | undefined
}

function recordOf({ sent, ...entry }: Entry): RequestRecord {
  return {
    ...entry,
    tokensSent: sent.tokens,
    bytesSent: sent.bytes,
    headersAtMs: sent.headersAtMs,
    firstTokenAtMs: sent.firstTokenAtMs,
  }
}

const contentSchema = z.union([z.string(), z.array(z.object({ text: z.string().optional() })), z.null()])

const completionSchema = z.object({
  model: z.string().max(200),
  stream: z.boolean().optional(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  messages: z.array(z.object({ role: z.string(), content: contentSchema.optional() })).min(1),
})

function textOf(message: { content?: z.infer<typeof contentSchema> | undefined } | undefined): string {
  const content = message?.content ?? ''
  return typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('')
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > BODY_BYTES_MAX) throw new BadRequest(`The body is over ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk as Buffer)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new BadRequest('The body is not JSON.', { cause: error })
  }
}

class BadRequest extends Error {}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function errorBody(message: string, code: string): unknown {
  return { error: { message, type: 'invalid_request_error', param: null, code } }
}

function fail(response: ServerResponse, error: unknown): void {
  const isTheirs = error instanceof BadRequest || error instanceof z.ZodError || error instanceof SyntaxError
  if (response.headersSent) response.destroy()
  else sendJson(response, isTheirs ? 400 : 500, errorBody(String(error), isTheirs ? 'bad_request' : 'internal'))
}

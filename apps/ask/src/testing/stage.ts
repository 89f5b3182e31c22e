/**
 * A backend server for one test, its clients, and the end of all of them.
 *
 *   Stage ──► startAppServer on port 0, embedded engine (or a given Backend), scripted model
 *         ├── connect(): socket.io-client; its own session, or a given cookie
 *         └── get, post: fetch with a cookie
 */
import { connect, type Backend } from 'millrace'
import { io, type Socket } from 'socket.io-client'
import { startAppServer, type AppServer } from '../app-server.ts'
import { type Config, defaultLimits, type Limits, readConfig } from '../config.ts'
import { createLog } from '../logs.ts'
import { ScriptedModel } from './scripted-model.ts'

export interface StageOptions {
  readonly model?: ScriptedModel
  readonly limits?: Partial<Limits>
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new embedded engine. */
  readonly backend?: Backend
}

export const replyMsMax = 8_000
export const pageOrigin = 'http://127.0.0.1:5400'

export class Stage {
  readonly server: AppServer
  readonly model: ScriptedModel
  readonly lines: string[]
  readonly #sockets: Socket[] = []
  readonly #closeBackend: () => Promise<void>

  private constructor(server: AppServer, model: ScriptedModel, lines: string[], closeBackend: () => Promise<void>) {
    this.server = server
    this.model = model
    this.lines = lines
    this.#closeBackend = closeBackend
  }

  static async start(options: StageOptions = {}): Promise<Stage> {
    const model = options.model ?? new ScriptedModel()
    const lines: string[] = []
    const millrace = options.backend === undefined ? await connect() : undefined
    const base = readConfig({ PORT: '0', SERVER_NAME: 'test', TOPICS: 'Redis,Valkey', ...options.env })
    const config: Config = {
      ...base,
      limits: { ...defaultLimits, perMinuteMax: 1000, unfinishedMax: 100, ...options.limits },
    }
    const server = await startAppServer(config, {
      backend: options.backend ?? millrace!.backend,
      model: { model, kind: 'guide' },
      article: (slug) => (slug === 'xadd' ? { slug, title: 'XADD', markdown: '# XADD' } : undefined),
      log: createLog({ level: 'debug', server: 'test', destination: { write: (line) => void lines.push(line) } }),
    })
    return new Stage(server, model, lines, async () => millrace?.close())
  }

  /** Connected when it resolves. */
  async connect(
    options: { readonly cookie?: string; readonly origin?: string; readonly transport?: string } = {},
  ): Promise<Socket> {
    const socket = this.unconnected(options)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
      socket.connect()
    })
    return socket
  }

  unconnected(
    options: { readonly cookie?: string; readonly origin?: string; readonly transport?: string } = {},
  ): Socket {
    const { cookie, origin, transport = 'websocket' } = options
    const socket = io(this.server.url, {
      transports: [transport],
      forceNew: true,
      reconnection: false,
      autoConnect: false,
      extraHeaders: { ...(cookie === undefined ? {} : { cookie }), ...(origin === undefined ? {} : { origin }) },
    })
    this.#sockets.push(socket)
    return socket
  }

  get(path: string, cookie?: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.request('GET', path, { ...headers, ...(cookie === undefined ? {} : { cookie }) })
  }

  post(path: string, body: unknown, cookie?: string): Promise<Response> {
    const headers = { 'content-type': 'application/json', ...(cookie === undefined ? {} : { cookie }) }
    return this.request('POST', path, headers, JSON.stringify(body))
  }

  request(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Response> {
    const url = new URL(path, this.server.url)
    return fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(replyMsMax),
      ...(body === undefined ? {} : { body }),
    })
  }

  /** A new session's cookie, as a browser would send it back. */
  async session(): Promise<string> {
    const response = await this.get('/api/session')
    return cookieOf(response)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.disconnect()
    await this.server.close({ graceMs: 0 })
    await this.#closeBackend()
  }
}

export function cookieOf(response: Response): string {
  const cookie = response.headers.getSetCookie()[0]?.split(';')[0]
  if (cookie === undefined) throw new Error('The response sets no cookie')
  return cookie
}

/** What a call is answered with; rejects when nothing comes in time. */
export function call(socket: Socket, event: string, ...payload: unknown[]): Promise<Reply> {
  return socket.timeout(replyMsMax).emitWithAck(event, ...payload) as Promise<Reply>
}

export interface Reply {
  readonly ok: boolean
  readonly error?: { readonly code: string; readonly message: string; readonly retryAfterMs?: number }
  readonly answer?: string
  readonly created?: boolean
  readonly stopped?: boolean
  readonly answers?: readonly { readonly answer: string; readonly question: string; readonly state: string }[]
}

export interface WireEntry {
  readonly type: string
  readonly id: string
  readonly seq: number
  readonly epoch: number
  readonly text?: string
}

/** Collects what a socket is sent under one name, and tells when a condition holds. */
export class Inbox<Payload> {
  readonly received: Payload[] = []
  readonly #socket: Socket
  readonly #event: string

  constructor(socket: Socket, event: string) {
    this.#socket = socket
    this.#event = event
    socket.on(event, (payload: Payload) => this.received.push(payload))
  }

  until(condition: (received: readonly Payload[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const got = JSON.stringify(this.received).slice(0, 600)
        reject(new Error(`'${this.#event}' did not bring what was waited for; it brought ${got}`))
      }, replyMsMax)
      const check = (): void => {
        if (!condition(this.received)) return
        clearTimeout(timer)
        this.#socket.off(this.#event, check)
        resolve()
      }
      this.#socket.on(this.#event, check)
      check()
    })
  }
}

export interface EntryBatch {
  readonly answer: string
  readonly entries: readonly WireEntry[]
  readonly caughtUp: boolean
}

export function entriesOf(batches: readonly EntryBatch[], answer?: string): WireEntry[] {
  return batches.filter((batch) => answer === undefined || batch.answer === answer).flatMap((batch) => batch.entries)
}

export function isClosed(batches: readonly EntryBatch[]): boolean {
  return entriesOf(batches).some((entry) => ['end', 'error', 'stopped'].includes(entry.type))
}

export function textIn(entries: readonly WireEntry[]): string {
  return entries.map((entry) => entry.text ?? '').join('')
}

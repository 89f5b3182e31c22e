/**
 * The backend as one thing that starts and closes: Express and Socket.IO on one port, over one relay.
 *
 *   Backend ──► Relay ──┬── Socket.IO ──┐
 *   LanguageModel ──────┤               ├── HTTP server ──► gate ──► the world
 *   Handbook            └── Express ────┘
 *
 *   listening ──close()──► stopping: readyz 503, no new questions, running answers finish ──► closed
 */
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { createRelay, type LanguageModel, type Relay } from '@millrace/relay'
import type { Backend } from 'millrace'
import type { Server as SocketServer } from 'socket.io'
import { Backlog } from './backlog.ts'
import type { ClientParts } from './client.ts'
import { type Config, defaultLimits } from './config.ts'
import { guard, type Gate } from './gate.ts'
import { Inspector } from './inspector.ts'
import type { Log } from './logs.ts'
import { Origins } from './origin.ts'
import { createRoutes, type RouteParts } from './routes.ts'
import { Sessions } from './session.ts'
import { attachSockets } from './sockets.ts'
import { payloads, questionBytesMax } from './validate.ts'

export interface AppParts {
  /** Stays its owner's: closing the server does not close it. */
  readonly backend: Backend
  readonly model: { readonly model: LanguageModel; readonly kind: string }
  readonly article: RouteParts['article']
  readonly log: Log
}

export interface AppServer {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly relay: Relay
  /** Bytes that wait in this process for clients to read them. */
  readonly waitingBytes: number
  /** Lets running answers finish for `graceMs` (default 10 s), hands back the rest, ends every connection. Idempotent. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

const headersMsMax = 10_000
const requestMsMax = 30_000
const keepAliveMs = 5_000
const headerBytesMax = 16 * 1024
const headersCountMax = 100
const graceMsDefault = 10_000
const partingMs = 1_000
const readyMsMax = 2_000

/** Listens when it resolves; rejects with the cause when the address cannot be used. */
export async function startAppServer(config: Config, parts: AppParts): Promise<AppServer> {
  const relay = createRelay(parts.backend, {
    server: config.serverName,
    retentionMs: config.retentionMs,
    leaseMs: config.leaseMs,
    concurrency: config.answersAtOnce,
    onError: (error) => parts.log.error({ err: error }, 'an answer or a job failed'),
    perMinuteMax: config.limits.perMinuteMax,
    unfinishedMax: config.limits.unfinishedMax,
  })
  const stopping = new AbortController()
  const common = {
    ...clientParts(config, parts, relay),
    origins: new Origins(config.allowedOrigins),
    sessions: new Sessions(),
    isStopping: () => stopping.signal.aborted,
  }
  const routes = createRoutes({ ...common, article: parts.article, isReady: () => isReady(relay, stopping.signal) })
  const http = createHttpServer(routes, config.limits.stallMsMax)
  const io = attachSockets(http, common)
  const gate = guard(http, { ...config.limits, origins: common.origins })
  try {
    await listen(http, config.host, config.port)
  } catch (error) {
    await relay.close({ graceMs: 0 })
    throw error
  }
  relay.work(parts.model.model)
  return new RunningServer({ http, io, gate, relay, stopping, host: config.host })
}

function clientParts(config: Config, parts: AppParts, relay: Relay): ClientParts {
  const { limits } = config
  const { model, kind } = parts.model
  const hello = (): object => ({
    server: config.serverName,
    backend: parts.backend.label,
    model: { label: model.label, kind },
    topics: config.topics,
    limits: {
      questionBytesMax,
      perMinuteMax: limits.perMinuteMax,
      unfinishedMax: limits.unfinishedMax,
      retentionMs: config.retentionMs,
    },
    nowMs: Date.now(),
  })
  const inspector = new Inspector(relay, { backendLabel: parts.backend.label, leaseMs: config.leaseMs })
  const backlog = new Backlog(relay, limits.waitingMax, parts.log)
  return { relay, backlog, inspector, payloads: payloads(config.topics), limits, log: parts.log, hello }
}

export function createHttpServer(routes: Express, stallMsMax: number = defaultLimits.stallMsMax): HttpServer {
  const server = createServer(
    {
      headersTimeout: headersMsMax,
      requestTimeout: requestMsMax,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: headerBytesMax,
      connectionsCheckingInterval: 5_000,
    },
    routes,
  )
  // A WebSocket is exempt (ws takes the time-out away): its heartbeat does the same.
  server.timeout = stallMsMax
  server.maxHeadersCount = headersCountMax
  return server
}

export function listen(server: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function isReady(relay: Relay, stopping: AbortSignal): Promise<boolean> {
  if (stopping.aborted) return false
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, readyMsMax, false)
  })
  const answered = relay.inspectQuestions().then(
    () => !stopping.aborted,
    () => false,
  )
  try {
    return await Promise.race([answered, tooLong])
  } finally {
    clearTimeout(timer)
  }
}

interface RunningParts {
  readonly http: HttpServer
  readonly io: SocketServer
  readonly gate: Gate
  readonly relay: Relay
  readonly stopping: AbortController
  readonly host: string
}

class RunningServer implements AppServer {
  readonly #parts: RunningParts
  readonly host: string
  readonly port: number
  #closed: Promise<void> | undefined

  constructor(parts: RunningParts) {
    this.#parts = parts
    this.host = parts.host
    this.port = (parts.http.address() as AddressInfo).port
  }

  get url(): string {
    return addressUrl(this.host, this.port)
  }

  get relay(): Relay {
    return this.#parts.relay
  }

  get waitingBytes(): number {
    return this.#parts.gate.waitingBytes
  }

  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.graceMs ?? graceMsDefault)
    return this.#closed
  }

  async #close(graceMs: number): Promise<void> {
    const { io, gate, relay, stopping } = this.#parts
    stopping.abort()
    await relay.close({ graceMs })
    // Whoever does not close his end in time is cut off: closing waits for the last connection.
    const cut = setTimeout(() => gate.destroyAll(), partingMs)
    try {
      await io.close()
    } finally {
      clearTimeout(cut)
    }
  }
}

/** An address for people: the wildcard is shown as this machine. */
export function addressUrl(host: string, port: number): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}/`
}

/**
 * The way to the server: the session first, then one socket that is kept up.
 *
 *   connecting ──hello──► live ◄──3 s── resumed
 *        ▲                 │               ▲
 *        │             cut, silent         │ up again
 *        └──────────── reconnecting ───────┘        (offline: the same without a network)
 *
 * A socket can be dead without saying so (a suspended laptop, a cut cable). So when nothing has been heard for a
 * few seconds the connection is probed with a small call, and is torn down and made anew when no answer comes.
 */
import { io, type Socket } from 'socket.io-client'
import { decodeError, type WireError } from './wire.ts'

export interface ConnectionState {
  readonly kind: 'connecting' | 'live' | 'reconnecting' | 'resumed' | 'offline'
  readonly attempt: number
}

export interface ConnectionEvents {
  readonly state: (state: ConnectionState) => void
  /** The socket is up: for the first time, or again. */
  readonly up: () => void
  readonly hello: (payload: unknown) => void
  readonly entry: (payload: unknown) => void
  readonly followEnded: (payload: unknown) => void
}

export type Reply =
  | { readonly ok: true; readonly payload: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: WireError }

const SESSION_TIMEOUT_MS = 8000
const CALL_TIMEOUT_MS = 8000
const SILENCE_MS = 4000
const SILENCE_HIDDEN_MS = 15_000
const PROBE_TIMEOUT_MS = 2500
const RETRY_MS_MAX = 3000
const RESUMED_MS = 3000

/** Codes of our own, for calls that never reached an answer. */
export const OFFLINE: WireError = { code: 'OFFLINE', message: 'There is no connection to the server.' }
export const TIMEOUT: WireError = { code: 'TIMEOUT', message: 'The server did not answer in time.' }

export class Connection {
  readonly backend: string
  readonly #events: ConnectionEvents
  #socket: Socket | undefined
  #state: ConnectionState = { kind: 'connecting', attempt: 0 }
  #wasUp = false
  #heardAt = 0
  #probing = false
  #wakeSession: (() => void) | undefined

  constructor(backend: string, events: ConnectionEvents) {
    this.backend = backend
    this.#events = events
  }

  get connected(): boolean {
    return this.#socket?.connected === true
  }

  async start(): Promise<void> {
    addEventListener('online', () => this.#wake())
    addEventListener('offline', () => this.#wake())
    addEventListener('pageshow', () => this.#wake())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#wake()
    })
    await this.#beginSession()
    this.#connect()
    setInterval(() => this.#watch(), 1000)
  }

  /** The cookie has to be there before the socket: its handshake carries it. */
  async #beginSession(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const hello = await fetchJson(`${this.backend}/api/session`)
      if (hello !== undefined) {
        this.#events.hello(hello)
        return
      }
      this.#setState(attempt === 1 ? 'connecting' : 'reconnecting', attempt)
      await this.#pause(Math.min(400 * 2 ** (attempt - 1), RETRY_MS_MAX))
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wakeSession = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #connect(): void {
    const socket = io(this.backend, {
      withCredentials: true,
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      timeout: 5000,
      reconnectionDelay: 300,
      reconnectionDelayMax: RETRY_MS_MAX,
      randomizationFactor: 0.3,
    })
    this.#socket = socket
    socket.on('connect', () => this.#onUp())
    socket.on('disconnect', (reason) => {
      if (reason !== 'io client disconnect') this.#setState('reconnecting', 0)
      // Ended by the server on purpose: the client library wouldn't try again.
      if (reason === 'io server disconnect') setTimeout(() => socket.connect(), 500)
    })
    socket.on('connect_error', () => {
      this.#setState(this.#wasUp ? 'reconnecting' : 'connecting', this.#state.attempt)
      if (!socket.active) setTimeout(() => socket.connect(), RETRY_MS_MAX)
    })
    socket.io.on('reconnect_attempt', (attempt) => this.#setState('reconnecting', attempt))
    socket.io.on('open', () => socket.io.engine.on('packet', () => this.#heard()))
    socket.on('hello', this.#events.hello)
    socket.on('entry', this.#events.entry)
    socket.on('follow-ended', this.#events.followEnded)
  }

  #onUp(): void {
    this.#heard()
    this.#setState(this.#wasUp ? 'resumed' : 'live', 0)
    if (this.#wasUp) {
      setTimeout(() => {
        if (this.#state.kind === 'resumed') this.#setState('live', 0)
      }, RESUMED_MS)
    }
    this.#wasUp = true
    this.#events.up()
  }

  #heard(): void {
    this.#heardAt = Date.now()
  }

  #setState(kind: ConnectionState['kind'], attempt: number): void {
    const isUp = kind === 'live' || kind === 'resumed'
    const next = { kind: !isUp && !navigator.onLine ? ('offline' as const) : kind, attempt }
    if (next.kind === this.#state.kind && next.attempt === this.#state.attempt) return
    this.#state = next
    this.#events.state(next)
  }

  /** Never rejects: a call without an answer is an error like any other. */
  async call(event: string, payload: object, timeoutMs = CALL_TIMEOUT_MS): Promise<Reply> {
    const socket = this.#socket
    if (socket?.connected !== true) return { ok: false, error: OFFLINE }
    let reply: unknown
    try {
      reply = await socket.timeout(timeoutMs).emitWithAck(event, payload)
    } catch {
      // The library rejects for one reason only: no acknowledgement in time, or the socket went down meanwhile.
      return { ok: false, error: this.connected ? TIMEOUT : OFFLINE }
    }
    const fields = typeof reply === 'object' && reply !== null ? (reply as Record<string, unknown>) : {}
    if (fields['ok'] === true) return { ok: true, payload: fields }
    return { ok: false, error: decodeError(fields['error']) }
  }

  /** The network or the reader came back: no reason to wait for the next attempt. */
  #wake(): void {
    this.#wakeSession?.()
    if (this.#socket === undefined) return
    if (this.#socket.connected) void this.#probe()
    else if (navigator.onLine) this.#reconnect()
    else this.#setState('offline', this.#state.attempt)
  }

  #watch(): void {
    const silenceMs = document.visibilityState === 'visible' ? SILENCE_MS : SILENCE_HIDDEN_MS
    if (this.connected && Date.now() - this.#heardAt > silenceMs) void this.#probe()
  }

  async #probe(): Promise<void> {
    if (this.#probing) return
    this.#probing = true
    const reply = await this.call('list', { count: 1 }, PROBE_TIMEOUT_MS)
    this.#probing = false
    if (!reply.ok && reply.error.code === 'TIMEOUT') this.#reconnect()
  }

  #reconnect(): void {
    this.#setState(this.#wasUp ? 'reconnecting' : 'connecting', this.#state.attempt + 1)
    this.#socket?.disconnect()
    this.#socket?.connect()
  }
}

/** `undefined` for every failure: the caller tries again. */
export async function fetchJson(url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { credentials: 'include', signal: AbortSignal.timeout(SESSION_TIMEOUT_MS) })
    return response.ok ? ((await response.json()) as unknown) : undefined
  } catch {
    // No network, no server, no JSON: all the same to who asks.
    return undefined
  }
}

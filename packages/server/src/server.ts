/**
 * A server: databases, command table and listeners put together.
 *
 *   starting ──listen──► loading ──► ready ──close()──► closing (no new clients, what was received is answered) ──► closed
 */
import { isIP } from 'node:net'
import { EngineError } from '@millrace/engine'
import { CommandTable } from './command-table.ts'
import { ConfigError } from './config.ts'
import { DirectoryError } from './durability.ts'
import { codeOf, ListenError, listenTcp, listenTls, listenUnix, type Listener } from './listener.ts'
import type { ServerOptions } from './options.ts'
import { ServerState } from './server-state.ts'
import { isLoopback } from './socket-names.ts'

const PORT = 6379
const tlsFiles = ['tls-cert-file', 'tls-key-file', 'tls-ca-cert-file'] as const
const LIMIT_MS = 5000
const POLL_MS = 20
/** How long a socket may wait for its peer's end once all of it is sent. */
const LINGER_MS = 300
/** IPv6 may be switched off on this machine. */
const LOOPBACK = ['127.0.0.1', '-::1']
const MISSING_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENOTFOUND'])
/** A free port for the first address may be taken for the next one: then others are tried. */
const FREE_PORT_TRIES = 10

export class Server {
  readonly state: ServerState
  readonly listeners: readonly Listener[]
  #closing: Promise<void> | undefined = undefined

  private constructor(state: ServerState, listeners: readonly Listener[]) {
    this.state = state
    this.listeners = listeners
  }

  /** Resolves when the server accepts connections; rejects with a `ListenError` when it cannot. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const hosts = options.bind ?? LOOPBACK
    if (options.password === '') throw new ListenError('An empty password is none: leave it out, or choose one')
    const state = new ServerState(options, new CommandTable())
    refusePublic(state, hosts)
    const listeners: Listener[] = []
    try {
      await listen(state, hosts, listeners)
    } catch (error) {
      for (const listener of listeners) await listener.close()
      throw error
    }
    if (listeners.length === 0)
      throw new ListenError('There is nothing to listen on: no port, no TLS port, no Unix socket')
    state.timers.start()
    const server = new Server(state, listeners)
    state.shutDown = options.shutdown ?? (() => void server.close())
    if (options.port !== false) state.config.tell('port', String(server.port))
    if (options.tls !== undefined) state.config.tell('tls-port', String(server.tlsPort))
    state.config.onCheck((wanted) => server.#useTlsFiles(wanted))
    options.onListening?.(server)
    await server.#load()
    return server
  }

  /** Clients may connect meanwhile, and are told LOADING. */
  async #load(): Promise<void> {
    try {
      await this.state.keeper?.open()
    } catch (error) {
      await this.close(0)
      throw directoryError(this.state, error)
    }
  }

  /** Of the first TCP listener without TLS. */
  get port(): number {
    return this.#portOf('tcp')
  }

  get tlsPort(): number {
    return this.#portOf('tls')
  }

  /** Reads the TLS files again, for connections to come. Throws a `ListenError`, and goes on with the old ones, if it cannot. */
  reloadTls(): void {
    for (const listener of this.listeners) listener.reload()
  }

  /** CONFIG SET tls-…-file, the same name again included: for connections to come. */
  #useTlsFiles(wanted: ReadonlyMap<string, string>): void {
    const name = tlsFiles.find((each) => wanted.has(each))
    if (name === undefined) return
    const { config, options } = this.state
    const fail = (reason: string): never => {
      throw new ConfigError(`CONFIG SET failed (possibly related to argument '${name}') - ${reason}`)
    }
    if (options.tls === undefined) return fail('this server was started without TLS')
    const [certFile, keyFile, caFile] = tlsFiles.map((each) => wanted.get(each) ?? config.text(each))
    // Whether clients are asked for certificates is the listener's for its life.
    if ((caFile === '') !== (options.tls.caFile === undefined)) return fail('CA certificates cannot begin or end here')
    try {
      const files = { certFile: certFile!, keyFile: keyFile!, ...(caFile === '' ? {} : { caFile: caFile! }) }
      for (const listener of this.listeners) listener.reload(files)
    } catch (error) {
      if (error instanceof ListenError) return fail(error.message)
      throw error
    }
  }

  /** Ends in order: no new clients, what has been received is answered, sockets are ended; after `limitMs` they are cut. */
  async close(limitMs: number = LIMIT_MS): Promise<void> {
    this.#closing ??= this.#close(limitMs)
    await this.#closing
  }

  async #close(limitMs: number): Promise<void> {
    const { state } = this
    state.isClosing = true
    for (const listener of this.listeners) await listener.close()
    // What is in the sockets' buffers already has arrived: one more turn for it.
    await new Promise((resolve) => setImmediate(resolve))
    state.tick()
    for (const connection of state.connections) connection.finish()
    await this.#untilEmpty(limitMs)
    for (const connection of state.connections) connection.close('now')
    // A destroyed socket tells its end a little later.
    while (state.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
    state.timers.stop()
    await state.keeper?.close()
  }

  async #untilEmpty(limitMs: number): Promise<void> {
    const started = performance.now()
    let sentAll = Infinity
    while (this.state.connections.size > 0) {
      const passed = performance.now() - started
      let unsent = 0
      for (const connection of this.state.connections) unsent += connection.outputBytes
      if (unsent > 0 || this.state.clients.size > 0) sentAll = Infinity
      else sentAll = Math.min(sentAll, passed)
      if (passed > limitMs || passed - sentAll > LINGER_MS) return
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  #portOf(kind: Listener['kind']): number {
    return this.listeners.find((listener) => listener.kind === kind)?.port ?? 0
  }
}

/** Whoever reaches an address that is not this machine's own can do anything, unless the default user has a password or is off. */
function refusePublic(state: ServerState, hosts: readonly string[]): void {
  const { insecure, port, tls } = state.options
  if (insecure === true || !state.isOpen) return
  if (port === false && tls === undefined) return
  for (const host of hosts) {
    const plain = host.replace(/^-/, '')
    if (isLoopback(plain)) continue
    const kind = isIP(plain) === 0 ? 'may be' : 'is'
    throw new ListenError(
      `${plain} ${kind} an address that others can reach, and without a password or users (ACL) anybody there could read and ` +
        'delete everything. Set a password, listen on 127.0.0.1 only, or say --insecure',
    )
  }
}

async function listen(state: ServerState, hosts: readonly string[], listeners: Listener[]): Promise<void> {
  const { port = PORT, tls, unixSocket, unixSocketMode = 0o700 } = state.options
  if (port !== false) {
    listeners.push(...(await onAll(hosts, port, async (host, number) => await listenTcp(state, host, number))))
  }
  if (tls !== undefined) {
    const open = async (host: string, number: number): Promise<Listener> =>
      await listenTls(state, host, { ...tls, port: number })
    listeners.push(...(await onAll(hosts, tls.port, open)))
  }
  if (unixSocket !== undefined) listeners.push(await listenUnix(state, unixSocket, unixSocketMode))
}

/** What a caller can do something about, as a sentence; our own mistakes stay as they are. */
function directoryError({ options }: ServerState, error: unknown): unknown {
  if (error instanceof EngineError) return new DirectoryError(error.message, { cause: error })
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return error
  return new DirectoryError(`The directory ${options.directory} cannot be used: ${error.message}`, { cause: error })
}

type Open = (host: string, port: number) => Promise<Listener>

/** The same port on all addresses; with port 0 a port that is free on all of them. */
async function onAll(hosts: readonly string[], port: number, open: Open): Promise<Listener[]> {
  for (let attempt = 1; ; attempt++) {
    const opened: Listener[] = []
    try {
      for (const host of hosts) {
        const listener = await openOne(host, opened[0]?.port ?? port, open)
        if (listener !== undefined) opened.push(listener)
      }
      if (opened.length === 0) throw new ListenError(`This machine has none of the addresses ${hosts.join(', ')}`)
      return opened
    } catch (error) {
      for (const listener of opened) await listener.close()
      const isWorthAnother = port === 0 && opened.length > 0 && codeOf(error) === 'EADDRINUSE'
      if (!isWorthAnother || attempt === FREE_PORT_TRIES) throw error
    }
  }
}

/** Undefined when the address may be missing (`-::1`), and is. */
async function openOne(host: string, port: number, open: Open): Promise<Listener | undefined> {
  if (!host.startsWith('-')) return await open(host, port)
  try {
    return await open(host.slice(1), port)
  } catch (error) {
    if (MISSING_ADDRESS.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

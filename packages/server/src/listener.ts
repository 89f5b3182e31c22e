/**
 * Where clients connect: TCP on one or more addresses, TLS on a port of its own, a Unix socket.
 *
 *   socket ──► room for one more? ──no──► an error line, closed
 *                       └──yes──► SocketConnection
 *
 * A Unix socket is bound in a directory that only its owner may enter, given its permissions there, and then moved to its
 * place: there is no moment at which somebody else can connect.
 */
import { chmodSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, type Stats } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions as SecureOptions, type TLSSocket } from 'node:tls'
import { SocketConnection } from './connection.ts'
import type { TlsFiles, TlsOptions } from './options.ts'
import type { ServerState } from './server-state.ts'
import { DENIED, isDenied } from './protected-mode.ts'
import { handleIo } from './handle-io.ts'
import { sharingReads } from './shared-reads.ts'
import { bracketed, isLoopback, namesOf } from './socket-names.ts'

const BACKLOG = 511
const TLS_HANDSHAKE_MS = 10_000
/** What fits into the address of a Unix socket, on Linux; elsewhere it is 103. */
const UNIX_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103

/** A server cannot listen where it was told to: a sentence for whoever started it. */
export class ListenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ListenError'
  }
}

export interface Listener {
  readonly kind: 'tcp' | 'tls' | 'unix'
  /** `127.0.0.1:6379`, `[::1]:6379`, or a path. */
  readonly address: string
  /** 0 of a Unix socket. */
  readonly port: number
  /** No more clients; those that are connected stay. */
  close(): Promise<void>
  /** TLS: reads the files again, these in place of those before, for connections to come. */
  reload(files?: TlsFiles): void
}

export async function listenTcp(state: ServerState, host: string, port: number): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => acceptSharing(state, socket))
  await listening(server, { host, port, backlog: BACKLOG, exclusive: true }, `${bracketed(host)}:${port}`)
  return tcpListener('tcp', server, host, () => undefined)
}

export async function listenTls(state: ServerState, host: string, options: TlsOptions): Promise<Listener> {
  const server = usable(() =>
    createTlsServer({ ...secureOptions(options), allowHalfOpen: true, handshakeTimeout: TLS_HANDSHAKE_MS }),
  )
  // Counted from the first byte: a handshake costs more than a request.
  const handshakes = new Set<Socket>()
  server.on('connection', (socket) => {
    if (handshakes.size + state.clients.size >= state.settings.maxClients) return void socket.destroy()
    handshakes.add(socket)
    socket.once('close', () => handshakes.delete(socket))
  })
  server.on('secureConnection', (socket) => {
    // One that is optional has to be good as well when it is shown.
    const isBad = options.clients === 'optional' && !socket.authorized && hasCertificate(socket)
    if (isBad) return void socket.destroy()
    for (const raw of handshakes) if (isSamePeer(raw, socket)) handshakes.delete(raw)
    accept(state, socket)
  })
  // A failed handshake is its peer's business: the socket is closed by then.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  await listening(
    server,
    { host, port: options.port, backlog: BACKLOG, exclusive: true },
    `${bracketed(host)}:${options.port}`,
  )
  let current = options
  const listener = tcpListener('tls', server, host, (files) => {
    const next = { ...current, ...files }
    usable(() => server.setSecureContext(secureOptions(next)))
    current = next
  })
  const close = async (): Promise<void> => {
    for (const socket of handshakes) socket.destroy()
    await listener.close()
  }
  return { ...listener, close }
}

export async function listenUnix(state: ServerState, path: string, mode: number): Promise<Listener> {
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    // Since it is moved there, it would be there, and nobody could connect.
    throw new ListenError(
      `Cannot listen on ${path}: a path of at most ${UNIX_PATH_BYTES_MAX} bytes can be connected to`,
    )
  }
  await removeStale(path)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
    acceptSharing(state, socket, path),
  )
  const hidden = privateDirectory(path)
  try {
    const place = join(hidden, 's')
    await listening(server, { path: place, backlog: BACKLOG }, path)
    chmodSync(place, mode)
    renameSync(place, path)
  } catch (error) {
    server.close()
    throw error instanceof ListenError
      ? error
      : new ListenError(`Cannot listen on ${path}: ${text(error)}`, { cause: error })
  } finally {
    rmSync(hidden, { recursive: true, force: true })
  }
  const own = lstatSync(path)
  const close = async (): Promise<void> => {
    await closed(server)
    // Another server may have taken the place over.
    if (statOf(path)?.ino === own.ino) unlinkSync(path)
  }
  return { kind: 'unix', address: path, port: 0, close, reload: () => undefined }
}

/** A socket that has not begun to read: it will read into the memory that all share, where that is possible. */
function acceptSharing(state: ServerState, socket: Socket, path?: string): void {
  const sharing = sharingReads(socket, handleIo)
  const connection = accept(state, sharing?.socket ?? socket, path)
  if (sharing === undefined) socket.resume()
  else sharing.reader = connection
}

function accept(state: ServerState, socket: Socket, path?: string): SocketConnection | undefined {
  const remote = path === undefined ? socket.remoteAddress : undefined
  // Gone before it was looked at.
  if (path === undefined && remote === undefined) {
    socket.destroy()
    return undefined
  }
  const refusal = refusalOf(state, remote)
  if (refusal === undefined) return SocketConnection.open(socket, state, namesOf(socket, path))
  state.rejectedConnections++
  socket.on('error', () => socket.destroy())
  socket.end(`-${refusal}\r\n`, () => socket.destroy())
  return undefined
}

function refusalOf(state: ServerState, remote: string | undefined): string | undefined {
  const { maxClients, maxClientsPerAddress } = state.settings
  if (state.isClosing) return 'ERR the server is closing'
  if (isDenied(state, remote)) return DENIED
  if (state.clients.size >= maxClients) return 'ERR max number of clients reached'
  if (maxClientsPerAddress === 0 || remote === undefined || isLoopback(remote)) return undefined
  const isFull = (state.clientsByAddress.get(remote) ?? 0) >= maxClientsPerAddress
  return isFull ? 'ERR max number of clients from this address reached' : undefined
}

function tcpListener(kind: 'tcp' | 'tls', server: NetServer, host: string, reload: Listener['reload']): Listener {
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as AddressInfo
  return { kind, address: `${bracketed(host)}:${port}`, port, close: () => closed(server), reload }
}

interface Place {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly backlog: number
  readonly exclusive?: boolean
}

async function listening(server: NetServer, place: Place, name: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new ListenError(`Cannot listen on ${name}: ${text(error)}`, { cause: error })),
    )
    server.listen(place, resolve)
  })
  // From now on an error means a client that could not be accepted (no file descriptor left): it goes, we stay.
  server.removeAllListeners('error')
  server.on('error', () => undefined)
}

/** The error's code: of a `ListenError`, that of its cause. */
export function codeOf(error: unknown): string | undefined {
  const cause = error instanceof ListenError ? error.cause : error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not',
  ENOTFOUND: 'there is no such host',
  ENOENT: 'there is no such file or directory',
}

function text(error: unknown): string {
  return reasons[codeOf(error) ?? ''] ?? (error instanceof Error ? error.message : String(error))
}

async function closed(server: NetServer): Promise<void> {
  await new Promise<void>((resolve) => {
    // Its connections are the server's to end, and are not waited for here.
    server.close()
    server.unref()
    resolve()
  })
}

function secureOptions({ certFile, keyFile, caFile, clients }: TlsOptions): SecureOptions {
  const asks = clients ?? (caFile === undefined ? 'no' : 'yes')
  return {
    cert: readPem(certFile, 'certificate'),
    key: readPem(keyFile, 'key'),
    ...(caFile === undefined ? {} : { ca: readPem(caFile, 'CA certificate') }),
    minVersion: 'TLSv1.2',
    requestCert: asks !== 'no',
    rejectUnauthorized: asks === 'yes',
  }
}

function isSamePeer(one: Socket, other: Socket): boolean {
  return one.remotePort === other.remotePort && one.remoteAddress === other.remoteAddress
}

/** The files can be read, and still hold nothing that TLS can use. */
function usable<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (error instanceof ListenError) throw error
    throw new ListenError(`The TLS certificate and key cannot be used: ${text(error)}`, { cause: error })
  }
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0
}

function readPem(file: string, what: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ListenError(`Cannot read the TLS ${what} ${file}: ${text(error)}`, { cause: error })
  }
}

/** A socket file that nobody listens on any more is in the way, and goes; anything else there is a mistake. */
async function removeStale(path: string): Promise<void> {
  const stats = statOf(path)
  if (stats === undefined) return
  if (!stats.isSocket()) throw new ListenError(`Cannot listen on ${path}: there is a file that is no socket`)
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'))
  })
  if (isAlive) throw new ListenError(`Cannot listen on ${path}: another program listens there`)
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function privateDirectory(path: string): string {
  try {
    // mkdtemp makes it with mode 0700.
    return mkdtempSync(join(dirname(path), '.millrace-'))
  } catch (error) {
    throw new ListenError(`Cannot listen on ${path}: ${text(error)}`, { cause: error })
  }
}

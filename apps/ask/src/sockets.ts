/**
 * Socket.IO on the HTTP server: who may connect, with which limits, in which session.
 *
 *   handshake ──► stopping?  ──► Origin on the list? ──► session cookie ──► Client
 *
 * Socket.IO's own recovery of missed packets stays off: offsets are ours, and the log is the memory.
 */
import type { Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import { Client, type ClientParts } from './client.ts'
import type { Origins } from './origin.ts'
import type { Sessions } from './session.ts'

/** A client that does not join within this time after the handshake is dropped. */
const connectTimeoutMs = 10_000
/** A dead connection is noticed after at most the sum of both. */
const pingIntervalMs = 10_000
const pingTimeoutMs = 10_000

export interface SocketParts extends ClientParts {
  readonly origins: Origins
  readonly sessions: Sessions
  readonly isStopping: () => boolean
}

export function attachSockets(http: HttpServer, parts: SocketParts): Server {
  const io = new Server(http, {
    allowRequest: (request, decide) => {
      if (parts.isStopping()) decide('This server is stopping', false)
      else if (parts.origins.allows(request.headers.origin)) decide(undefined, true)
      else decide('Pages of this origin may not talk to this server', false)
    },
    cors: { origin: [...parts.origins.list], credentials: true },
    maxHttpBufferSize: parts.limits.messageBytesMax,
    perMessageDeflate: false,
    httpCompression: false,
    connectTimeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    pingTimeout: pingTimeoutMs,
  })
  io.engine.on('initial_headers', (headers: Record<string, string>, request) => {
    const session = parts.sessions.of(request)
    if (session.isNew) headers['Set-Cookie'] = session.setCookie
  })
  io.on('connection', (socket) => {
    void new Client(socket, parts.sessions.of(socket.request).owner, parts)
  })
  return io
}

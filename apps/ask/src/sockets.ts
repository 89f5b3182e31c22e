/**
 * Socket.IO on the HTTP server: who may connect, with which limits, in which session.
 *
 *   every request ──► Origin on the list? ──► handshake ──► stopping? ──► session cookie ──► CONNECT ──► Client
 *                                             └ from here on the connection's packets are counted
 *
 * Socket.IO's own recovery of missed packets stays off: offsets are ours, and the log is the memory.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import { Server, type Socket } from 'socket.io'
import { Client, type ClientParts } from './client.ts'
import { originFailure, type Origins } from './origin.ts'
import { PacketRate } from './packet-rate.ts'
import type { Sessions } from './session.ts'
import { httpStatusOf, toWireError } from './wire.ts'

/** A client that does not join within this time after the handshake is dropped. */
const connectTimeoutMs = 10_000
/** A dead connection is noticed after at most the sum of both. */
const pingIntervalMs = 10_000
const pingTimeoutMs = 10_000
/** Pieces in which one message may come. A browser sends our largest in one. */
const fragmentsMax = 64

export interface SocketParts extends ClientParts {
  readonly origins: Origins
  readonly sessions: Sessions
  readonly isStopping: () => boolean
}

interface EngineOnWs {
  readonly ws: { readonly options: { maxFragments: number } }
}

export function attachSockets(http: HttpServer, parts: SocketParts): Server {
  const io = new Server(http, {
    allowRequest: (_request, decide) => {
      if (parts.isStopping()) decide('This server is stopping', false)
      else decide(undefined, true)
    },
    cors: { origin: [...parts.origins.list], credentials: true },
    maxHttpBufferSize: parts.limits.messageBytesMax,
    perMessageDeflate: false,
    httpCompression: false,
    connectTimeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    pingTimeout: pingTimeoutMs,
  })
  // Of a polling client's requests Socket.IO shows only the handshake to `allowRequest`. (An upgrade has passed the gate.)
  io.engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    if (parts.origins.allows(request.headers.origin)) next()
    else refuseOrigin(response, parts)
  })
  // Engine.IO hands no option on for this, and ws by itself takes 16,384 pieces, each an object of its own. It makes its
  // WebSocket server anew when the HTTP server begins to listen.
  http.on('listening', () => ((io.engine as unknown as EngineOnWs).ws.options.maxFragments = fragmentsMax))
  io.engine.on('initial_headers', (headers: Record<string, string>, request) => {
    const session = parts.sessions.of(request)
    if (session.isNew) headers['Set-Cookie'] = session.setCookie
  })
  const rates = countPackets(io, parts.limits.packetsPerSecondMax)
  io.use((socket, next) => {
    const rate = rates.get(socket.conn)
    // One client for one connection: a payload of many CONNECTs, all under way at once, would make as many clients.
    if (rate === undefined || !rates.delete(socket.conn)) {
      socket.conn.close(true)
      next(new Error('This connection has joined already'))
      return
    }
    socket.data = rate
    next()
  })
  io.on('connection', (socket) => {
    void new Client(socket, parts.sessions.of(socket.request).owner, socket.data as PacketRate, parts)
  })
  return io
}

/** Counts the packets of each connection from its first on; it is in the map until it has joined. */
function countPackets(io: Server, packetsPerSecondMax: number): WeakMap<Socket['conn'], PacketRate> {
  const rates = new WeakMap<Socket['conn'], PacketRate>()
  io.engine.on('connection', (conn: Socket['conn']) => {
    const rate = new PacketRate(packetsPerSecondMax)
    rates.set(conn, rate)
    conn.on('packet', () => {
      if (rate.add(performance.now()) === 'disconnect') conn.close(true)
    })
  })
  return rates
}

function refuseOrigin(response: ServerResponse, { log }: SocketParts): void {
  const error = toWireError(originFailure(), log)
  response.writeHead(httpStatusOf(error.code), { 'Content-Type': 'application/json' }).end(JSON.stringify({ error }))
}

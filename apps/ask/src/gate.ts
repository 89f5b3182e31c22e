/**
 * The gate: what is refused before anything reads it.
 *
 *   connection ──► over the address's cap?  429 and closed ──► HTTP parser
 *   upgrade    ──► strange Origin?          403 and closed ──► engine.io
 *
 * The total is `maxConnections` of the HTTP server, which Node holds itself.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Origins } from './origin.ts'
import { httpStatusOf, wireError, type WireError } from './wire.ts'

const reasons: Readonly<Record<number, string>> = { 403: 'Forbidden', 429: 'Too Many Requests' }
/** So long a refused client may take to read why. */
const partingMs = 1000

export interface GateOptions {
  readonly origins: Origins
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
}

/** To be called last: it stands before the listeners that are there. */
export function guard(server: Server, options: GateOptions): Gate {
  server.maxConnections = options.connectionsMax
  const counts = new Map<string, number>()
  const gate = new Gate()
  standBefore(server, 'connection', (socket: Socket) => {
    gate.add(socket)
    if (count(socket, counts) <= options.connectionsPerAddressMax) return true
    refuse(socket, wireError('TOO_MANY_CONNECTIONS', `At most ${options.connectionsPerAddressMax} connections.`))
    return false
  })
  standBefore(server, 'upgrade', (socket: Socket, request: IncomingMessage) => {
    // Node takes its own listener away at an upgrade, and a reset without one would end the process.
    socket.on('error', () => socket.destroy())
    if (options.origins.allows(request.headers.origin)) return true
    refuse(socket, wireError('ORIGIN_REFUSED', 'Pages of this origin may not talk to this server.'))
    return false
  })
  return gate
}

/** The connections that are open, WebSockets included (which `closeAllConnections` of Node leaves open). */
export class Gate {
  readonly #open = new Set<Socket>()

  add(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
  }

  get waitingBytes(): number {
    let bytes = 0
    for (const socket of this.#open) bytes += socket.writableLength
    return bytes
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy()
  }
}

function standBefore(
  server: Server,
  event: 'connection' | 'upgrade',
  admits: (socket: Socket, request: IncomingMessage) => boolean,
): void {
  const listeners = server.listeners(event)
  server.removeAllListeners(event)
  server.on(event, (...parts: unknown[]) => {
    const [request, socket] = (event === 'upgrade' ? parts : [undefined, parts[0]]) as [IncomingMessage, Socket]
    if (!admits(socket, request)) return
    for (const listener of listeners) Reflect.apply(listener, server, parts)
  })
}

/** Counts a connection until it closes. */
function count(socket: Socket, counts: Map<string, number>): number {
  const address = socket.remoteAddress ?? ''
  const now = (counts.get(address) ?? 0) + 1
  counts.set(address, now)
  socket.once('close', () => {
    const left = (counts.get(address) ?? 1) - 1
    if (left === 0) counts.delete(address)
    else counts.set(address, left)
  })
  return now
}

function refuse(socket: Socket, error: WireError): void {
  const body = JSON.stringify({ error })
  const status = httpStatusOf(error.code)
  socket.on('error', () => socket.destroy())
  socket.setTimeout(partingMs, () => socket.destroy())
  // Read to the end: closing over unread bytes would reset the connection before the answer is seen.
  socket.resume()
  socket.once('end', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status]}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

/**
 * A socket and its client: bytes in, replies out, and the limits on both.
 *
 *   data ──► parser ──► dispatch, request by request, within a budget for the turn ──► one write of all replies
 *                          │ budget used up: the rest in a later turn, after the others had theirs
 *                          │ client blocked: the rest when it is served
 *                          └ too much unsent output: no more is read until it is sent
 */
import type { Socket } from 'node:net'
import { ProtocolError, RequestParser } from '@millrace/protocol'
import { forget } from './blocking.ts'
import { Client, type Connection } from './client.ts'
import { dispatch } from './dispatch.ts'
import type { ServerState } from './server-state.ts'

const TURN_REQUESTS_MAX = 1000

export class SocketConnection implements Connection {
  readonly client: Client
  readonly #socket: Socket
  readonly #parser: RequestParser
  readonly #waiting: Buffer[] = []
  #isEnding = false
  #isTurnDue = false

  constructor(socket: Socket, server: ServerState) {
    this.#socket = socket
    this.#parser = new RequestParser(server.options.requestLimits)
    this.client = new Client(server.nextClientId(), server, this)
    server.clients.set(this.client.id, this.client)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  get address(): string {
    return `${this.#socket.remoteAddress ?? ''}:${this.#socket.remotePort ?? 0}`
  }

  get localAddress(): string {
    return `${this.#socket.localAddress ?? ''}:${this.#socket.localPort ?? 0}`
  }

  flush(): void {
    const { reply } = this.client
    if (reply.length === 0 || this.#socket.destroyed) return
    this.#socket.write(reply.written())
    // Written at once, or still read by the socket.
    reply.sent(this.#socket.writableLength === 0)
  }

  resume(): void {
    this.#later()
  }

  close(how: 'after-reply' | 'now'): void {
    this.#isEnding = true
    if (how === 'now') {
      this.#socket.destroy()
      return
    }
    this.flush()
    this.#socket.end()
  }

  #receive(chunk: Buffer): void {
    if (this.#isTurnDue || this.client.blocked !== undefined) {
      this.#waiting.push(chunk)
      this.#socket.pause()
      return
    }
    this.#parser.feed(chunk)
    this.#turn()
  }

  #turn(): void {
    this.#isTurnDue = false
    try {
      this.#run()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.client.reply.error(`ERR Protocol error: ${error.message}`)
      this.close('after-reply')
      return
    }
    this.flush()
  }

  #run(): void {
    const { client } = this
    for (let left = TURN_REQUESTS_MAX; !this.#isEnding && client.blocked === undefined; left--) {
      if (left === 0) return this.#later()
      if (this.#parser.next()) {
        dispatch(client, this.#parser.request)
        continue
      }
      const chunk = this.#waiting.shift()
      if (chunk === undefined) {
        this.#socket.resume()
        return
      }
      this.#parser.feed(chunk)
    }
  }

  #later(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    setImmediate(() => this.#turn())
  }

  #closed(): void {
    this.#isEnding = true
    const { client } = this
    client.isClosed = true
    forget(client)
    client.server.pubSub.leave(client)
    client.server.clients.delete(client.id)
  }
}

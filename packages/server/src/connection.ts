/**
 * A socket and its client: bytes in, replies out, and the limits on both.
 *
 *   data ──► parser ──► dispatch, request by request, within a budget for the turn ──► one write of all replies
 *                          │ budget used up: the rest in a later turn, after the others had theirs
 *                          │ client waits (blocked, held): the rest when it is served
 *                          │ long reply: told in steps, the rest after its end
 *                          └ too much output unsent, or held until it is safe: nothing is run or read until it is sent
 *
 * What arrives while requests wait is queued; reading stops when that is more than a little. A blocked client is read on for a
 * while, since that is how its end is noticed.
 *
 *   open ──close('after-reply')──► ending: replies are sent (those that are held when they are safe), what still comes is
 *     │                                    thrown away ──peer's end, a second────────────────────────────────────────► closed
 *     └──────────close('now'), error, limit───────────────────────────────────────────────────────────────────────────► closed
 */
import type { Socket } from 'node:net'
import { EngineError } from '@millrace/engine'
import { ProtocolError, RequestParser } from '@millrace/protocol'
import { forget } from './blocking.ts'
import { Client, type Connection } from './client.ts'
import { dispatch, refusalAhead } from './dispatch.ts'
import { UNAUTHENTICATED_OUTPUT_BYTES_HIGH } from './options.ts'
import { Output } from './output.ts'
import type { ServerState } from './server-state.ts'
import { closeLargest } from './shortage.ts'
import type { SharedReader } from './shared-reads.ts'
import type { SocketNames } from './socket-names.ts'

// One turn of a client: a pipeline of 1,000 quick commands takes about a millisecond.
const TURN_REQUESTS_MAX = 1000
const TURN_MS_MAX = 5
/** Replies are written when they have grown to this, so that a pipeline of large ones doesn't pile up. */
const FLUSH_BYTES = 262_144
const STREAM_STEP_BYTES = 65_536
/** What is queued while requests wait; more is left in the socket. */
const QUEUED_BYTES_MAX = 65_536
const QUEUED_BYTES_BLOCKED_MAX = 1024 * 1024
const QUEUED_CHUNKS_MAX = 1024
const SLOWEST_BYTES_PER_MS = 64
/** A request that would be refused is not waited for beyond this. */
const REFUSED_BYTES_MAX = 1024 * 1024
const LINGER_MS = 1000
/** After so long without a request a connection gives its reply's buffer back: 16 KiB each, and 10,000 may be quiet. */
const QUIET_MS = 1000
/** How many sockets may wait for their peer's end; more are cut. */
const LINGERING_MAX = 1000

export class SocketConnection implements Connection, SharedReader {
  readonly client: Client
  readonly address: string
  readonly localAddress: string
  readonly host: string
  readonly #remote: string | undefined
  readonly #socket: Socket
  readonly #output: Output
  readonly #parser: RequestParser
  readonly #queue: Buffer[] = []
  #queuedBytes = 0
  #unauthenticatedBytes = 0
  #countedInput = 0
  /** The socket is not read. */
  #isPaused = false
  /** Since when a request is on its way; 0: none is. */
  #partialSinceMs = 0
  /** Since when nothing is run or read because replies are unsent. */
  #fullSinceMs = 0
  #endingSinceMs = 0
  #isEnding = false
  #isTurnDue = false
  #isDraining = false
  /** No more requests will come. */
  #isLast = false

  /** Begins to serve a socket; it ends by itself when the socket does. */
  static open(socket: Socket, server: ServerState, name: SocketNames): SocketConnection {
    return new SocketConnection(socket, server, name)
  }

  private constructor(socket: Socket, server: ServerState, name: SocketNames) {
    this.#socket = socket
    this.address = name.address
    this.localAddress = name.localAddress
    this.host = name.remote ?? ''
    this.#remote = name.remote
    this.#parser = new RequestParser(server.options.requestLimits)
    this.client = new Client(server.nextClientId(), server, this)
    this.#output = new Output(this.client, socket)
    server.clients.set(this.client.id, this.client)
    server.connections.add(this)
    server.totalConnections++
    server.countClient(name.remote, 1)
    socket.setNoDelay(true)
    const { keepAliveSeconds } = server.settings
    if (keepAliveSeconds > 0) socket.setKeepAlive(true, keepAliveSeconds * 1000)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#peerEnded())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  get inputBytes(): number {
    if (this.client.isClosed) return 0
    return this.#parser.waitingBytes + this.#queuedBytes + this.client.transaction.bytes
  }

  get outputBytes(): number {
    return this.#output.bytes
  }

  get isGone(): boolean {
    return this.#socket.destroyed
  }

  flush(): void {
    if (this.#isEnding || this.#output.flush()) return
    const bytes = this.outputBytes + this.client.reply.length
    const why = this.#output.heldSinceMs === undefined ? "it doesn't read its replies" : 'its replies wait for the disk'
    this.client.server.log(`Closed ${this.address}: ${why}, ${bytes} bytes wait`)
    this.close('now')
  }

  letGo(): boolean {
    const isAll = this.#output.letGo(this.client.server.gate!.safeGroup)
    // From now on it is the peer that is waited for.
    if (this.#isDraining) this.#fullSinceMs = this.client.server.nowMs
    if (this.#isEnding) {
      if (isAll && !this.#socket.destroyed) this.#end()
    } else this.#goOnIfSent()
    return isAll
  }

  resume(): void {
    this.#later()
  }

  close(how: 'after-reply' | 'now'): void {
    if (how === 'now') {
      this.#isEnding = true
      this.#socket.destroy()
      this.#leave()
      this.#output.drop()
      this.#output.count()
      return
    }
    if (this.#isEnding) return
    this.flush()
    this.#isEnding = true
    this.#leave()
    if (this.#output.heldSinceMs === undefined) return this.#end()
    const { server } = this.client
    const lingering = server.connections.size - server.clients.size
    if (lingering > Math.max(LINGERING_MAX, server.settings.maxClients)) this.#socket.destroy()
  }

  /** Ends the socket behind all that was sent. */
  #end(): void {
    const { server } = this.client
    const lingering = server.connections.size - server.clients.size
    if (this.#socket.destroyed || lingering > LINGERING_MAX) {
      this.#socket.destroySoon()
      return
    }
    // Closing a socket that has unread bytes resets it, and the peer may lose the reply: so it is read to its end.
    this.#endingSinceMs = server.nowMs
    this.#socket.end(() => (this.#endingSinceMs = server.env.nowMs()))
    this.#socket.resume()
  }

  finish(): void {
    this.#isLast = true
    if (!this.#isBusy() || this.client.isWaiting) this.close('after-reply')
    else this.#later()
  }

  checkDeadlines(nowMs: number): void {
    const { client } = this
    const { settings, isOpen } = client.server
    const { heldSinceMs } = this.#output
    if (heldSinceMs !== undefined) {
      if (nowMs - heldSinceMs > settings.heldMs) this.#endFor('its replies could not be made safe in time')
    } else if (this.#isEnding) {
      const limitMs = this.#output.unsent === 0 ? LINGER_MS : this.#unreadMsMax()
      if (nowMs - this.#endingSinceMs > limitMs) this.#socket.destroy()
    } else if (!client.isAuthenticated && !isOpen && nowMs - client.createdMs > settings.handshakeMs) {
      this.#endFor('it did not prove who it is in time')
    } else if (this.#isDraining) {
      // Its request, whole or not, waits for us then.
      if (nowMs - this.#fullSinceMs > this.#unreadMsMax()) this.#endFor('it left its replies unread')
    } else if (this.#partialSinceMs > 0 && nowMs - this.#partialSinceMs > this.#requestMsMax()) {
      this.#endFor('a request of it was not whole in time')
    } else if (nowMs - client.lastActiveMs > QUIET_MS) {
      client.reply.release()
      if (client.isIdle(nowMs)) this.#endFor('it was idle')
    }
  }

  #endFor(reason: string): void {
    this.client.server.log(`Closed ${this.address}: ${reason}`)
    this.close('now')
  }

  #requestMsMax(): number {
    return this.client.server.settings.requestMs + this.#parser.waitingBytes / SLOWEST_BYTES_PER_MS
  }

  #unreadMsMax(): number {
    return this.client.server.settings.unreadMs + this.#output.unsent / SLOWEST_BYTES_PER_MS
  }

  #isBusy(): boolean {
    const { isWaiting, source } = this.client
    return this.#isTurnDue || this.#isDraining || isWaiting || source !== undefined
  }

  /** Hot: bytes in the memory that all connections read into. What of it is not parsed in this turn is copied. */
  receiveShared(bytes: Buffer, length: number): void {
    if (!this.#admits(length)) return
    if (this.#isBusy()) return this.#enqueue(Buffer.from(bytes.subarray(0, length)))
    this.#parser.feed(bytes, length)
    this.#turn()
  }

  #receive(chunk: Buffer): void {
    if (!this.#admits(chunk.length)) return
    if (this.#isBusy()) return this.#enqueue(chunk)
    this.#parser.feed(chunk)
    this.#turn()
  }

  #admits(bytes: number): boolean {
    const { client } = this
    if (this.#isEnding) return false
    client.server.statistics.traffic.received(bytes)
    if (client.isAuthenticated || client.server.isOpen) return true
    this.#unauthenticatedBytes += bytes
    if (this.#unauthenticatedBytes <= client.server.settings.unauthenticatedBytesMax) return true
    this.#endFor('it sent too much without proving who it is')
    return false
  }

  #enqueue(chunk: Buffer): void {
    this.#queue.push(chunk)
    this.#queuedBytes += chunk.length
    const bytesMax = this.client.isWaiting ? QUEUED_BYTES_BLOCKED_MAX : QUEUED_BYTES_MAX
    if (this.#queuedBytes > bytesMax || this.#queue.length > QUEUED_CHUNKS_MAX) {
      this.#socket.pause()
      this.#isPaused = true
    }
    this.#countInput()
  }

  #turn(): void {
    this.#isTurnDue = false
    if (this.#isEnding) return
    const { client } = this
    client.server.untilTick = 0
    try {
      this.#run()
    } catch (error) {
      this.#fail(error)
    }
    if (this.#isEnding) return
    this.#parser.keep()
    this.#countInput()
    // Without a reply there may be a change, which is to be written.
    if (client.reply.length > 0 || client.server.gate !== undefined) client.server.flushSoon(this)
  }

  #fail(error: unknown): void {
    const { client } = this
    if (error instanceof ProtocolError) {
      client.reply.error(`ERR Protocol error: ${error.message}`)
      this.close('after-reply')
      return
    }
    // The beginning of the reply may have been sent: there is nothing that the peer could take for an error.
    if (error instanceof EngineError && client.source !== undefined) {
      return this.#endFor(`its reply could not be told to its end: ${error.message}`)
    }
    // Ours, and outside of any command: where this connection's bytes stand is not known any more.
    client.server.log(`A connection failed: ${error instanceof Error ? error.stack : String(error)}`)
    this.close('now')
  }

  #run(): void {
    const { client } = this
    const { server, reply } = client
    const parser = this.#parser
    server.tick()
    const startedMs = server.nowMs
    parser.isAuthenticated = client.isAuthenticated || server.isOpen
    for (let left = TURN_REQUESTS_MAX; ; left--) {
      if (this.#isEnding) return
      // Who begins to wait after its end is known would wait for ever, and get what others could read.
      if (client.isWaiting) return this.#isLast ? this.close('after-reply') : undefined
      if (client.source !== undefined && !this.#tell(startedMs)) return
      if (reply.length >= FLUSH_BYTES) this.flush()
      if (this.#isFull()) return
      if (left === 0 || server.nowMs - startedMs >= TURN_MS_MAX) return this.#later()
      if (parser.next()) {
        this.#partialSinceMs = 0
        dispatch(client, parser.request)
        parser.isAuthenticated = client.isAuthenticated || server.isOpen
      } else if (!this.#feed()) return
    }
  }

  /** Gives the parser what has come meanwhile; false when there is nothing. */
  #feed(): boolean {
    const chunk = this.#queue.shift()
    if (chunk !== undefined) {
      this.#queuedBytes -= chunk.length
      this.#parser.feed(chunk)
      return true
    }
    if (this.#isLast) {
      this.close('after-reply')
      return false
    }
    if (this.#parser.waitingBytes > REFUSED_BYTES_MAX && this.#refuseAhead()) return false
    if (this.#parser.waitingBytes === 0) {
      this.#partialSinceMs = 0
      this.#parser.release()
    } else if (this.#partialSinceMs === 0) this.#partialSinceMs = this.client.server.nowMs
    if (this.#isPaused) {
      this.#isPaused = false
      this.#socket.resume()
    }
    return false
  }

  /** Ends who sends a large request in vain. */
  #refuseAhead(): boolean {
    const { client } = this
    const { request, argumentsExpected } = this.#parser
    const line = request.count === 0 ? undefined : refusalAhead(client, request, argumentsExpected)
    if (line === undefined) return false
    client.reply.error(line)
    this.close('after-reply')
    return true
  }

  /** Tells more of a long reply; false when it is not at its end, and a later turn goes on. */
  #tell(startedMs: number): boolean {
    const { client } = this
    const { server } = client
    while (!this.#isEnding) {
      if (client.source!.next(client.reply, STREAM_STEP_BYTES)) {
        client.endStream()
        return true
      }
      this.flush()
      if (this.#isFull()) return false
      server.tick()
      if (server.nowMs - startedMs < TURN_MS_MAX) continue
      this.#later()
      return false
    }
    return false
  }

  /** Whether too much is unsent to go on; then the turn goes on when it is sent. */
  #isFull(): boolean {
    if (!this.#isOverfull()) return false
    this.#isDraining = true
    this.#fullSinceMs = this.client.server.nowMs
    return true
  }

  #isOverfull(): boolean {
    const { client } = this
    const { waiting } = this.#output
    if (waiting === 0) return false
    // Below its own mark a socket doesn't tell when all is sent; that is 16 KiB, from Node 22 on 64.
    if (waiting <= Math.max(UNAUTHENTICATED_OUTPUT_BYTES_HIGH, this.#socket.writableHighWaterMark)) return false
    const isKnown = client.isAuthenticated || client.server.isOpen
    return !isKnown || waiting > client.server.settings.outputBytesHigh
  }

  #drained(): void {
    this.#output.drained()
    this.#goOnIfSent()
  }

  #goOnIfSent(): void {
    if (!this.#isDraining || this.#isOverfull()) return
    this.#isDraining = false
    if (this.#partialSinceMs > 0) this.#partialSinceMs = this.client.server.env.nowMs()
    this.#later()
  }

  #later(): void {
    if (this.#isTurnDue || this.#isDraining || this.#isEnding) return
    this.#isTurnDue = true
    setImmediate(() => this.#turn())
  }

  /** The peer has sent its last byte. As Redis: what came before is answered, but who waits is not waited for. */
  #peerEnded(): void {
    this.#isLast = true
    if (this.#isEnding) {
      // What is held is still to be sent, and its end follows that.
      if (this.#output.heldSinceMs === undefined) this.#socket.destroySoon()
    } else if (this.client.isWaiting) this.close('now')
    else if (!this.#isBusy()) this.close('after-reply')
  }

  /** Keeps the server's total of waiting requests right, and that within its bound. */
  #countInput(): void {
    const { server } = this.client
    const bytes = this.inputBytes
    server.inputBytes += bytes - this.#countedInput
    this.#countedInput = bytes
    if (server.inputBytes > server.settings.inputBytesTotalMax && bytes > 0) closeLargest(server, 'inputBytes')
  }

  /** The client is gone, whatever the socket still has to do. */
  #leave(): void {
    const { client } = this
    if (client.isClosed) return
    const { server } = client
    client.isClosed = true
    forget(client)
    client.dropStream()
    client.transaction.end()
    server.pubSub.leave(client)
    for (const left of server.onLeave) left(client)
    server.clients.delete(client.id)
    server.countClient(this.#remote, -1)
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#countInput()
    this.#output.count()
  }

  #closed(): void {
    this.#isEnding = true
    this.#leave()
    this.#output.drop()
    this.#output.count()
    this.client.server.connections.delete(this)
  }
}

/**
 * A client's replies on their way to its peer: what was sent and is not taken yet, and the bounds on that.
 *
 *   client.reply ──flush()──► outlet ──► peer
 *                    │           └ unsent: read from the reply's buffer, which is the socket's until then
 *                    └ more unsent than may be ──► false: whoever leaves its replies unread is cut off
 */
import type { Socket } from 'node:net'
import type { Client } from './client.ts'
import { outletOf, type Outlet } from './shared-reads.ts'
import { closeLargest } from './shortage.ts'

/** A reply below this that cannot leave at once is copied, so that a buffer of 16 KiB isn't kept for a few bytes. */
const COPIED_BYTES_MAX = 8192
/** What one write that waits costs the process beside its bytes. */
const WRITE_BYTES = 256
/** Unsent bytes from which on a connection counts in the server's total. */
const COUNTED_BYTES_MIN = 65_536

export class Output {
  readonly #client: Client
  readonly #socket: Socket
  readonly #outlet: Outlet
  #counted = 0
  /** Writes since everything was sent. */
  #waitingWrites = 0
  /** Bytes were unsent when that was last looked at. Hot: nearly always none are, and nothing else is asked then. */
  #hasUnsent = false

  constructor(client: Client, socket: Socket) {
    this.#client = client
    this.#socket = socket
    this.#outlet = outletOf(socket)
  }

  /** Bytes that the peer has not taken, and what holding them costs. */
  get bytes(): number {
    if (this.#socket.destroyed) return 0
    const { unsent } = this.#outlet
    const writes = unsent === 0 ? 0 : this.#waitingWrites * WRITE_BYTES
    return unsent + writes + this.#client.waitingPushBytes
  }

  /** Hot: bytes of replies that were sent and not taken. */
  get unsent(): number {
    return this.#hasUnsent ? this.#outlet.unsent : 0
  }

  /** Hot: sends what was written. False: it is more than may wait, and nothing was sent. */
  flush(): boolean {
    const client = this.#client
    const { reply } = client
    if (this.#hasUnsent || client.waitingPushBytes > 0 || client.subscriptionCount > 0) return this.#flushMore()
    if (reply.length > 0) this.#send(reply.written(), false)
    if (this.#hasUnsent) this.count()
    return true
  }

  /** All that waited is sent. */
  drained(): void {
    this.#waitingWrites = 0
    this.#hasUnsent = this.#outlet.unsent > 0
    this.count()
  }

  /** Keeps the server's total of unsent replies right, and that within its bound. */
  count(): void {
    const { server } = this.#client
    const unsent = this.#outlet.unsent + this.#client.waitingPushBytes
    const bytes = this.#socket.destroyed || unsent < COUNTED_BYTES_MIN ? 0 : unsent
    server.outputBytes += bytes - this.#counted
    this.#counted = bytes
    if (server.outputBytes > server.settings.outputBytesTotalMax && bytes > 0) closeLargest(server, 'outputBytes')
  }

  /** To a client that may have more waiting than it should. */
  #flushMore(): boolean {
    const { reply, server, subscriptionCount } = this.#client
    const before = this.bytes
    const { outputBytesPubSubMax, outputBytesMax } = server.settings
    const bytesMax = subscriptionCount > 0 ? outputBytesPubSubMax : outputBytesMax
    if (before + reply.length > bytesMax && (before > 0 || subscriptionCount > 0)) return false
    const isCopied = before > 0 && reply.length < COPIED_BYTES_MAX
    if (reply.length > 0) this.#send(isCopied ? Buffer.from(reply.written()) : reply.written(), isCopied)
    this.count()
    return true
  }

  #send(bytes: Buffer, isCopied: boolean): void {
    const client = this.#client
    client.server.statistics.traffic.sent(bytes.length)
    this.#hasUnsent = !this.#outlet.send(bytes)
    // Written at once, or still read by the socket.
    client.reply.sent(isCopied || !this.#hasUnsent)
    if (this.#hasUnsent) this.#waitingWrites++
    else this.#waitingWrites = 0
  }
}

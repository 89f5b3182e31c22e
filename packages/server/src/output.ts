/**
 * A client's replies on their way to its peer: what was sent and is not taken yet, and the bounds on that.
 *
 *   client.reply ──flush()──► outlet ──► peer
 *                    │           └ unsent: read from the reply's buffer, which is the socket's until then
 *                    ├ more unsent than may be ──► false: whoever leaves its replies unread is cut off
 *                    └ what it tells may not be safe ──► held, until the server's gate lets it go (reply-gate.ts)
 */
import type { Socket } from 'node:net'
import type { Client } from './client.ts'
import { HeldReplies } from './held-replies.ts'
import type { ReplyGate } from './reply-gate.ts'
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
  /** What waits for the disk; undefined: nothing does. */
  #held: HeldReplies | undefined = undefined

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
    const held = this.#held === undefined ? 0 : this.#held.bytes + this.#held.count * WRITE_BYTES
    return unsent + writes + held + this.#client.waitingPushBytes
  }

  /** Hot: bytes of replies that were sent and not taken. */
  get unsent(): number {
    return this.#hasUnsent ? this.#outlet.unsent : 0
  }

  /** Hot: these, and those of replies that are held. */
  get waiting(): number {
    return this.#held === undefined ? this.unsent : this.unsent + this.#held.bytes
  }

  /** Since when the oldest reply that is held has been; undefined: none is. */
  get heldSinceMs(): number | undefined {
    return this.#held?.sinceMs
  }

  /** Hot: sends what was written, or holds it. False: it is more than may wait, and nothing was sent. */
  flush(): boolean {
    const client = this.#client
    const { reply } = client
    const { gate } = client.server
    if (gate !== undefined && (this.#held !== undefined || !gate.isOpen)) return this.#hold(gate)
    if (this.#hasUnsent || client.waitingPushBytes > 0 || client.subscriptionCount > 0) return this.#flushMore()
    if (reply.length > 0) this.#send(reply.written(), false)
    if (this.#hasUnsent) this.count()
    return true
  }

  /** Sends what is held for groups up to this one; true when nothing more is held. */
  letGo(group: number): boolean {
    const held = this.#held
    if (held === undefined) return true
    for (let bytes = held.take(group); bytes !== undefined; bytes = held.take(group)) this.#transmit(bytes)
    if (held.count === 0) this.#held = undefined
    this.count()
    return this.#held === undefined
  }

  /** Whatever is held will not be sent. */
  drop(): void {
    if (this.#held === undefined) return
    this.#held = undefined
    this.#client.server.gate?.leave(this.#client.connection)
    this.count()
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
    const unsent = this.#outlet.unsent + (this.#held?.bytes ?? 0) + this.#client.waitingPushBytes
    const bytes = this.#socket.destroyed || unsent < COUNTED_BYTES_MIN ? 0 : unsent
    server.outputBytes += bytes - this.#counted
    this.#counted = bytes
    if (server.outputBytes > server.settings.outputBytesTotalMax && bytes > 0) closeLargest(server, 'outputBytes')
  }

  /** To a client that may have more waiting than it should. */
  #flushMore(): boolean {
    const { reply } = this.#client
    const before = this.bytes
    if (this.#isTooMuch(before)) return false
    const isCopied = before > 0 && reply.length < COPIED_BYTES_MAX
    if (reply.length > 0) this.#send(isCopied ? Buffer.from(reply.written()) : reply.written(), isCopied)
    this.count()
    return true
  }

  /** With what is to be sent or held now beside what waits. */
  #isTooMuch(waiting: number): boolean {
    const { reply, server, subscriptionCount } = this.#client
    const { outputBytesPubSubMax, outputBytesMax } = server.settings
    const bytesMax = subscriptionCount > 0 ? outputBytesPubSubMax : outputBytesMax
    return waiting + reply.length > bytesMax && (waiting > 0 || subscriptionCount > 0)
  }

  #hold(gate: ReplyGate): boolean {
    const { reply, server, connection } = this.#client
    if (reply.length === 0) return true
    if (this.#isTooMuch(this.bytes)) return false
    const isCopied = reply.length < COPIED_BYTES_MAX
    const bytes = isCopied ? Buffer.from(reply.written()) : reply.written()
    this.#held ??= new HeldReplies()
    this.#held.add(gate.tellableGroup, bytes, server.nowMs)
    reply.sent(isCopied)
    gate.hold(connection)
    this.count()
    return true
  }

  #send(bytes: Buffer, isCopied: boolean): void {
    this.#transmit(bytes)
    // Written at once, or still read by the socket.
    this.#client.reply.sent(isCopied || !this.#hasUnsent)
  }

  #transmit(bytes: Buffer): void {
    this.#client.server.statistics.traffic.sent(bytes.length)
    this.#hasUnsent = !this.#outlet.send(bytes)
    if (this.#hasUnsent) this.#waitingWrites++
    else this.#waitingWrites = 0
  }
}

/**
 * TCP and Unix sockets whose bytes all arrive in one buffer, which every connection of the process reads from in turn, and
 * leave past the stream's queue while nothing waits in it.
 *
 *   socket A ──bytes──► ┌──────────────┐ ──► parsed in place, replies made ──► what waits for the rest is copied
 *   socket B ──bytes──► │    64 KiB    │ ──► …
 *                       └──────────────┘
 *
 * A socket of Node's takes a new buffer of 64 KiB for each read, and puts what came through a stream. Without both a
 * pipeline of 16 XADDs costs the server a quarter less: 1.6 to 1.8 s of processor time for a million, instead of 2.2 to 2.6
 * on the same busy machine (bench/wire.ts).
 *
 * The way out: `write` of a stream keeps books that nobody needs of a reply which the system takes at once, as it does
 * nearly always, and looks after each one in a later tick. `send` does at once what the stream would do.
 *
 *   send(bytes) ──nothing waits──► handle ──taken at once──► done
 *      │                             └──not yet──► `unsent`, until the system has it ──► 'drain'
 *      └──something waits──► write, in the stream's own queue
 *
 * With `handleIo` reads and writes go past what net.Socket does for each; without it through its `onread` and `_write`.
 *
 * `onread` is net.Socket's documented option for that, but a server gives no way to pass it to the sockets that it makes.
 * So the socket of an accepted client hands its handle to another one that has it. Where that is not possible (a TLS socket,
 * another runtime) the socket is used as it is.
 */
import { Socket, type OnReadOpts } from 'node:net'
import { isStreamHandle, type HandleIo, type StreamHandle } from './handle-io.ts'

const BUFFER_BYTES = 65_536

/** Who gets the bytes. They are in place until it returns. */
export interface SharedReader {
  receiveShared(bytes: Buffer, length: number): void
}

/** Whoever takes a connection's replies. */
export interface Outlet {
  /** Bytes that were sent and that the system has not taken. */
  readonly unsent: number
  /** True: the system has taken all. False: the bytes are read until `unsent` is 0. */
  send(bytes: Uint8Array): boolean
}

export interface SharingSocket {
  readonly socket: Socket
  /** To be set in the turn in which the socket was made. */
  reader: SharedReader | undefined
}

/** What a socket has besides its documented members, and what is needed of it. */
interface Inside {
  _handle?: { readonly useUserBuffer?: unknown } | null
  _server?: unknown
  server?: unknown
}

interface InsideOptions {
  readonly handle: unknown
  readonly allowHalfOpen: boolean
  readonly readable: boolean
  readonly writable: boolean
  readonly onread: OnReadOpts
}

// What a stream says of bytes that are no text; its types know encodings only.
const BYTES = 'buffer' as BufferEncoding

class DirectSocket extends Socket implements Outlet {
  /** Of the one write that went past the queue. */
  #directBytes = 0
  /** Where replies go, if that is possible without the stream. */
  readonly #handle: StreamHandle | undefined
  readonly #io: HandleIo | undefined

  constructor(options: InsideOptions, io: HandleIo | undefined) {
    super(options)
    this.#io = io
    this.#handle = io !== undefined && isStreamHandle(options.handle) ? options.handle : undefined
  }

  get unsent(): number {
    return this.#directBytes + this.writableLength
  }

  /** Hot. */
  send(bytes: Uint8Array): boolean {
    if (this.#directBytes > 0 || this.writableLength > 0) {
      this.write(bytes)
      return false
    }
    const handle = this.#handle
    // Of a socket that is no more the handle is taken away: the stream then says what it says.
    if (handle === undefined || (this as Inside)._handle !== handle) return this.#sendAsStream(bytes)
    if (this.#io!.write(handle, bytes, this.#sent)) return true
    this.#directBytes = bytes.length
    return false
  }

  /** As the stream would send what nothing waits before. */
  #sendAsStream(bytes: Uint8Array): boolean {
    this.#directBytes = bytes.length
    let isAtOnce = true
    this._write(bytes, BYTES, (error) => {
      if (isAtOnce && !error) this.#directBytes = 0
      else this.#sent(error ?? undefined)
    })
    isAtOnce = false
    return this.#directBytes === 0
  }

  readonly #sent = (error?: Error): void => {
    this.#directBytes = 0
    if (error !== undefined) this.destroy(error)
    // What came after it is told of by the stream, but only from its mark on.
    else if (this.writableLength < this.writableHighWaterMark) this.emit('drain')
  }
}

/** Where a connection's replies go: past the stream's queue where the socket knows how. */
export function outletOf(socket: Socket): Outlet {
  return socket instanceof DirectSocket ? socket : new StreamOutlet(socket)
}

/** That of a socket which is a stream and nothing more, such as one with TLS. */
class StreamOutlet implements Outlet {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  send(bytes: Uint8Array): boolean {
    this.#socket.write(bytes)
    return this.#socket.writableLength === 0
  }
}

// One for the process: a turn is over before the next one's bytes are read.
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** A socket in the place of one that was accepted and has not begun to read; undefined where that one has to do. */
export function sharingReads(accepted: Socket, io: HandleIo | undefined): SharingSocket | undefined {
  const from = accepted as Inside
  const handle = from._handle
  if (handle === undefined || handle === null || typeof handle.useUserBuffer !== 'function') return undefined
  const { _server: owner, server } = from
  from._handle = null
  from._server = null
  const cell: Pick<SharingSocket, 'reader'> = { reader: undefined }
  const receive = (length: number): boolean => {
    cell.reader?.receiveShared(buffer, length)
    return true
  }
  const onread = { buffer, callback: receive }
  const options: InsideOptions = { handle, allowHalfOpen: true, readable: true, writable: true, onread }
  const socket = new DirectSocket(options, io)
  if (isStreamHandle(handle)) io?.onRead(handle, receive)
  // Its end is counted by the server, as that of the one which it replaces would have been.
  Object.assign(socket as Inside, { _server: owner, server })
  return Object.assign(cell, { socket })
}

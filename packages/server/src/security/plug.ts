/**
 * A client without a network: the server's connection gets the bytes in exactly the chunks that a test chooses, and all that
 * it answers is kept.
 *
 *   put(bytes) ──► SocketConnection ──► parser ──► dispatch ──► written ──► frames()
 *
 * A request that needs no second turn is answered when `put` returns; `settled` waits for those that do.
 */
import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { ReplyReader } from '@millrace/protocol'
import { SocketConnection } from '../connection.ts'
import type { ServerState } from '../server-state.ts'

/** Turns after which a server without timers has nothing left to do for a short pipeline. */
const TURNS = 3

export class Plug {
  readonly connection: SocketConnection
  readonly #socket: Fitting
  readonly #server: ServerState
  readonly #reader = new ReplyReader()
  readonly #frames: string[] = []
  #frameBytes = 0
  #read = 0

  /** Connects, from this machine or from an address; from then on what is put is received at once. */
  static async into(server: ServerState, remote: string = '127.0.0.1'): Promise<Plug> {
    const plug = new Plug(server, remote)
    await new Promise((resolve) => setImmediate(resolve))
    return plug
  }

  private constructor(server: ServerState, remote: string) {
    this.#socket = new Fitting()
    this.#server = server
    // A Duplex with the few methods of a socket that a connection calls.
    const socket = this.#socket as unknown as Socket
    this.connection = SocketConnection.open(socket, server, {
      address: 'plug:0',
      localAddress: 'plug:0',
      remote,
    })
  }

  /** Hands over one chunk. */
  put(bytes: Buffer | string): void {
    this.#socket.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes))
    this.#server.flushAll()
  }

  /** Resolves when turns that were put off have been taken. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  get isEnded(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded
  }

  get answeredBytes(): number {
    return this.#socket.writtenBytes
  }

  /** Everything that was answered, as latin1 text. */
  get text(): string {
    return Buffer.concat(this.#socket.written).toString('latin1')
  }

  /** The replies, each one whole; throws when something else is among them. */
  frames(): string[] {
    const { written } = this.#socket
    for (; this.#read < written.length; this.#read++) this.#reader.feed(written[this.#read]!)
    while (this.#reader.next()) {
      const frame = this.#reader.frame().toString('latin1')
      this.#frames.push(frame)
      this.#frameBytes += frame.length
    }
    const rest = this.#socket.writtenBytes - this.#frameBytes
    if (rest > 0) throw new Error(`Not whole replies: ${JSON.stringify(this.text.slice(-rest).slice(0, 200))}`)
    return this.#frames
  }

  /** Resolves when there are so many replies, or none come any more. */
  async answered(count: number): Promise<string[]> {
    for (let turn = 0; turn < 100 && this.frames().length < count; turn++) await this.settled()
    return this.#frames
  }

  /** The peer is gone. */
  pull(): void {
    this.#socket.destroy()
  }
}

class Fitting extends Duplex {
  readonly written: Buffer[] = []
  writtenBytes = 0

  override _read(): void {
    // Bytes come when a test puts them.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // The connection uses its buffer again.
    this.written.push(Buffer.from(bytes))
    this.writtenBytes += bytes.length
    done()
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  destroySoon(): void {
    this.end()
    this.destroy()
  }
}

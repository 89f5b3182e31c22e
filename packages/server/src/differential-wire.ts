/**
 * One connection of the differential suite: bytes out, whole reply frames in, as latin1 text so that they are compared byte
 * for byte.
 *
 *   send(bytes) ──► socket ──► ReplyReader ──► frames ──► take(n) resolves when n have come
 *                                                    └──► closed: what has come, however few
 */
import { createConnection, type Socket } from 'node:net'
import { ReplyReader } from '@millrace/protocol'

/** How long a reply may take; a server that takes longer hangs. */
const REPLY_MS_MAX = 20_000

export class Wire {
  readonly #socket: Socket
  readonly #reader = new ReplyReader()
  #frames: string[] = []
  #wanted: { count: number; resolve: () => void } | undefined = undefined
  #isClosed = false
  #failure: Error | undefined = undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    // A reset, or a write after the other side has ended: 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isClosed = true
      this.#settle()
    })
  }

  static async connect(port: number): Promise<Wire> {
    return await new Promise((resolve, reject) => {
      const socket = createConnection({ port, host: '127.0.0.1' }, () => resolve(new Wire(socket)))
      socket.once('error', reject)
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Everything that has come and has not been taken. */
  arrived(): string[] {
    const frames = this.#frames
    this.#frames = []
    return frames
  }

  /** The next so many frames; fewer when the connection has ended. */
  async take(count: number): Promise<string[]> {
    if (this.#frames.length < count && !this.#isClosed) await this.#until(count)
    if (this.#failure !== undefined && this.#frames.length < count) throw this.#failure
    if (this.#frames.length === count) return this.arrived()
    return this.#frames.splice(0, count)
  }

  /** Sends one command and resolves its reply. */
  async ask(...args: string[]): Promise<string> {
    this.send(encode(args))
    const [reply] = await this.take(1)
    if (reply === undefined) throw new Error(`The connection ended before the reply to ${args.join(' ')}`)
    return reply
  }

  /** Resolves when the other side has ended the connection. */
  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#until(Infinity)
  }

  /** Ends our half, so that the other side ends when it has read what we sent. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #until(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wanted = undefined
        reject(new Error(`No reply within ${REPLY_MS_MAX} ms: ${this.#frames.length} of ${count} came`))
      }, REPLY_MS_MAX)
      this.#wanted = {
        count,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
      }
    })
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.feed(chunk)
      while (this.#reader.next()) this.#frames.push(this.#reader.frame().toString('latin1'))
    } catch (error) {
      this.#failure = error as Error
      this.#socket.destroy()
    }
    if (this.#wanted !== undefined && this.#frames.length >= this.#wanted.count) this.#settle()
  }

  #settle(): void {
    const wanted = this.#wanted
    this.#wanted = undefined
    wanted?.resolve()
  }
}

/** A request as RESP: one latin1 character for each byte of an argument. */
export function encode(args: readonly string[]): Buffer {
  let text = `*${args.length}\r\n`
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`
  return Buffer.from(text, 'latin1')
}

/** Several requests in one buffer. */
export function encodeAll(commands: readonly (readonly string[])[]): Buffer {
  let text = ''
  for (const args of commands) {
    text += `*${args.length}\r\n`
    for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`
  }
  return Buffer.from(text, 'latin1')
}

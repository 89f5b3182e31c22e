/**
 * A TCP proxy whose line can be cut, slowed, and moved to another server.
 *
 *   client ◄──► proxy ◄──► target
 *                 cut():      every connection is reset, new ones are refused at once
 *                 stall():    bytes are no longer passed on, connections stay open (a dead network)
 *                 delayMs:    each chunk waits so long in each direction
 *                 retarget(): new connections go elsewhere, the old ones are reset (a fail-over)
 */

import { createConnection, createServer, type Socket } from 'node:net'

export interface ProxyOptions {
  /** The port on 127.0.0.1 that bytes go to. */
  readonly target: number
}

export class Proxy {
  /** Milliseconds that each chunk waits before it is passed on. */
  delayMs = 0
  /** How many bytes came from clients since the start: tells that something was sent. */
  bytesFromClients = 0
  /** Called with each chunk from a client before it is passed on; return false to swallow it. */
  onClientBytes: ((bytes: Buffer) => boolean) | undefined
  /** Called with each chunk from the target before it is passed on; return false to swallow it. */
  onTargetBytes: ((bytes: Buffer) => boolean) | undefined

  #target: number
  #isCut = false
  #isStalled = false
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((client) => this.#accept(client))

  /** Use `startProxy`. */
  constructor(options: ProxyOptions) {
    this.#target = options.target
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** How many connections from clients are open. */
  get connections(): number {
    return Math.ceil(this.#sockets.size / 2)
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    return this
  }

  /** Resets every connection and refuses new ones until `restore()`. */
  cut(): void {
    this.#isCut = true
    this.#reset()
  }

  /** Stops passing bytes on, in both directions, without closing anything. */
  stall(): void {
    this.#isStalled = true
  }

  /** Ends a cut or a stall. What was swallowed by a stall stays lost, so stalled connections are reset. */
  restore(): void {
    if (this.#isStalled) this.#reset()
    this.#isCut = false
    this.#isStalled = false
  }

  /** Sends new connections to another port and resets the open ones, as a load balancer does at a fail-over. */
  retarget(port: number): void {
    this.#target = port
    this.#reset()
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #accept(client: Socket): void {
    if (this.#isCut) {
      client.resetAndDestroy()
      return
    }
    const target = createConnection({ port: this.#target, host: '127.0.0.1' })
    this.#join(client, target, (bytes) => {
      this.bytesFromClients += bytes.length
      return this.onClientBytes?.(bytes) ?? true
    })
    this.#join(target, client, (bytes) => this.onTargetBytes?.(bytes) ?? true)
  }

  #join(from: Socket, to: Socket, passes: (bytes: Buffer) => boolean): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (bytes: Buffer) => {
      if (!passes(bytes) || this.#isStalled || to.destroyed) return
      if (this.delayMs === 0) to.write(bytes)
      else setTimeout(() => to.destroyed || to.write(bytes), this.delayMs)
    })
    // Both ends close together; a reset is what this proxy is for, so it is no news.
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  return await new Proxy(options).listen()
}

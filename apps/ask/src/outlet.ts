/**
 * The way out of one Socket.IO connection, with a bound on what waits in it.
 *
 *   emit ──► engine.io's writeBuffer ──flush──► transport ──► kernel ──► client
 *            └ queued: counted here          └ taken whole, and nothing more until it is written
 *
 * A producer that can wait asks `ready` first and so never queues over `queuedPacketsHigh`. What cannot wait (the reply
 * to a call) is counted too: a client that asks and does not read is disconnected at `queuedBytesMax`.
 */
import type { Socket } from 'socket.io'
import type { Log } from './logs.ts'

const queuedPacketsHigh = 16
const queuedBytesHigh = 256 * 1024
const queuedBytesMax = 4 * 1024 * 1024

export class Outlet {
  readonly #conn: Socket['conn']
  readonly #log: Log
  readonly #waiting = new Set<() => void>()
  #queuedPackets = 0
  #queuedBytes = 0

  constructor(conn: Socket['conn'], log: Log) {
    this.#conn = conn
    this.#log = log
    conn.on('packetCreate', (packet: { readonly data?: string | Buffer }) => this.#queued(packet.data?.length ?? 0))
    conn.on('flush', () => {
      this.#queuedBytes = 0
      this.#queuedPackets = 0
    })
    conn.on('drain', () => {
      for (const wake of this.#waiting) wake()
    })
  }

  get isFull(): boolean {
    return this.#queuedPackets >= queuedPacketsHigh || this.#queuedBytes >= queuedBytesHigh
  }

  /** Resolves when more may be sent; rejects with the signal's reason. A dead client ends it through the heartbeat. */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.isFull) await this.#drained(signal)
  }

  #drained(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        if (signal.aborted) reject(signal.reason as Error)
        else resolve()
      }
      this.#waiting.add(settle)
      signal.addEventListener('abort', settle)
    })
  }

  #queued(length: number): void {
    this.#queuedPackets++
    this.#queuedBytes += length
    if (this.#queuedBytes > queuedBytesMax) process.nextTick(() => this.#cut())
  }

  #cut(): void {
    if (this.#conn.readyState !== 'open') return
    this.#log.warn({ queuedBytes: this.#queuedBytes }, 'a client that does not read is disconnected')
    this.#conn.close(true)
  }
}

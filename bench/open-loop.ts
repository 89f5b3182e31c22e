/**
 * A client that sends at a fixed rate whatever the replies do, and takes the time of each: an open loop, so a server that
 * stalls is charged for all who would have come meanwhile.
 *
 *   every turn: how many are due by now? ──► each on the next connection of the ring ──► its reply ──► its time
 *
 * A request's time runs from the moment at which it was due, not from when this process got round to sending it.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface OpenLoopPlan {
  readonly port: number
  readonly rate: number
  readonly total: number
  readonly connections: number
  /** One request whose reply has two lines. */
  readonly request: string
}

export class OpenLoop {
  readonly #plan: OpenLoopPlan
  readonly #times: Float64Array
  readonly #request: Buffer
  #done = 0

  constructor(plan: OpenLoopPlan) {
    this.#plan = plan
    this.#times = new Float64Array(plan.total)
    this.#request = Buffer.from(plan.request)
  }

  /** Milliseconds of each request, unsorted. */
  async run(): Promise<Float64Array> {
    const sockets = await Promise.all(Array.from({ length: this.#plan.connections }, async () => await this.#open()))
    const { rate, total } = this.#plan
    const start = performance.now()
    let sent = 0
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate))
        for (; sent < due; sent++) {
          const lane = sockets[sent % sockets.length]!
          lane.due.push(start + (sent / rate) * 1000)
          lane.socket.write(this.#request)
        }
        if (this.#done === total) resolve()
        else setImmediate(turn)
      }
      turn()
    })
    for (const { socket } of sockets) socket.destroy()
    return this.#times
  }

  async #open(): Promise<{ socket: Socket; due: number[] }> {
    const socket = connect(this.#plan.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.setNoDelay(true)
    const due: number[] = []
    let lines = 0
    socket.on('data', (chunk: Buffer) => {
      const now = performance.now()
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) {
        if (++lines % 2 === 0) this.#times[this.#done++] = now - due.shift()!
      }
    })
    return { socket, due }
  }
}

/**
 * Starts victim-server.ts and watches it.
 *
 *   starting ──{ port }──► running ──stop()──► ended
 *                            └──exits by itself──► `failure` says how
 */
import { fork, type ChildProcess } from 'node:child_process'
import { createConnection, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Wire } from '../differential-wire.ts'
import type { ServerOptions } from '../options.ts'

export interface VictimMemory {
  readonly rssBytes: number
  readonly peakBytes: number
  /** In use after a collection: the JavaScript heap and what it holds outside. */
  readonly usedBytes: number
  readonly clientCount: number
  readonly socketCount: number
}

interface Ports {
  readonly port: number
  readonly tlsPort: number
}

export class Victim {
  readonly pid: number
  readonly port: number
  readonly tlsPort: number
  /** What it wrote to standard error, and how it ended; empty while all is well. */
  failure = ''
  readonly #child: ChildProcess
  readonly #sockets: Socket[] = []
  readonly #wires: Wire[] = []
  #isStopped = false

  private constructor(child: ChildProcess, { port, tlsPort }: Ports) {
    this.#child = child
    this.pid = child.pid!
    this.port = port
    this.tlsPort = tlsPort
    child.stderr!.on('data', (bytes: Buffer) => (this.failure = (this.failure + bytes.toString()).slice(-4000)))
    child.once('exit', (code, signal) => {
      if (!this.#isStopped) this.failure += `\nthe server ended by itself: code ${code}, signal ${signal}`
    })
  }

  static async start(options: ServerOptions = {}): Promise<Victim> {
    const program = fileURLToPath(new URL('victim-server.ts', import.meta.url))
    const child = fork(program, [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--conditions=@millrace/source', '--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    return new Victim(child, (await message(child)) as Ports)
  }

  async memory(): Promise<VictimMemory> {
    const answer = message(this.#child)
    this.#child.send('memory')
    return (await answer) as VictimMemory
  }

  /** A client that behaves. */
  async client(): Promise<Wire> {
    const wire = await Wire.connect(this.port)
    this.#wires.push(wire)
    return wire
  }

  /** A peer that reads nothing and whose end is nobody's business. */
  async socket(port: number = this.port): Promise<Socket> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const opened = createConnection({ port, host: '127.0.0.1', noDelay: true }, () => resolve(opened))
      opened.once('error', reject)
    })
    socket.pause()
    socket.on('error', () => undefined)
    this.#sockets.push(socket)
    return socket
  }

  /** Many of them, a few hundred at a time, since more than the backlog holds are lost. */
  async sockets(count: number, each: (socket: Socket) => void = () => undefined): Promise<Socket[]> {
    const all: Socket[] = []
    while (all.length < count) {
      const some = Math.min(200, count - all.length)
      const opened = await Promise.all(Array.from({ length: some }, () => this.socket()))
      for (const socket of opened) each(socket)
      all.push(...opened)
    }
    return all
  }

  async stop(): Promise<void> {
    for (const wire of this.#wires) wire.destroy()
    for (const socket of this.#sockets) socket.destroy()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#isStopped = true
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.disconnect()
    await ended
  }
}

async function message(child: ChildProcess): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the server ended'))
    child.once('exit', ended)
    child.once('message', (answer) => {
      child.off('exit', ended)
      resolve(answer)
    })
  })
}

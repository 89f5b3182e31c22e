/** Connections of one test to one server, ended with it. */
import { createConnection, type Socket } from 'node:net'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { Wire } from '../differential-wire.ts'
import { Server } from '../server.ts'
import type { ServerOptions } from '../options.ts'

export class Site {
  readonly server: Server
  readonly log: string[]
  readonly #wires: Wire[] = []
  readonly #sockets: Socket[] = []

  private constructor(server: Server, log: string[]) {
    this.server = server
    this.log = log
  }

  static async start(options: ServerOptions = {}): Promise<Site> {
    const log: string[] = []
    return new Site(
      await Server.start({ port: 0, bind: ['127.0.0.1'], log: (line) => log.push(line), ...options }),
      log,
    )
  }

  async client(protocol: 2 | 3 = 2): Promise<Wire> {
    const wire = await Wire.connect(this.server.port)
    this.#wires.push(wire)
    if (protocol === 3) await wire.ask('HELLO', '3')
    return wire
  }

  /** A peer that reads nothing until it is told to. */
  async silent(): Promise<Socket> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const opened = createConnection({ port: this.server.port, host: '127.0.0.1' }, () => resolve(opened))
      opened.once('error', reject)
    })
    socket.pause()
    socket.on('error', () => undefined)
    this.#sockets.push(socket)
    return socket
  }

  /** Puts another run into a command of this server. */
  replace(name: string, run: (client: Client, request: Request) => void): void {
    Object.assign(this.server.state.commands.entry(name)!, { run })
  }

  async close(): Promise<void> {
    for (const wire of this.#wires) wire.destroy()
    for (const socket of this.#sockets) socket.destroy()
    await this.server.close()
  }
}

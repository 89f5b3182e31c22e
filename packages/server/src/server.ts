/**
 * A server: databases, command table and listeners put together.
 *
 *   starting ──listen──► ready ──close()──► closing (no new clients, replies sent) ──► closed
 */
import { createServer, type AddressInfo, type Server as NetServer } from 'node:net'
import { CommandTable } from './command-table.ts'
import { SocketConnection } from './connection.ts'
import type { ServerOptions } from './options.ts'
import { ServerState } from './server-state.ts'

export class Server {
  readonly state: ServerState
  readonly #listener: NetServer

  private constructor(state: ServerState, listener: NetServer) {
    this.state = state
    this.#listener = listener
  }

  /** Resolves when the server accepts connections. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const state = new ServerState(options, new CommandTable())
    const listener = createServer((socket) => new SocketConnection(socket, state))
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ port: options.port ?? 6379, host: options.bind?.[0] ?? '127.0.0.1' }, resolve)
    })
    return new Server(state, listener)
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const client of this.state.clients.values()) client.connection.close('now')
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()))
  }
}

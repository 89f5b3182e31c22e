/**
 * A server and connections to it, for tests that read like a talk:
 *
 *   expect(await talk.ask('SET a 1')).toBe('+OK')        one command, words between spaces; its reply in one line
 */
import { encode, encodeAll, Wire } from './differential-wire.ts'
import type { ServerOptions } from './options.ts'
import { Server } from './server.ts'

export class Talk {
  readonly server: Server
  readonly #wires: Wire[]
  readonly #wire: Wire

  private constructor(server: Server, wires: Wire[], wire: Wire) {
    this.server = server
    this.#wires = wires
    this.#wire = wire
    wires.push(wire)
  }

  /** A server of its own and a first connection to it. */
  static async start(options: ServerOptions = {}): Promise<Talk> {
    return await Talk.to(await Server.start({ port: 0, ...options }))
  }

  /** A first connection to a server that is there. */
  static async to(server: Server): Promise<Talk> {
    return new Talk(server, [], await Wire.connect(server.port))
  }

  /** Another connection to the same server. */
  async another(protocol: 2 | 3 = 2): Promise<Talk> {
    const talk = new Talk(this.server, this.#wires, await Wire.connect(this.server.port))
    if (protocol === 3) await talk.ask('HELLO 3')
    return talk
  }

  /** A command as words between spaces, or as its arguments. */
  async ask(command: string | readonly string[]): Promise<string> {
    this.#wire.send(encode(words(command)))
    return (await this.hear(1))[0]!
  }

  /** Sends commands in one write. */
  say(...commands: readonly string[]): void {
    this.#wire.send(encodeAll(commands.map(words)))
  }

  /** The next so many replies and messages. */
  async hear(count: number): Promise<string[]> {
    return (await this.#wire.take(count)).map((frame) => frame.trimEnd().replaceAll('\r\n', ' '))
  }

  /** Ends this connection; resolves when the server has ended it too. */
  async leave(): Promise<void> {
    this.#wire.end()
    await this.#wire.closed()
  }

  /** Ends all connections and the server. */
  async end(): Promise<void> {
    for (const wire of this.#wires) wire.destroy()
    await this.server.close()
  }
}

function words(command: string | readonly string[]): readonly string[] {
  return typeof command === 'string' ? command.split(' ') : command
}

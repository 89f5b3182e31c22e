/**
 * One Socket.IO connection: its session, its calls, its follows.
 *
 *   packet ──► rate ──► name in the table? ──► call ──► reply { ok, … }
 *                                               └─ follow, askQuestion: entries until closed, replaced or disconnected
 *
 * No packet is passed on to the socket's own listeners, so a client cannot emit events of ours at us. A disconnect
 * ends the follows and never an answer.
 */
import { randomBytes } from 'node:crypto'
import { isClosing, type FollowBatch, type Relay } from '@millrace/relay'
import type { Socket } from 'socket.io'
import type { Backlog } from './backlog.ts'
import type { Limits } from './config.ts'
import type { Sink } from './follow.ts'
import { Follows, type OpenFollow } from './follows.ts'
import type { Inspector } from './inspector.ts'
import type { Log } from './logs.ts'
import { Outlet } from './outlet.ts'
import type { PacketRate } from './packet-rate.ts'
import { endChunk, escapeHtml, startChunk, TutorialText } from './tutorial.ts'
import { parse, type Payloads } from './validate.ts'
import { toWireError, WireFailure } from './wire.ts'

export interface ClientParts {
  readonly relay: Relay
  readonly backlog: Backlog
  readonly inspector: Inspector
  readonly payloads: Payloads
  readonly limits: Limits
  readonly log: Log
  /** The `hello` payload. */
  readonly hello: () => object
}

type Reply = (result: object) => void
type Call = (payload: unknown, reply: Reply) => Promise<void>

/** Calls of one connection that are not answered yet. */
const callsMax = 64

export class Client {
  readonly #socket: Socket
  readonly #owner: string
  readonly #parts: ClientParts
  readonly #outlet: Outlet
  readonly #rate: PacketRate
  readonly #follows: Follows
  #calls = 0

  readonly #table: ReadonlyMap<unknown, Call> = new Map<unknown, Call>([
    ['ask', (payload, reply) => this.#ask(payload, reply)],
    ['follow', (payload, reply) => this.#follow(payload, reply)],
    ['unfollow', (payload, reply) => this.#unfollow(payload, reply)],
    ['stop', (payload, reply) => this.#stop(payload, reply)],
    ['list', (payload, reply) => this.#list(payload, reply)],
    ['inspect', (payload, reply) => this.#inspect(payload, reply)],
    ['askQuestion', (payload, reply) => this.#askQuestion(payload, reply)],
  ])

  /** `rate` counts the connection's packets. */
  constructor(socket: Socket, owner: string, rate: PacketRate, parts: ClientParts) {
    this.#socket = socket
    this.#owner = owner
    this.#parts = parts
    this.#outlet = new Outlet(socket.conn, parts.log)
    this.#follows = new Follows(parts.relay, parts.limits.followsPerSocketMax)
    this.#rate = rate
    socket.on('error', (error) => parts.log.debug({ err: error }, 'a packet could not be read'))
    socket.use((packet) => this.#receive(packet))
    socket.on('disconnect', () => {
      this.#follows.endAll()
      // One client for one connection: else leaving and joining again would pile up listeners on it.
      socket.conn.close(true)
    })
    socket.emit('hello', parts.hello())
  }

  #receive(packet: readonly unknown[]): void {
    const last = packet.at(-1)
    const callback = typeof last === 'function' ? (last as Reply) : undefined
    const reply = (result: object): void => {
      if (callback !== undefined) callback({ ok: true, ...result })
    }
    const refuse = (error: unknown): void => {
      const wire = toWireError(error, this.#parts.log)
      if (callback === undefined) this.#socket.emit('refused', wire)
      else callback({ ok: false, error: wire })
    }
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      refuse(refusal)
      return
    }
    const payload = packet[1] === callback ? undefined : packet[1]
    this.#calls++
    this.#call(packet[0], payload, reply)
      .catch(refuse)
      .finally(() => this.#calls--)
  }

  #refusal(): WireFailure | undefined {
    const { packetsPerSecondMax } = this.#parts.limits
    if (this.#rate.verdict !== 'admitted') {
      return new WireFailure('TOO_MANY_PACKETS', `At most ${packetsPerSecondMax} packets a second.`, {
        retryAfterMs: 1000,
      })
    }
    if (this.#calls < callsMax) return undefined
    return new WireFailure('TOO_MANY_PACKETS', `At most ${callsMax} calls at once.`, { retryAfterMs: 1000 })
  }

  async #call(name: unknown, payload: unknown, reply: Reply): Promise<void> {
    const call = this.#table.get(name)
    if (call === undefined) {
      const expected = [...this.#table.keys()].join(', ')
      throw new WireFailure('BAD_REQUEST', `the event: expected one of ${expected}, came another name`)
    }
    await call(payload, reply)
  }

  async #ask(payload: unknown, reply: Reply): Promise<void> {
    const request = parse(this.#parts.payloads.ask, payload)
    reply(await this.#parts.backlog.take(this.#owner, request))
  }

  async #stop(payload: unknown, reply: Reply): Promise<void> {
    const { answer } = parse(this.#parts.payloads.stop, payload)
    const { stopped } = await this.#parts.relay.stop(this.#owner, answer)
    this.#parts.log.info({ answer, stopped }, 'an answer was stopped')
    reply({ stopped })
  }

  async #list(payload: unknown, reply: Reply): Promise<void> {
    const { count } = parse(this.#parts.payloads.list, payload ?? {})
    reply({ answers: await this.#parts.relay.list(this.#owner, count) })
  }

  async #inspect(payload: unknown, reply: Reply): Promise<void> {
    const { answer } = parse(this.#parts.payloads.inspect, payload ?? {})
    reply(await this.#parts.inspector.inspect(this.#owner, answer))
  }

  async #unfollow(payload: unknown, reply: Reply): Promise<void> {
    this.#follows.end(parse(this.#parts.payloads.unfollow, payload).answer)
    reply({})
  }

  async #follow(payload: unknown, reply: Reply): Promise<void> {
    const { answer, after } = parse(this.#parts.payloads.follow, payload)
    const follow = await this.#follows.open(answer, { owner: this.#owner, answer, after })
    // Acknowledged before the first entry leaves.
    reply({})
    const send = ({ entries, caughtUp }: FollowBatch): void => {
      this.#socket.emit('entry', { answer, entries, caughtUp })
    }
    void follow.run(this.#sink(send), (error) => {
      this.#socket.emit('follow-ended', { answer, error: toWireError(error, this.#parts.log) })
    })
  }

  async #askQuestion(payload: unknown, reply: Reply): Promise<void> {
    try {
      const { topic, topicQuestion } = parse(this.#parts.payloads.askQuestion, payload)
      const requestId = randomBytes(12).toString('base64url')
      const { answer } = await this.#parts.backlog.take(this.#owner, { requestId, topic, question: topicQuestion })
      const follow = await this.#follows.open(`chunks of ${answer}`, { owner: this.#owner, answer })
      reply({ answer })
      this.#streamChunks(answer, follow)
    } catch (error) {
      this.#sayInChunks(toWireError(error, this.#parts.log).message)
      throw error
    }
  }

  #streamChunks(answer: string, follow: OpenFollow): void {
    const text = new TutorialText()
    const end = (): void => {
      this.#socket.emit('chunk', endChunk(answer))
    }
    this.#socket.emit('chunk', startChunk(answer))
    const send = ({ entries }: FollowBatch): void => {
      const chunk = entries.map((entry) => text.chunk(entry)).join('')
      if (chunk !== '') this.#socket.emit('chunk', chunk)
      if (entries.some(isClosing)) end()
    }
    void follow.run(this.#sink(send), (error) => {
      this.#socket.emit('chunk', escapeHtml(toWireError(error, this.#parts.log).message))
      end()
    })
  }

  /** The tutorial's page waits for START before it shows anything: it must come even when there is no answer. */
  #sayInChunks(sentence: string): void {
    for (const chunk of [startChunk('none'), escapeHtml(sentence), endChunk('none')]) this.#socket.emit('chunk', chunk)
  }

  #sink(send: (batch: FollowBatch) => void): Sink {
    return { ready: (signal) => this.#outlet.ready(signal), send }
  }
}

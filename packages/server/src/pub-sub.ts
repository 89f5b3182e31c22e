/**
 * Publish and subscribe: who listens to which channels and patterns, and how a message gets to them.
 *
 *   channels   'news'   ─► client 3, client 7          in the order of subscription
 *   shards     'news'   ─► client 9                    SSUBSCRIBE: a world of its own
 *   patterns   'news.*' ─► client 3                    each with its glob, read once
 *
 *   publish ──► outbox ──end of the command──► replies of the listeners ──end of the turn──► sockets
 *
 * A message never gets between the parts of a reply: it waits in the outbox until the running command, or transaction, has
 * written all of its own (so a client that publishes to itself finds the message behind the reply). Messages of a turn
 * leave in one write for each listener; one to whom a long reply is being told gets them behind it. A listener that does
 * not read is closed by the limit on unsent output.
 *
 * A message is encoded once for each protocol, whoever many get it.
 */
import type { ReplyWriter } from '@millrace/protocol'
import type { Client } from './client.ts'
import { Glob } from './glob.ts'

export type SubscriptionKind = 'channel' | 'pattern' | 'shard'

/** What one client listens to. */
export class Subscriptions {
  readonly channel = new Set<string>()
  readonly pattern = new Set<string>()
  readonly shard = new Set<string>()

  /** All of them: more than 0 puts a RESP2 client into the context where it may only subscribe and unsubscribe. */
  get count(): number {
    return this.channel.size + this.pattern.size + this.shard.size
  }

  /** The number that a reply of (un)subscribing tells: channels and patterns together, shard channels apart. */
  countOf(kind: SubscriptionKind): number {
    return kind === 'shard' ? this.shard.size : this.channel.size + this.pattern.size
  }
}

interface Listeners {
  readonly clients: Set<Client>
  readonly glob: Glob | undefined
}

interface Outgoing {
  readonly client: Client
  readonly message: Message
}

export class PubSub {
  /** Messages wait for `deliver`. */
  hasOutgoing = false
  readonly #listeners: Readonly<Record<SubscriptionKind, Map<string, Listeners>>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  }
  #outbox: Outgoing[] = []
  readonly #toFlush = new Set<Client>()
  #isTurnEndDue = false

  /** Begins to listen; false when the client did already, or is gone: its EXEC goes on after a CLIENT KILL of its own. */
  subscribe(client: Client, kind: SubscriptionKind, name: string): boolean {
    if (client.isClosed) return false
    const own = client.subscriptions[kind]
    if (own.has(name)) return false
    own.add(name)
    const listeners = this.#listeners[kind].get(name)
    if (listeners !== undefined) listeners.clients.add(client)
    else {
      const glob = kind === 'pattern' ? new Glob(name) : undefined
      this.#listeners[kind].set(name, { clients: new Set([client]), glob })
    }
    return true
  }

  /** Ends listening; false when the client did not. */
  unsubscribe(client: Client, kind: SubscriptionKind, name: string): boolean {
    if (!client.subscriptions[kind].delete(name)) return false
    const listeners = this.#listeners[kind].get(name)!
    listeners.clients.delete(client)
    if (listeners.clients.size === 0) this.#listeners[kind].delete(name)
    return true
  }

  /** Ends everything that a client listens to, and tells it nothing: it is gone, or starts anew (RESET). */
  leave(client: Client): void {
    if (client.subscriptions.count === 0) return
    for (const kind of ['channel', 'pattern', 'shard'] as const)
      for (const name of client.subscriptions[kind]) this.unsubscribe(client, kind, name)
  }

  /** PUBLISH: returns how many will get it; a client with several patterns that match counts, and gets it, each time. */
  publish(channel: string, payload: Uint8Array): number {
    const direct = this.#listeners.channel.get(channel)
    if (direct === undefined && this.#listeners.pattern.size === 0) return 0
    // The publisher's bytes lie in the buffer of its socket.
    const own = Buffer.from(payload)
    let count = direct === undefined ? 0 : this.#send(direct, new Message(own, 'message', channel))
    for (const [pattern, listeners] of this.#listeners.pattern) {
      if (!listeners.glob!.matches(channel)) continue
      count += this.#send(listeners, new Message(own, 'pmessage', pattern, channel))
    }
    return count
  }

  /** SPUBLISH. */
  publishShard(channel: string, payload: Uint8Array): number {
    const listeners = this.#listeners.shard.get(channel)
    return listeners === undefined ? 0 : this.#send(listeners, new Message(Buffer.from(payload), 'smessage', channel))
  }

  /** The names that have listeners, in the order of their first subscription. */
  names(kind: SubscriptionKind): IterableIterator<string> {
    return this.#listeners[kind].keys()
  }

  /** How many names have listeners. */
  nameCount(kind: SubscriptionKind): number {
    return this.#listeners[kind].size
  }

  /** How many listen to a name. */
  listenerCount(kind: SubscriptionKind, name: string): number {
    return this.#listeners[kind].get(name)?.clients.size ?? 0
  }

  /** Writes what waits to the listeners' replies. Called between commands, never while one writes its reply. */
  deliver(): void {
    if (!this.hasOutgoing) return
    const outbox = this.#outbox
    this.#outbox = []
    this.hasOutgoing = false
    for (const { client, message } of outbox) {
      if (client.isClosed) continue
      message.writeTo(client.pushes)
      this.#toFlush.add(client)
    }
  }

  #send(listeners: Listeners, message: Message): number {
    for (const client of listeners.clients) this.#outbox.push({ client, message })
    this.hasOutgoing = true
    this.#endTurnLater()
    return listeners.clients.size
  }

  // A microtask runs when all code of this turn has returned: after the last command of a pipeline, and before the next
  // socket has its say.
  #endTurnLater(): void {
    if (this.#isTurnEndDue) return
    this.#isTurnEndDue = true
    queueMicrotask(() => {
      this.#isTurnEndDue = false
      this.deliver()
      for (const client of this.#toFlush) if (!client.isClosed) client.connection.flush()
      this.#toFlush.clear()
    })
  }
}

/** One message in the bytes of both protocols, each made when it is first needed. */
class Message {
  readonly #names: string
  readonly #payload: Buffer
  readonly #encoded: (Buffer | undefined)[] = []

  /** The payload stays with the message: it is to be nobody else's. */
  constructor(payload: Buffer, ...names: readonly string[]) {
    this.#names = `${names.length + 1}\r\n${names.map((name) => `$${name.length}\r\n${name}\r\n`).join('')}`
    this.#payload = payload
  }

  writeTo(reply: ReplyWriter): void {
    const bytes = (this.#encoded[reply.protocol] ??= this.#encode(reply.protocol))
    reply.reserve(bytes.length)
    reply.bytes.set(bytes, reply.length)
    reply.length += bytes.length
  }

  #encode(protocol: 2 | 3): Buffer {
    const head = `${protocol === 3 ? '>' : '*'}${this.#names}$${this.#payload.length}\r\n`
    const bytes = Buffer.allocUnsafe(head.length + this.#payload.length + 2)
    const at = bytes.write(head, 'latin1')
    bytes.set(this.#payload, at)
    bytes.write('\r\n', at + this.#payload.length, 'latin1')
    return bytes
  }
}

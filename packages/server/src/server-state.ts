/**
 * What all clients of a server share: the databases, who waits, who is connected, and the clock.
 *
 * `nowMs` is one snapshot for a command, an EXEC, or a round of timers: whoever begins one calls `tick`.
 */
import { Databases, nodeEnv, Waiters, type Env } from '@millrace/engine'
import type { Client } from './client.ts'
import type { CommandTable } from './command-table.ts'
import { KeyspaceEvents, type EventClass } from './keyspace-events.ts'
import type { ServerOptions } from './options.ts'
import { PubSub } from './pub-sub.ts'

export class ServerState {
  readonly options: ServerOptions
  readonly env: Env
  readonly commands: CommandTable
  readonly databases: Databases
  readonly waiters: Waiters[] = []
  readonly clients = new Map<number, Client>()
  readonly blockedClients = new Set<Client>()
  readonly pubSub = new PubSub()
  readonly keyspaceEvents: KeyspaceEvents
  readonly startedMs: number
  nowMs: number
  #clientIds = 0

  constructor(options: ServerOptions, commands: CommandTable) {
    this.options = options
    this.commands = commands
    this.env = options.env ?? nodeEnv
    this.nowMs = this.env.nowMs()
    this.startedMs = this.nowMs
    this.databases = new Databases({ count: options.databases ?? 16 })
    this.keyspaceEvents = new KeyspaceEvents(this.pubSub, this.databases)
    for (let i = 0; i < this.databases.count; i++) this.waiters.push(new Waiters(this.databases.at(i)))
  }

  /** Takes the time for what begins now. */
  tick(): void {
    this.nowMs = this.env.nowMs()
  }

  /** Tells what happened to a key, to whoever has asked for such events (keyspace-events.ts). */
  notify(type: EventClass, event: string, key: string, databaseIndex: number): void {
    if (this.keyspaceEvents.isOn) this.keyspaceEvents.notify(type, event, key, databaseIndex)
  }

  nextClientId(): number {
    return ++this.#clientIds
  }

  /** Lets blocked clients try again after a command, or a transaction, has changed what they wait for. */
  serveBlocked(): void {
    if (this.blockedClients.size === 0) return
    for (const waiters of this.waiters) if (waiters.size > 0) waiters.serve(this.nowMs)
  }
}

/**
 * What all clients of a server share: the databases, who waits, who is connected, what is allowed, and the clock.
 *
 * `nowMs` is one snapshot for a command, an EXEC, or a round of timers: whoever begins one calls `tick`. Between quick
 * commands of one turn dispatch leaves it as it is for a few of them, see there.
 */
import { randomBytes } from 'node:crypto'
import { Databases, nodeEnv, Waiters, type ColdSegments, type Env } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import { Acl, type Denial } from './acl.ts'
import { applyConfig, connectAdministration, requestLimitsOf, startTexts } from './administration.ts'
import { Guesses } from './auth-guesses.ts'
import { release } from './blocking.ts'
import type { Client, Connection } from './client.ts'
import type { CommandTable } from './command-table.ts'
import type { Command } from './command.ts'
import { Config } from './config.ts'
import { Keeper } from './keeper.ts'
import { KeyspaceEvents, type EventClass } from './keyspace-events.ts'
import { Monitors } from './monitors.ts'
import { NativeScripts } from './native-scripts.ts'
import { settingsOf, type ServerOptions, type Settings } from './options.ts'
import { PubSub } from './pub-sub.ts'
import type { ReplyGate } from './reply-gate.ts'
import { ServerTimers } from './server-timers.ts'
import { openStore } from './store-durability.ts'
import { Statistics } from './statistics.ts'

/** Whoever wants to know what commands do: statistics, slow log, latency. Must not throw. */
export interface CommandObserver {
  /** Every call is told, and timed; else those of slow commands, of more than a few arguments, and a sample of the rest. */
  readonly wantsEach: boolean
  /** A command was called and took so long; `weight`: how many calls this one stands for. */
  called(client: Client, command: Command, request: Request, timing: CallTiming): void
  /** An error was answered: by a command that failed, or in place of one. */
  errored(client: Client, line: string): void
}

export interface CallTiming {
  readonly microseconds: number
  readonly failed: boolean
  readonly weight: number
}

/** CLIENT PAUSE: until when whose requests wait. */
export interface Pause {
  readonly untilMs: number
  readonly isForWritesOnly: boolean
}

const ATTACK_LOG_MS = 60_000

/** Connections whose replies are sent in a row, see `flushSoon`. */
const FLUSHED_TOGETHER = 8

export class ServerState {
  readonly options: ServerOptions
  readonly settings: Settings
  readonly config: Config
  readonly env: Env
  readonly commands: CommandTable
  readonly acl: Acl
  readonly guesses = new Guesses()
  databases: Databases
  readonly waiters: Waiters[] = []
  readonly timers: ServerTimers
  readonly clients = new Map<number, Client>()
  /** Sockets that are open: those of `clients`, and those that only wait for their peer's end. */
  readonly connections = new Set<Connection>()
  readonly clientsByAddress = new Map<string, number>()
  readonly blockedClients = new Set<Client>()
  /** Of the blocked ones, those that wait for entries to become old enough. */
  claimingClients = 0
  readonly pubSub = new PubSub()
  readonly monitors: Monitors
  readonly statistics: Statistics
  readonly keyspaceEvents: KeyspaceEvents
  readonly scripts: NativeScripts
  /** Of a server with a directory: what keeps the data there, and what holds replies until they are safe. */
  keeper: Keeper | undefined = undefined
  gate: ReplyGate | undefined = undefined
  /** What of streams is on disk only: then `maxmemory` is a budget for what is in memory. */
  cold: ColdSegments | undefined = undefined
  readonly startedMs: number
  /** What tells this run of the server from any other. */
  readonly runId = randomBytes(20).toString('hex')
  observer: CommandObserver | undefined = undefined
  /** MONITOR: told of every command that has run. */
  monitor: ((client: Client, command: Command, request: Request) => void) | undefined = undefined
  pause: Pause | undefined = undefined
  /** Told what a user was refused, for the ACL's log. */
  onDenied: ((client: Client, denial: Denial) => void) | undefined = undefined
  /** Told of credentials that were wrong, for the ACL's log. */
  onLogInRefused: ((client: Client, userName: string) => void) | undefined = undefined
  /** SHUTDOWN: set by whoever can end the server. */
  shutDown: () => void = () => undefined
  /** Called when a client is gone, or begins anew with RESET. */
  readonly onLeave: ((client: Client) => void)[] = []
  nowMs: number
  /** Quick commands that may still run on this reading of the clock. */
  untilTick = 0
  /** Bytes of all requests that wait to be whole or to be run, and of all replies that were not taken. */
  inputBytes = 0
  outputBytes = 0
  totalConnections = 0
  rejectedConnections = 0
  /** Keys that commands have looked for to read them, and that were there, or were not. */
  keyspaceHits = 0
  keyspaceMisses = 0
  isClosing = false
  #toFlush: { flush(): void }[] = []
  readonly #flushDue = (): void => {
    if (this.gate?.isJoining() === true) setImmediate(this.#flushDue)
    else this.flushAll()
  }
  #clientIds = 0
  #expiredBefore = 0
  #attackLoggedMs = -Infinity

  constructor(options: ServerOptions, commands: CommandTable) {
    this.settings = settingsOf(options)
    this.config = new Config(this.settings, options.config, startTexts(options), options.directory !== undefined)
    this.options = { ...options, requestLimits: requestLimitsOf(options, this.config) }
    this.statistics = new Statistics(this.config)
    this.monitors = new Monitors(this)
    this.observer = this.statistics
    this.commands = commands
    this.env = options.env ?? nodeEnv
    this.nowMs = this.env.nowMs()
    this.startedMs = this.nowMs
    this.acl = new Acl(commands.all, {
      ...(options.aclFile === undefined ? {} : { file: options.aclFile }),
      ...(options.password === undefined ? {} : { password: options.password }),
    })
    this.databases = new Databases({ count: options.databases ?? 16 })
    this.keyspaceEvents = new KeyspaceEvents(this.pubSub, this.databases)
    this.scripts = new NativeScripts(options.scripts)
    this.#makeWaiters()
    this.timers = new ServerTimers(this)
    const { directory, openDurability = openStore } = options
    if (directory !== undefined) this.keeper = new Keeper(this, directory, openDurability)
    connectAdministration(this)
  }

  /**
   * The data are loaded: these are the databases from now on. Nobody has seen the ones before, which were empty; who waits
   * meanwhile (a guess of a password, DEBUG SLEEP) waits on.
   */
  useDatabases(databases: Databases): void {
    const before = [...this.waiters]
    this.databases = databases
    this.#makeWaiters()
    for (const { blocked, held, transaction } of this.clients.values()) {
      transaction.unwatch()
      const wait = blocked?.wait ?? held?.wait
      const index = blocked?.databaseIndex ?? 0
      if (wait !== undefined && before[index]!.cancel(wait)) this.waiters[index]!.add(wait)
    }
    this.keyspaceEvents.use(databases)
    applyConfig(this)
  }

  #makeWaiters(): void {
    for (let i = 0; i < this.databases.count; i++) this.waiters[i] = new Waiters(this.databases.at(i))
  }

  /** The default user is on and needs no password: nobody has to prove who they are. */
  get isOpen(): boolean {
    const { defaultUser } = this.acl
    return defaultUser.needsNoPassword && defaultUser.isOn
  }

  /** Takes the time for what begins now. */
  tick(): void {
    this.nowMs = this.env.nowMs()
  }

  /** Whether the data have outgrown `maxmemory`, and nothing more of them can go to disk. */
  get isOutOfMemory(): boolean {
    if (!this.#isTooMuch) return false
    this.makeRoom()
    return this.#isTooMuch
  }

  /** Sends to disk what is more than `maxmemory`, where there is one. */
  makeRoom(): void {
    if (this.cold !== undefined && this.#isTooMuch) this.cold.shrink()
  }

  get #isTooMuch(): boolean {
    const { maxMemoryBytes } = this.settings
    return maxMemoryBytes > 0 && this.databases.memoryBytes > maxMemoryBytes
  }

  /** Tells what happened to a key, to whoever has asked for such events (keyspace-events.ts). */
  notify(type: EventClass, event: string, key: string, databaseIndex: number): void {
    if (this.keyspaceEvents.isOn) this.keyspaceEvents.notify(type, event, key, databaseIndex)
  }

  /** Keys that have gone because their time had come, since the last CONFIG RESETSTAT. */
  get expiredKeys(): number {
    return this.databases.expiredCount - this.#expiredBefore
  }

  /** CONFIG RESETSTAT: what is counted here begins anew. */
  resetCounts(): void {
    this.#expiredBefore = this.databases.expiredCount
    this.keyspaceHits = 0
    this.keyspaceMisses = 0
    this.totalConnections = 0
    this.rejectedConnections = 0
  }

  /** A key that a command was to read is not there. */
  missed(key: string, databaseIndex: number): void {
    this.keyspaceMisses++
    this.notify('m', 'keymiss', key, databaseIndex)
  }

  /** A line for the operator. */
  log(line: string): void {
    this.options.log?.(line)
  }

  /** At most once a minute: who attacks does not get to fill the log. */
  logAttack(address: string): void {
    if (this.nowMs - this.#attackLoggedMs < ATTACK_LOG_MS) return
    this.#attackLoggedMs = this.nowMs
    this.log(
      `Possible attack: HTTP (POST, Host:) was sent to this port, by ${address}. A web page may be trying to send ` +
        'commands through its reader; the connection was closed.',
    )
  }

  /** A client has come from an address, or gone; undefined: one that isn't counted by it. */
  countClient(address: string | undefined, by: 1 | -1): void {
    if (address === undefined) return
    const now = (this.clientsByAddress.get(address) ?? 0) + by
    if (now > 0) this.clientsByAddress.set(address, now)
    else this.clientsByAddress.delete(address)
  }

  /**
   * Sends a connection's replies when some others have theirs, at the latest when all that have come in this round of the
   * event loop are answered: each write wakes its reader, who may take the processor, and so they come in a row. A short row,
   * since who has replies works while the next ones are made: with 50 connections, 1 KiB and no pipelining 8 at a time were
   * 3 to 5 % more a second than all (bench/wire.ts, the variants in turn).
   */
  flushSoon(connection: { flush(): void }): void {
    const due = this.#toFlush.push(connection)
    if (due === 1) setImmediate(this.#flushDue)
    // With a gate, all changes of a round are written together.
    else if (due === FLUSHED_TOGETHER && this.gate === undefined) this.flushAll()
  }

  /** How many connections have replies that `flushSoon` has put off. */
  get flushCount(): number {
    return this.#toFlush.length
  }

  /** Sends what `flushSoon` has put off. */
  flushAll(): void {
    const due = this.#toFlush
    if (due.length === 0) return
    this.gate?.commitUnlessBusy()
    this.#toFlush = []
    for (let i = 0; i < due.length; i++) due[i]!.flush()
  }

  nextClientId(): number {
    return ++this.#clientIds
  }

  /** Lets blocked clients try again after a command, or a transaction, has changed what they wait for. */
  serveBlocked(): void {
    if (this.blockedClients.size === 0) return
    for (const waiters of this.waiters) if (waiters.size > 0) waiters.serve(this.nowMs)
    // What has been served, delivered or put back may have changed when a claiming reader is to look again.
    if (this.claimingClients > 0) this.timers.rearm()
  }

  /** CLIENT UNPAUSE: what was held back goes on, behind the command or transaction that runs now. */
  unpause(): void {
    this.pause = undefined
    for (const client of this.clients.values()) {
      const { held } = client
      if (held?.cause !== 'pause') continue
      setImmediate(() => {
        if (client.held === held) release(client)
      })
    }
  }
}

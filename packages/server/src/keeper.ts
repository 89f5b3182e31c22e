/**
 * What a server has to do with its directory: load it, save to it, refuse what cannot be kept, and tell how all that stands.
 *
 *   loading ──all is read──► open ──close()──► closed
 *                │
 *                ├ BGSAVE, `save` points, growth of the journal ──► snapshot, one at a time ──► how it ended
 *                └ durability.refusal, a failed snapshot ──► MISCONF to commands that write
 *
 * While it loads, clients may connect, and what needs the data is answered with LOADING.
 */
import type { LoadProgress, Refusal } from '@millrace/engine'
import type { Client } from './client.ts'
import type { CommandEntry } from './command-entry.ts'
import { savePoints } from './config-table.ts'
import { memoryBudgetOf } from './memory-budget.ts'
import { fsyncPolicyOf, type Durability, type DurabilityInfo, type OpenDurability } from './durability.ts'
import { lines, misconfJournal } from './error-lines.ts'
import { ReplyGate } from './reply-gate.ts'
import type { ServerState } from './server-state.ts'

/** After one that failed, no snapshot begins by itself for so long, as in Redis. */
const RETRY_MS = 5000

export type SnapshotCause = 'save' | 'rewrite'

export interface Loading extends LoadProgress {
  readonly sinceMs: number
}

export class Keeper {
  readonly directory: string
  readonly #server: ServerState
  readonly #openDurability: OpenDurability
  #opening: Promise<void> | undefined = undefined
  #durability: Durability | undefined = undefined
  #loading: Loading | undefined
  /** Why the snapshot that is being written was begun; undefined: none is, or the durability has begun it itself. */
  #cause: SnapshotCause | undefined = undefined
  #writing: Promise<unknown> = Promise.resolve()
  readonly #scheduled = new Set<SnapshotCause>()
  #failedMs = -Infinity
  /** Writes are refused since the last snapshot failed. */
  #isSavingBroken = false
  #toldRefusal: string | undefined = undefined
  rewrites = 0
  /** How the last one of each cause ended; undefined: none has. */
  #lastFailed: Partial<Record<SnapshotCause, boolean>> = {}

  constructor(server: ServerState, directory: string, open: OpenDurability) {
    this.#server = server
    this.directory = directory
    this.#openDurability = open
    this.#loading = { sinceMs: server.nowMs, bytes: 0, bytesTotal: 0 }
    server.config.onChange((name, value) => {
      if (name === 'appendfsync' && this.#durability !== undefined) this.#durability.fsync = fsyncPolicyOf(value)
      if (name === 'save' || name === 'stop-writes-on-bgsave-error') this.#lookAtSaving()
    })
  }

  /** Until all is read. */
  get loading(): Loading | undefined {
    return this.#loading
  }

  /** Resolves when all is read; rejects with what the durability was opened in vain for. */
  async open(): Promise<void> {
    this.#opening ??= this.#open()
    await this.#opening
  }

  async #open(): Promise<void> {
    const server = this.#server
    const durability = await this.#openDurability({
      directory: this.directory,
      env: server.env,
      count: server.databases.count,
      fsync: fsyncPolicyOf(server.config.text('appendfsync')),
      memoryBytes: memoryBudgetOf(server.settings),
      collect: server.options.collect,
      onProgress: (progress) => (this.#loading = { sinceMs: server.startedMs, ...progress }),
      log: (line) => server.log(line),
    })
    this.#durability = durability
    server.cold = durability.cold
    server.useDatabases(durability.databases)
    const gate = new ReplyGate(server.databases, durability, () => server.flushCount)
    durability.onChange = () => {
      gate.advance()
      this.#tellRefusal(durability.refusal)
    }
    this.#tellRefusal(durability.refusal)
    server.gate = gate
    this.#loading = undefined
  }

  /** All that was changed is written, made durable, and the directory is free. */
  async close(): Promise<void> {
    if (this.#opening === undefined) return
    try {
      await this.#opening
    } catch {
      // Whoever opened it has been told, and there is nothing to close.
      return
    }
    this.#server.gate?.commit()
    await this.#durability!.close()
  }

  /** All that has changed is on stable storage. */
  get isDurable(): boolean {
    return this.#durability?.isDurable === true && this.#server.gate!.isCommitted
  }

  /** Calls `then` when all that has changed so far is on stable storage; never if that cannot be. */
  flush(then: () => void): void {
    // Behind this command, or transaction.
    setImmediate(() => {
      this.#server.gate!.commit()
      this.#durability!.flush().then(then, (error: unknown) => {
        this.#server.log(`WAITAOF waits in vain: ${error instanceof Error ? error.message : String(error)}`)
      })
    })
  }

  info(): DurabilityInfo | undefined {
    return this.#durability?.info()
  }

  /** Of the last snapshot of this kind. */
  hasFailed(cause: SnapshotCause): boolean {
    return this.#lastFailed[cause] === true
  }

  /** Which one is being written. */
  get running(): SnapshotCause | undefined {
    return this.#cause ?? (this.info()?.snapshot.runningSinceMs === undefined ? undefined : 'rewrite')
  }

  /** One of this kind begins when that one has ended. */
  isScheduled(cause: SnapshotCause): boolean {
    return this.#scheduled.has(cause)
  }

  /** Begins a snapshot. None may be running. */
  begin(cause: SnapshotCause): void {
    void this.#write(cause).then((error) => {
      this.#lastFailed[cause] = error !== undefined
      if (cause === 'rewrite' && error === undefined) this.rewrites++
      if (error !== undefined) this.#failedMs = this.#server.env.nowMs()
      this.#ended()
    })
  }

  /** SAVE: writes a snapshot, behind the one that is being written; tells whether it was. */
  async save(): Promise<boolean> {
    while (this.#cause !== undefined) await this.#writing
    const error = await this.#write('save')
    // As Redis: whether writes are refused depends on BGSAVE, until something was saved.
    if (error === undefined) this.#lastFailed.save = false
    this.#ended()
    return error === undefined
  }

  /** Resolves with what went wrong. */
  async #write(cause: SnapshotCause): Promise<unknown> {
    this.#cause = cause
    this.#server.gate!.commit()
    this.#writing = this.#durability!.snapshot().then(
      () => undefined,
      (error: unknown) => {
        this.#server.log(`A snapshot could not be written: ${error instanceof Error ? error.message : String(error)}`)
        return error
      },
    )
    const error = await this.#writing
    this.#cause = undefined
    return error
  }

  /** Begins one behind the one that runs, or behind the transaction that does. */
  schedule(cause: SnapshotCause): void {
    this.#scheduled.add(cause)
    setImmediate(() => this.#beginScheduled())
  }

  #beginScheduled(): void {
    if (this.#scheduled.size === 0 || this.#server.isClosing || this.running !== undefined) return
    const next = this.#scheduled.has('rewrite') ? 'rewrite' : 'save'
    this.#scheduled.delete(next)
    this.begin(next)
  }

  #ended(): void {
    this.#lookAtSaving()
    this.#beginScheduled()
  }

  #lookAtSaving(): void {
    const { config } = this.#server
    this.#isSavingBroken =
      this.hasFailed('save') && config.isOn('stop-writes-on-bgsave-error') && config.text('save') !== ''
  }

  /** Once a second: a snapshot begins when `save` says so, or the journal has grown by so much. */
  tick(nowMs: number): void {
    // Groups and strings have grown, perhaps, and no segment was sealed.
    this.#server.makeRoom()
    const info = this.info()
    if (info === undefined || this.#server.isClosing || this.running !== undefined) return
    this.#beginScheduled()
    if (this.running !== undefined || nowMs - this.#failedMs < RETRY_MS) return
    if (this.#isSaveDue(info, nowMs)) this.begin('save')
    else if (this.#isGrown(info)) this.begin('rewrite')
  }

  #isSaveDue({ snapshot }: DurabilityInfo, nowMs: number): boolean {
    const text = this.#server.config.text('save')
    if (text === '') return false
    const passedMs = nowMs - (snapshot.lastMs ?? this.#server.startedMs)
    return savePoints(text).some(
      ({ seconds, changes }) => snapshot.changesBehind >= changes && passedMs > seconds * 1000,
    )
  }

  #isGrown({ journal }: DurabilityInfo): boolean {
    const { config } = this.#server
    const percentage = config.number('auto-aof-rewrite-percentage')
    if (percentage === 0 || journal.bytes <= config.number('auto-aof-rewrite-min-size')) return false
    const base = Math.max(journal.baseBytes, 1)
    return ((journal.bytes - base) * 100) / base >= percentage
  }

  /** Hot: why a command is refused that the disk would have to take, as a line. */
  refusalOf(client: Client, entry: CommandEntry): string | undefined {
    const refusal = this.#durability?.refusal
    if (refusal === undefined && !this.#isSavingBroken) return undefined
    const isGrowthOnly = !this.#isSavingBroken && refusal?.kind === 'growing'
    // As Redis: PING too, so that whoever looks after the server's health hears of it.
    const isRefused = entry.command.name === 'ping' || (isGrowthOnly ? grows : writes)(client, entry)
    if (!isRefused) return undefined
    return this.#isSavingBroken ? lines.misconfSnapshot : misconfJournal(refusal!.reason)
  }

  #tellRefusal(refusal: Refusal | undefined): void {
    const text = refusal === undefined ? undefined : `${refusal.kind}: ${refusal.reason}`
    if (text === this.#toldRefusal) return
    this.#toldRefusal = text
    if (refusal === undefined) this.#server.log('Writes are taken again')
    else this.#server.log(`Refused for now is ${refusedWhat[refusal.kind]}: ${refusal.reason}`)
  }
}

const refusedWhat: Readonly<Record<Refusal['kind'], string>> = {
  growing: 'what makes the data larger',
  all: 'all that changes the data',
}

function writes({ transaction }: Client, entry: CommandEntry): boolean {
  return entry.isWrite || (entry.command.name === 'exec' && transaction.queue.some((queued) => queued.entry.isWrite))
}

function grows({ transaction }: Client, entry: CommandEntry): boolean {
  return entry.deniesOutOfMemory || (entry.command.name === 'exec' && transaction.needsMemory)
}

/**
 * One database: the keys, and the one place where they change.
 *
 *   command ──commit(change)──► apply to the state ──► watches ──► each listener, in the order of subscription
 *
 *   keyspace   'orders' → stream, expires at …     'session' → string      (keyspace.ts)
 *
 * A key that has expired is removed when a command looks at it, or by a sweep, whichever comes first; to everybody it is
 * gone from its time on.
 *
 * A database of several (databases.ts) stays the same object under its number when it is swapped: what goes over to the
 * other one is the keyspace. So who waits for a key here, or watches it, stays here and is told.
 */
import assert from 'node:assert'
import type { Change, CrossChange } from './change.ts'
import { applyChange } from './apply.ts'
import { AppendScratch } from './append-scratch.ts'
import type { ColdSegments } from './disk/cold-segments.ts'
import { EngineError } from './errors.ts'
import { Freezer } from './freezer.ts'
import { Keyspace, type Slot, type Value } from './keyspace.ts'
import type { NodeLimits } from './nodes.ts'
import type { EntryRun } from './packed-fields.ts'
import { IDEMPOTENCY_DEFAULT, type IdempotencySettings } from './producers.ts'
import type { Stream } from './stream.ts'
import { StringValue } from './string-value.ts'
import { Watches, type Watch } from './watches.ts'

export type ChangeListener = (change: Change) => void
export type CrossChangeListener = (change: CrossChange) => void

export interface DatabaseOptions {
  /** Entries of a logical node. Default 100; 0 = no limit. */
  readonly nodeEntriesMax?: number
  /** Listpack bytes of a logical node. Default 4096; 0 = 1 GiB. */
  readonly nodeBytesMax?: number
  /** What streams created from now on remember of their producers. Default 100 seconds, 100 IDs. */
  readonly idempotency?: IdempotencySettings
  /** Where streams go that are larger than memory. Default: they stay in memory. */
  readonly cold?: ColdSegments
}

/** How many changes were made, and keys expired; one for all databases of a server. */
export interface Tally {
  changes: number
  /** Keys that were removed because their time had come. */
  expired: number
}

export class Database {
  /** For entries to come; may be replaced at any time. */
  limits: NodeLimits
  /** What streams created from now on remember of their producers. */
  idempotency: IdempotencySettings
  /** What appends work with. */
  readonly scratch = new AppendScratch()
  readonly #tally: Tally
  readonly #freezer: Freezer
  readonly #cold: ColdSegments | undefined
  readonly #watches = new Watches(this)
  #keyspace: Keyspace
  // Replaced, not changed, so that whoever ends a subscription while being told disturbs nobody.
  #listeners: readonly ChangeListener[] = []
  #crossListeners: readonly CrossChangeListener[] = []

  constructor(
    options: DatabaseOptions = {},
    tally: Tally = { changes: 0, expired: 0 },
    freezer: Freezer = new Freezer(),
  ) {
    this.limits = { entriesMax: options.nodeEntriesMax ?? 100, bytesMax: options.nodeBytesMax ?? 4096 }
    this.idempotency = options.idempotency ?? IDEMPOTENCY_DEFAULT
    this.#tally = tally
    this.#freezer = freezer
    this.#cold = options.cold
    this.#keyspace = new Keyspace(freezer, this.#cold)
  }

  /** Bytes of all keys, as `Stream.memoryBytes` counts them. */
  get memoryBytes(): number {
    return this.#keyspace.memoryBytes
  }

  /** Expired keys that nobody has looked at included. */
  get keyCount(): number {
    return this.#keyspace.size
  }

  /** How many keys expire. */
  get expiringKeyCount(): number {
    return this.#keyspace.expiringCount
  }

  /** Changes made since it was created, here and in the databases beside it. */
  get changeCount(): number {
    return this.#tally.changes
  }

  /** Keys under which IDs of producers may be remembered: where `expireIids` looks. */
  get idempotentKeys(): Set<string> {
    return this.#keyspace.idempotentKeys
  }

  /** All keys, expired ones that nobody has looked at included. */
  keys(): IterableIterator<string> {
    return this.#keyspace.keys()
  }

  /** The stream of a key; undefined when there is none or it has expired. `WRONG_TYPE`: it is something else. */
  find(key: string, nowMs: number): Stream | undefined {
    const slot = this.#keyspace.get(key)
    if (slot === undefined) return undefined
    const { value, expiresAtMs } = slot
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs) return this.#expire(key)
    if (value.type === 'stream') return value
    throw new EngineError('WRONG_TYPE', `'${key}' holds a ${value.type}, not a stream`)
  }

  /** The stream of a key that has to exist. */
  require(key: string, nowMs: number): Stream {
    const stream = this.find(key, nowMs)
    if (stream !== undefined) return stream
    throw new EngineError('NO_SUCH_KEY', `There is no stream '${key}'`)
  }

  /** Creates a stream under a free key, and returns it. */
  createStream(key: string): Stream {
    const { idempotency } = this
    const isDefault =
      idempotency.durationS === IDEMPOTENCY_DEFAULT.durationS && idempotency.sizeMax === IDEMPOTENCY_DEFAULT.sizeMax
    this.commit({ kind: 'stream-created', key, ...(isDefault ? {} : { idempotency }) })
    const created = this.peek(key)
    assert(created?.type === 'stream', 'a stream that was created is there')
    return created
  }

  /** As `find`, but nothing also when the key holds something else. */
  streamAt(key: string, nowMs: number): Stream | undefined {
    const value = this.value(key, nowMs)
    return value?.type === 'stream' ? value : undefined
  }

  /** Whatever a key holds; undefined when there is none or it has expired. */
  value(key: string, nowMs: number): Value | undefined {
    const slot = this.#keyspace.get(key)
    if (slot?.expiresAtMs !== undefined && slot.expiresAtMs <= nowMs) return this.#expire(key)
    return slot?.value
  }

  /** What is stored under a key, expired or not. */
  peek(key: string): Value | undefined {
    return this.#keyspace.get(key)?.value
  }

  /** When a key expires; undefined: it does not, or is not there. */
  expiresAtMs(key: string): number | undefined {
    return this.#keyspace.get(key)?.expiresAtMs
  }

  /** The key at a place from 0 up to `keyCount`: see keyspace.ts for how a walk over the places misses none. */
  keyAt(place: number): string {
    return this.#keyspace.at(place).key
  }

  /** All keys with what they hold, by their places: for the picture that `Databases.freeze` makes. */
  slots(): Slot[] {
    return this.#keyspace.slots()
  }

  /** The earliest time at which a key expires. */
  nextExpiryMs(): number | undefined {
    return this.#keyspace.nextExpiryMs
  }

  /** Removes keys whose time has come, at most `countMax`; returns how many. */
  sweep(nowMs: number, countMax: number): number {
    let removed = 0
    for (; removed < countMax; removed++) {
      const key = this.#keyspace.dueKey(nowMs)
      if (key === undefined) break
      this.#expire(key)
    }
    return removed
  }

  /** Watches a key, until the watch is ended: has anybody touched it? */
  watch(key: string, nowMs: number): Watch {
    // Removes it when it has expired, so that this is no news later.
    this.value(key, nowMs)
    return this.#watches.add(key)
  }

  /** The keys that are watched. */
  watchedKeys(): Iterable<string> {
    return this.#watches.keys()
  }

  /** Calls the listener after each change has been applied; returns what ends that. Listeners do not throw. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
    }
  }

  /** As `subscribe`, for the changes that this database shares with another one (`Databases` makes them). */
  subscribeCross(listener: CrossChangeListener): () => void {
    this.#crossListeners = [...this.#crossListeners, listener]
    return () => {
      this.#crossListeners = this.#crossListeners.filter((other) => other !== listener)
    }
  }

  /** Applies a change and tells it to the listeners. */
  commit(change: Change): void {
    this.apply(change)
    this.#tally.changes++
    this.#tell(change)
  }

  #tell(change: Change): void {
    if (this.#watches.size > 0) this.#watches.observe(change)
    const listeners = this.#listeners
    for (let i = 0; i < listeners.length; i++) listeners[i]!(change)
  }

  /**
   * Commits entries of the scratch batch, as many of a run as the stream takes at once, and returns how many: all of them
   * are there when the first is told. 0: `commit` is to be called for the first. `run` has the scratch's cell and fields,
   * which are those of the last one afterwards.
   */
  commitRun(key: string, stream: Stream, run: EntryRun): number {
    const { scratch } = this
    if (this.#freezer.active !== 0) this.#freezer.keep(stream)
    const entries = stream.appendRun(run, this.limits)
    this.#tally.changes += entries
    if (this.#watches.size === 0 && this.#listeners.length === 0) return entries
    const { id } = scratch
    const { fields } = scratch.batch
    const { ms, seq } = id
    for (let i = 0; i < entries; i++) {
      if (i > 0) fields.first += fields.count
      id.setPlain(ms, seq + i)
      this.#tell(scratch.added(key, fields, false))
    }
    return entries
  }

  /** Tells a change that concerns this database and another one, and that has been applied: only for `Databases`. */
  tellCross(change: CrossChange): void {
    if (this.#watches.size > 0) this.#watches.observe(change)
    for (const listener of this.#crossListeners) listener(change)
  }

  /** Applies a change without telling anybody: replaying a history. */
  apply(change: Change): void {
    switch (change.kind) {
      case 'stream-created':
        this.#keyspace.createStream(change.key, change.idempotency)
        return
      case 'string-set':
        this.#keyspace.put(change.key, StringValue.of(change.value), change.expiresAtMs)
        return
      case 'key-restored':
        this.#keyspace.restore(change.key, change.payload, change.expiresAtMs)
        return
      case 'key-removed':
        this.#keyspace.remove(change.key)
        return
      case 'key-renamed': {
        const { value, expiresAtMs } = this.#keyspace.take(change.key)
        this.#keyspace.put(change.to, value, expiresAtMs)
        return
      }
      case 'expiry-set':
        this.#keyspace.expire(change.key, change.atMs)
        return
      case 'flushed':
        this.#keyspace.release()
        this.#keyspace = new Keyspace(this.#freezer, this.#cold)
        return
      default: {
        const value = this.#keyspace.get(change.key)?.value
        if (this.#freezer.active !== 0) this.#freezer.keep(value)
        applyChange(value, change)
        if (change.kind === 'iid-recorded') this.#keyspace.idempotentKeys.add(change.key)
      }
    }
  }

  /** The database is not used any more: gives back what its keys have on disk. */
  release(): void {
    this.#keyspace.release()
    this.#keyspace = new Keyspace(this.#freezer, undefined)
  }

  /** Exchanges all keys with another database: only for `Databases`. */
  exchangeKeys(other: Database): void {
    const own = this.#keyspace
    this.#keyspace = other.#keyspace
    other.#keyspace = own
  }

  /** Gives a key, which is there, to another database: only for `Databases`. */
  giveKey(key: string, to: Database): void {
    const { value, expiresAtMs } = this.#keyspace.take(key)
    to.#keyspace.put(key, value, expiresAtMs)
  }

  /** Puts a copy of what a key holds under a key of this or another database: only for `Databases`. */
  copyKey(key: string, to: Database, toKey: string): void {
    const slot = this.#keyspace.get(key)
    if (slot === undefined) throw new EngineError('NO_SUCH_KEY', `There is no key '${key}' to copy`)
    const copy = to.#keyspace.copyOf(slot.value)
    this.#freezer.leaveOut(copy)
    to.#keyspace.put(toKey, copy, slot.expiresAtMs)
  }

  #expire(key: string): undefined {
    this.#tally.expired++
    this.commit({ kind: 'key-removed', key, reason: 'expired' })
  }
}

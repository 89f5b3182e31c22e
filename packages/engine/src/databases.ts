/**
 * The numbered databases of a server, and what concerns two of them at once.
 *
 *   0 ──► Database      1 ──► (not made yet)      2 ──► Database   …   15
 *          ▲                                              ▲
 *          └────────── swap, move, copy: a CrossChange ───┘
 *
 *   listeners ◄── (number, Change) of every database, (number, CrossChange), in the order in which they happened
 *
 * Recorded from here and applied to new Databases in the same order, all changes together give the same data again.
 */
import { unreachable, type Change, type CrossChange } from './change.ts'
import { Database, type DatabaseOptions, type Tally } from './database.ts'
import { EngineError } from './errors.ts'
import { Freezer } from './freezer.ts'
import { FrozenDatabase, FrozenDatabases } from './frozen-databases.ts'
import { flush } from './keys.ts'
import type { NodeLimits } from './nodes.ts'
import type { IdempotencySettings } from './producers.ts'

/** `index` is the database's number; of a cross change, the first that it names. */
export type DatabasesListener = (index: number, change: Change | CrossChange) => void

export interface DatabasesOptions extends DatabaseOptions {
  /** How many databases there are. Default 16. */
  readonly count?: number
}

/** A key of one of the databases. */
export interface KeyRef {
  readonly key: string
  readonly database: number
}

export class Databases {
  readonly count: number
  readonly #options: DatabaseOptions
  readonly #tally: Tally = { changes: 0, expired: 0 }
  readonly #freezer = new Freezer()
  readonly #made: (Database | undefined)[]
  #limits: NodeLimits | undefined = undefined
  #idempotency: IdempotencySettings | undefined = undefined
  readonly #subscriptions = new Set<Subscription>()

  constructor({ count = 16, ...options }: DatabasesOptions = {}) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new EngineError('BAD_ARGUMENT', `There is one database or more, not ${count}`)
    }
    this.count = count
    this.#options = options
    this.#made = Array.from({ length: count })
  }

  /** Changes made since the beginning. */
  get changeCount(): number {
    return this.#tally.changes
  }

  /** Keys removed, since the beginning, because their time had come. */
  get expiredCount(): number {
    return this.#tally.expired
  }

  /** Bytes of all keys in all databases. */
  get memoryBytes(): number {
    let bytes = 0
    for (const database of this.#made) bytes += database?.memoryBytes ?? 0
    return bytes
  }

  /** A database by its number; it is made when first asked for. `BAD_ARGUMENT`: there is none of that number. */
  at(index: number): Database {
    return this.#made[index] ?? this.#make(index)
  }

  /** Those that were ever asked for, by their numbers. */
  *made(): IterableIterator<readonly [index: number, database: Database]> {
    for (const [index, database] of this.#made.entries()) if (database !== undefined) yield [index, database]
  }

  /** The limits of logical nodes (CONFIG SET stream-node-max-…), in all databases, for entries to come. */
  setNodeLimits(limits: NodeLimits): void {
    this.#limits = limits
    for (const [, database] of this.made()) database.limits = limits
  }

  /** What streams remember of their producers (CONFIG SET stream-idmp-…), in all databases, for streams to come. */
  setIdempotency(settings: IdempotencySettings): void {
    this.#idempotency = settings
    for (const [, database] of this.made()) database.idempotency = settings
  }

  /** SWAPDB. Both `Database` objects stay where they are; their keys change places. */
  swap(a: number, b: number, nowMs: number): void {
    const [first, second] = [this.at(a), this.at(b)]
    if (a === b) return
    // A key that comes here expired was never here for who watches it.
    for (const key of first.watchedKeys()) second.value(key, nowMs)
    for (const key of second.watchedKeys()) first.value(key, nowMs)
    this.#commit({ kind: 'databases-swapped', a, b })
  }

  /** MOVE, with the expiry. Returns false when there is no such key, or one in the other database. */
  move(key: string, from: number, to: number, nowMs: number): boolean {
    const [source, target] = [this.at(from), this.at(to)]
    if (source === target) throw new EngineError('BAD_ARGUMENT', `'${key}' is to move from database ${from} to itself`)
    if (source.value(key, nowMs) === undefined || target.value(key, nowMs) !== undefined) return false
    this.#commit({ kind: 'key-moved', key, from, to })
    return true
  }

  /**
   * COPY, with the expiry: of a stream everything, so that the copy answers as the original does. Returns false when
   * there is no such key, or, without `replace`, one of the new name.
   */
  copy(from: KeyRef, to: KeyRef, { replace }: { readonly replace: boolean }, nowMs: number): boolean {
    const [source, target] = [this.at(from.database), this.at(to.database)]
    if (source === target && from.key === to.key) {
      throw new EngineError('BAD_ARGUMENT', `'${from.key}' is to be copied to itself`)
    }
    if (source.value(from.key, nowMs) === undefined) return false
    if (target.value(to.key, nowMs) !== undefined && !replace) return false
    this.#commit({ kind: 'key-copied', key: from.key, from: from.database, toKey: to.key, to: to.database })
    return true
  }

  /** FLUSHALL. Returns how many keys there were. */
  flush(): number {
    let keys = 0
    for (const [, database] of this.made()) keys += flush(database)
    return keys
  }

  /** The earliest time at which a key expires. */
  nextExpiryMs(): number | undefined {
    let earliest: number | undefined
    for (const database of this.#made) {
      const next = database?.nextExpiryMs()
      if (next !== undefined && (earliest === undefined || next < earliest)) earliest = next
    }
    return earliest
  }

  /** Removes keys whose time has come, at most `countMax`; returns how many. */
  sweep(nowMs: number, countMax: number): number {
    let removed = 0
    for (const [, database] of this.made()) removed += database.sweep(nowMs, countMax - removed)
    return removed
  }

  /** Calls the listener after each change in any database has been applied; returns what ends that. */
  subscribe(listener: DatabasesListener): () => void {
    const subscription: Subscription = { listener, ends: [] }
    for (const [index, database] of this.made()) connect(subscription, index, database)
    this.#subscriptions.add(subscription)
    return () => {
      this.#subscriptions.delete(subscription)
      for (const end of subscription.ends) end()
    }
  }

  /** They are not used any more: gives back what they have on disk. */
  release(): void {
    for (const [, database] of this.made()) database.release()
  }

  /** Applies a change without telling anybody: replaying a history. */
  apply(index: number, change: Change | CrossChange): void {
    switch (change.kind) {
      case 'databases-swapped':
        this.at(change.a).exchangeKeys(this.at(change.b))
        return
      case 'key-moved':
        this.at(change.from).giveKey(change.key, this.at(change.to))
        return
      case 'key-copied':
        this.at(change.from).copyKey(change.key, this.at(change.to), change.toKey)
        return
      default:
        this.at(index).apply(change)
    }
  }

  /** A picture of all keys as they are now, to be read bit by bit while changes go on. There is one at a time. */
  freeze(): FrozenDatabases {
    this.#freezer.begin()
    const { cold } = this.#options
    const letGo = cold?.hold()
    const frozen: FrozenDatabase[] = []
    for (const [index, database] of this.made()) {
      if (database.keyCount > 0) frozen.push(new FrozenDatabase(index, database, this.#freezer))
    }
    return new FrozenDatabases(frozen, this.#freezer, () => {
      cold?.endPictures()
      letGo?.()
    })
  }

  #make(index: number): Database {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.count) {
      throw new EngineError('BAD_ARGUMENT', `Databases are numbered from 0 to ${this.count - 1}; there is no ${index}`)
    }
    const database = new Database(this.#options, this.#tally, this.#freezer)
    if (this.#limits !== undefined) database.limits = this.#limits
    if (this.#idempotency !== undefined) database.idempotency = this.#idempotency
    this.#made[index] = database
    for (const subscription of this.#subscriptions) connect(subscription, index, database)
    return database
  }

  #commit(change: CrossChange): void {
    const index = change.kind === 'databases-swapped' ? change.a : change.from
    this.apply(index, change)
    this.#tally.changes++
    for (const concerned of touched(change)) this.at(concerned).tellCross(change)
    for (const { listener } of this.#subscriptions) listener(index, change)
  }
}

interface Subscription {
  readonly listener: DatabasesListener
  readonly ends: (() => void)[]
}

/** Each database tells the listener itself, so that a change costs nothing when nobody listens. */
function connect({ listener, ends }: Subscription, index: number, database: Database): void {
  ends.push(database.subscribe((change) => listener(index, change)))
}

/** The databases in which a key changed. */
function touched(change: CrossChange): readonly number[] {
  switch (change.kind) {
    case 'databases-swapped':
      return [change.a, change.b]
    case 'key-moved':
      return [change.from, change.to]
    case 'key-copied':
      return [change.to]
    default:
      return unreachable(change)
  }
}

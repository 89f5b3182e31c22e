/**
 * The keys, and the one place where they change.
 *
 *   command ──commit(change)──► apply to the state ──► each listener, in the order of subscription
 *
 *   keys     'orders' → stream, expires at …     'questions' → stream
 *   expiry   the keys that expire, the earliest first
 *
 * A key that has expired is removed when a command looks at it, or by a sweep, whichever comes first; to everybody it is
 * gone from its time on. Streams are the only type today; `find` is where another one would be told apart.
 */
import type { Change } from './change.ts'
import { applyChange } from './apply.ts'
import { Deadlines } from './deadlines.ts'
import { EngineError } from './errors.ts'
import { Meter } from './meter.ts'
import type { NodeLimits } from './nodes.ts'
import { IDEMPOTENCY_DEFAULT, type IdempotencySettings } from './producers.ts'
import { Stream } from './stream.ts'

export type ChangeListener = (change: Change) => void

export interface DatabaseOptions {
  /** Entries of a logical node. Default 100; 0 = no limit. */
  readonly nodeEntriesMax?: number
  /** Listpack bytes of a logical node. Default 4096; 0 = 1 GiB. */
  readonly nodeBytesMax?: number
  /** What streams created from now on remember of their producers. Default 100 seconds, 100 IDs. */
  readonly idempotency?: IdempotencySettings
}

const KEY_BYTES = 120

export class Database {
  readonly limits: NodeLimits
  /** What streams created from now on remember of their producers. */
  idempotency: IdempotencySettings
  /** Keys under which IDs of producers may be remembered: where `expireIids` looks. */
  readonly idempotentKeys = new Set<string>()
  readonly #keys = new Map<string, Stream>()
  readonly #expiry = new Deadlines<string>()
  readonly #listeners = new Set<ChangeListener>()
  readonly #meter = new Meter()

  constructor(options: DatabaseOptions = {}) {
    this.limits = { entriesMax: options.nodeEntriesMax ?? 100, bytesMax: options.nodeBytesMax ?? 4096 }
    this.idempotency = options.idempotency ?? IDEMPOTENCY_DEFAULT
  }

  /** Bytes of all keys, as `Stream.memoryBytes` counts them. */
  get memoryBytes(): number {
    return this.#meter.bytes
  }

  get keyCount(): number {
    return this.#keys.size
  }

  /** All keys, expired ones that nobody has looked at included. */
  keys(): IterableIterator<string> {
    return this.#keys.keys()
  }

  /** The stream of a key; undefined when there is none or it has expired. */
  find(key: string, nowMs: number): Stream | undefined {
    const expiresAtMs = this.#expiry.size === 0 ? undefined : this.#expiry.get(key)
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs) this.commit({ kind: 'key-removed', key, reason: 'expired' })
    return this.#keys.get(key)
  }

  /** The stream of a key that has to exist. */
  require(key: string, nowMs: number): Stream {
    const stream = this.find(key, nowMs)
    if (stream !== undefined) return stream
    throw new EngineError('NO_SUCH_KEY', `There is no stream '${key}'`)
  }

  /** Creates a stream, and returns it. */
  createStream(key: string): Stream {
    const { idempotency } = this
    const isDefault =
      idempotency.durationS === IDEMPOTENCY_DEFAULT.durationS && idempotency.sizeMax === IDEMPOTENCY_DEFAULT.sizeMax
    this.commit({ kind: 'stream-created', key, ...(isDefault ? {} : { idempotency }) })
    return this.#keys.get(key)!
  }

  /** When a key expires; undefined: it does not, or is not there. */
  expiresAtMs(key: string): number | undefined {
    return this.#expiry.get(key)
  }

  /** The earliest time at which a key expires. */
  nextExpiryMs(): number | undefined {
    return this.#expiry.next()
  }

  /** Removes keys whose time has come, at most `countMax`; returns how many. */
  sweep(nowMs: number, countMax: number): number {
    let removed = 0
    while (removed < countMax) {
      const due = this.#expiry.next()
      if (due === undefined || due > nowMs) break
      this.commit({ kind: 'key-removed', key: this.#expiry.take(nowMs)!, reason: 'expired' })
      removed++
    }
    return removed
  }

  /** Calls the listener after each change has been applied; returns what ends that. Listeners do not throw. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Applies a change and tells it to the listeners. */
  commit(change: Change): void {
    this.apply(change)
    for (const listener of this.#listeners) listener(change)
  }

  /** Applies a change without telling anybody: replaying a history. */
  apply(change: Change): void {
    if (change.kind === 'stream-created') this.#create(change.key, change.idempotency)
    else if (change.kind === 'key-removed') this.#remove(change.key)
    else if (change.kind === 'expiry-set') this.#setExpiry(change.key, change.atMs)
    else applyChange(this.#keys.get(change.key), change)
    if (change.kind === 'iid-recorded') this.idempotentKeys.add(change.key)
  }

  #create(key: string, idempotency: IdempotencySettings | undefined): void {
    const stream = new Stream(this.#meter)
    if (idempotency !== undefined) stream.ensureProducers().settings = idempotency
    this.#keys.set(key, stream)
    this.#meter.add(KEY_BYTES + key.length)
  }

  #remove(key: string): void {
    this.#keys.get(key)?.release()
    if (this.#keys.delete(key)) this.#meter.add(-(KEY_BYTES + key.length))
    this.#expiry.delete(key)
  }

  #setExpiry(key: string, atMs: number | undefined): void {
    if (atMs === undefined) this.#expiry.delete(key)
    else this.#expiry.set(key, atMs)
  }
}

/**
 * Random histories of every kind of change, on several databases: small IDs and few names, so that they meet, and now and then
 * the edges of the columns and of the 64 bits. For tests only.
 *
 *   const history = new RandomHistory(databases, new Seeded(seed))
 *   for (let i = 0; i < 100; i++) history.step()
 *
 * What a command refuses is part of the history. Nothing is looked at here: the tests compare states.
 */
import { acknowledge } from './acknowledge.ts'
import { append, deleteEntries, setLastId, trim, type TrimRule } from './append.ts'
import { appendMany } from './append-many.ts'
import { autoClaim, claim } from './claim.ts'
import type { Database } from './database.ts'
import type { Databases } from './databases.ts'
import { EngineError } from './errors.ts'
import { createConsumer, createGroup, deleteConsumer, destroyGroup, setGroup } from './group-commands.ts'
import { ID_MAX, ID_ZERO, type NewId, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { appendOnce, expireIids, recordIid, setIdempotency } from './idempotency.ts'
import { expireAt, flush, persist, removeKey, renameKey, restoreKey } from './keys.ts'
import { negativeAcknowledge } from './nack.ts'
import { dumpValue } from './rdb/dump-writer.ts'
import { readGroup } from './read-group.ts'
import { acknowledgeAndDelete, deleteEntriesEx } from './references.ts'
import type { Seeded } from './seeded.ts'
import { setString } from './strings.ts'

const KEYS = ['s', 's', 's', 's', 't', 'a key with spaces', '\0\xff\r\n']
const GROUPS = ['g', 'g', 'g', 'h', '']
const CONSUMERS = ['a', 'b', 'c', 'consumer-\xe9']
const PRODUCERS = ['p', 'p', 'q']
const IIDS = ['i', 'j', 'k', 'l', 'm'.repeat(200)]
const FIELDS = [
  ['f', '1'],
  ['f', '2'],
  ['f', 'x'.repeat(200)],
  ['f', 'x'.repeat(2000)],
  ['a', '1', 'b', ''],
  ['', '\xe9\0', '', '\xff'],
]
const EDGES = [255n, 256n, 65_536n, 2n ** 31n, 2n ** 32n + 7n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 2n]
const REFERENCES = ['keepref', 'delref', 'acked'] as const
const EXPIRIES = [1, 20, 1e6, 1e12, 2 ** 62, 2 ** 63 - 1024]

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

export class RandomHistory {
  readonly databases: Databases
  /** The clock: the history moves it, mostly forward. */
  nowMs = 10
  readonly #random: Seeded
  readonly #onRefused: (error: EngineError) => void

  constructor(databases: Databases, random: Seeded, onRefused: (error: EngineError) => void = () => undefined) {
    this.databases = databases
    this.#random = random
    this.#onRefused = onRefused
  }

  /** One command. */
  step(): void {
    try {
      this.#run(this.#random.below(100))
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      this.#onRefused(error)
    }
  }

  #run(dice: number): void {
    if (dice < 26) this.#add()
    else if (dice < 36) this.#shorten()
    else if (dice < 50) this.#read()
    else if (dice < 62) this.#settle()
    else if (dice < 72) this.#claim()
    else if (dice < 80) this.#setUp()
    else if (dice < 90) this.#produce()
    else if (dice < 98) this.#changeKeys()
    else this.nowMs += this.#random.pick([1, 5, 1000, 2500, -3])
  }

  #add(): void {
    const { nowMs } = this
    const [database, key] = [this.#database(), this.#key()]
    const fields = this.#random.pick(FIELDS).map(bytes)
    switch (this.#random.below(4)) {
      case 0:
        appendMany(
          database,
          { key, entries: Array.from({ length: 1 + this.#below(9) }, () => fields) },
          nowMs,
          new IdList(),
        )
        return
      case 1:
        append(database, { key, fields, id: this.#newId(database, key) }, nowMs)
        return
      case 2:
        append(database, { key, fields, trim: this.#trimRule() }, nowMs)
        return
      default:
        append(database, { key, fields }, nowMs)
        this.nowMs += this.#below(2)
    }
  }

  #shorten(): void {
    const { nowMs } = this
    const [database, key] = [this.#database(), this.#key()]
    const what = this.#below(8)
    if (what < 3) trim(database, key, this.#trimRule(), nowMs)
    else if (what < 6) deleteEntries(database, key, this.#ids(database, key), nowMs)
    else if (what < 7) {
      const references = this.#random.pick(REFERENCES)
      deleteEntriesEx(database, key, { ids: this.#ids(database, key), references }, nowMs)
    } else {
      const lastId = this.#id()
      if (this.#below(2) === 0) setLastId(database, { key, lastId }, nowMs)
      else setLastId(database, { key, lastId, entriesAdded: this.#below(40), maxDeletedId: this.#id() }, nowMs)
    }
  }

  #read(): void {
    const keys = this.#below(6) === 0 ? ['s', 't'] : [this.#key()]
    const from = this.#below(5) === 0 ? ID_ZERO : ('>' as const)
    const positions = keys.map((key) => ({ key, from }))
    const claims = this.#below(4) === 0 ? { claimMinIdleMs: this.#random.pick([0, 1, 10]) } : {}
    const query = {
      ...this.#consumerRef(),
      noAck: this.#below(6) === 0,
      positions,
      count: 1 + this.#below(6),
      ...claims,
    }
    readGroup(this.#database(), query, this.nowMs)
  }

  #settle(): void {
    const { nowMs } = this
    const database = this.#database()
    const ref = this.#consumerRef()
    const ids = this.#ids(database, ref.key)
    switch (this.#below(4)) {
      case 0:
        acknowledgeAndDelete(database, ref, { ids, references: this.#random.pick(REFERENCES) }, nowMs)
        return
      case 1: {
        const mode = this.#random.pick(['silent', 'fail', 'fatal'] as const)
        const deliveries = this.#below(3) === 0 ? { deliveries: this.#random.pick([0, 3, 70_000]) } : {}
        negativeAcknowledge(database, ref, { mode, ids, force: this.#below(2) === 0, ...deliveries }, nowMs)
        return
      }
      default:
        acknowledge(database, ref, { ids }, nowMs)
    }
  }

  #claim(): void {
    const { nowMs } = this
    const database = this.#database()
    const ref = this.#consumerRef()
    const minIdleMs = this.#random.pick([0, 0, 1, 10])
    const justId = this.#below(3) === 0
    if (this.#below(3) === 0) {
      autoClaim(database, ref, { from: ID_ZERO, minIdleMs, count: 1 + this.#below(5), justId }, nowMs)
      return
    }
    const time = this.#random.pick([{}, {}, { idleMs: 2 }, { idleMs: 1e12 }, { timeMs: -1 }, { timeMs: 1e15 }])
    const deliveries = this.#below(4) === 0 ? { deliveries: this.#random.pick([0, 70_000, 2 ** 53]) } : {}
    const lastId = this.#below(9) === 0 ? { lastId: this.#id() } : {}
    const force = this.#below(2) === 0
    const ids = this.#ids(database, ref.key)
    claim(database, ref, { ids, minIdleMs, justId, force, ...time, ...deliveries, ...lastId }, nowMs)
  }

  #setUp(): void {
    const { nowMs } = this
    const database = this.#database()
    const ref = this.#consumerRef()
    const from = this.#random.pick(['$', ID_ZERO, this.#id()] as const)
    const read = this.#below(3) === 0 ? { entriesRead: this.#below(30) } : {}
    const what = this.#below(20)
    if (what < 11) createGroup(database, ref, { from, mkStream: this.#below(2) === 0, ...read }, nowMs)
    else if (what < 14) setGroup(database, ref, { from, ...read }, nowMs)
    else if (what < 15) destroyGroup(database, ref, nowMs)
    else if (what < 18) createConsumer(database, ref, nowMs)
    else deleteConsumer(database, ref, {}, nowMs)
  }

  #produce(): void {
    const { nowMs } = this
    const [database, key] = [this.#database(), this.#key()]
    const [producer, iid] = [this.#random.pick(PRODUCERS), this.#random.pick(IIDS)]
    const what = this.#below(12)
    if (what < 7) {
      appendOnce(database, { key, fields: this.#random.pick(FIELDS).map(bytes), producer, iid }, nowMs)
    } else if (what < 9) recordIid(database, { key, producer, iid, id: this.#ids(database, key)[0]! }, nowMs)
    else if (what < 11)
      setIdempotency(database, key, { durationS: 1 + this.#below(3), sizeMax: 1 + this.#below(3) }, nowMs)
    else {
      expireIids(database, nowMs)
      // For streams to come.
      const settings = this.#random.pick([
        { durationS: 100, sizeMax: 100 },
        { durationS: 2, sizeMax: 2 },
      ])
      this.databases.setIdempotency(settings)
    }
  }

  #changeKeys(): void {
    const { nowMs, databases } = this
    const [database, key, other] = [this.#database(), this.#key(), this.#key()]
    const [from, to] = [this.#index(), this.#index()]
    const what = this.#below(33)
    if (what < 3) this.#restore(database, key, other)
    else if (what < 11) {
      const value = bytes(this.#random.pick(['', 'x', '\xff\0', 'y'.repeat(2000)]))
      const expiry = this.#random.pick([{}, { expiresAtMs: 'keep' as const }, { expiresAtMs: nowMs + this.#expiry() }])
      setString(database, { key, value, ...expiry }, nowMs)
    } else if (what < 15) expireAt(database, key, nowMs + this.#expiry(), nowMs)
    else if (what < 17) persist(database, key, nowMs)
    else if (what < 18) databases.sweep(nowMs, 3)
    else if (what < 20) removeKey(database, key, nowMs)
    else if (what < 23) renameKey(database, key, other, nowMs)
    else if (what < 27) databases.move(key, from, to, nowMs)
    else if (what < 31)
      databases.copy({ key, database: from }, { key: other, database: to }, { replace: what < 30 }, nowMs)
    else if (what < 32) databases.swap(from, to, nowMs)
    else if (this.#below(4) === 0) flush(database)
    // One node more or less.
    else databases.setNodeLimits({ entriesMax: 1 + this.#below(5), bytesMax: this.#random.pick([0, 300]) })
  }

  #restore(database: Database, key: string, other: string): void {
    const value = database.value(key, this.nowMs)
    if (value === undefined) return
    const expiry = this.#random.pick([{}, {}, { expiresAtMs: this.nowMs + this.#expiry() - 10 }])
    restoreKey(this.#database(), { key: other, payload: dumpValue(value), ...expiry }, this.nowMs)
  }

  #trimRule(): TrimRule {
    const references = this.#random.pick([{}, {}, { references: this.#random.pick(REFERENCES) }])
    const keep =
      this.#below(2) === 0
        ? { kind: 'max-len' as const, entries: this.#below(9) }
        : { kind: 'min-id' as const, id: this.#id() }
    return { keep, approximate: this.#below(2) === 0, ...references }
  }

  #newId(database: Database, key: string): NewId {
    const last = database.streamAt(key, this.nowMs)?.lastId ?? ID_ZERO
    if (this.#below(3) === 0) return { kind: 'auto-seq', ms: last.ms + BigInt(this.#below(2)) }
    if (this.#below(3) === 0) return { kind: 'exact', id: this.#id() }
    // Above the last one, so that it is taken; an edge now and then.
    const seq = this.#below(20) === 0 ? this.#random.pick(EDGES) : BigInt(this.#below(5))
    const ms = this.#below(40) === 0 ? this.#random.pick(EDGES) : last.ms + 1n
    return { kind: 'exact', id: { ms: ms > ID_MAX.ms ? ID_MAX.ms : ms, seq } }
  }

  /** Some that are there or pending, some that are not, some twice. */
  #ids(database: Database, key: string): StreamId[] {
    const stream = database.streamAt(key, this.nowMs)
    const there = stream?.range(ID_ZERO, ID_MAX, 30).map(({ id }) => id) ?? []
    const count = 1 + this.#below(5)
    const first = this.#below(Math.max(there.length, 1))
    if (this.#below(2) === 0 && there.length > 0) return there.slice(first, first + count)
    return Array.from({ length: count }, () =>
      there.length > 0 && this.#below(5) > 0 ? this.#random.pick(there) : this.#id(),
    )
  }

  #id(): StreamId {
    const part = (): bigint => (this.#below(30) === 0 ? this.#random.pick(EDGES) : BigInt(this.#below(40)))
    return { ms: part(), seq: this.#below(3) === 0 ? part() : 0n }
  }

  #expiry(): number {
    return this.#random.pick(EXPIRIES)
  }

  #consumerRef(): { readonly key: string; readonly group: string; readonly consumer: string } {
    return { key: this.#key(), group: this.#random.pick(GROUPS), consumer: this.#random.pick(CONSUMERS) }
  }

  #database(): Database {
    return this.databases.at(this.#index())
  }

  #index(): number {
    return this.#below(4) === 0 ? this.#below(this.databases.count) : 0
  }

  #key(): string {
    return this.#random.pick(KEYS)
  }

  #below(limit: number): number {
    return this.#random.below(limit)
  }
}

/**
 * Random histories with a picture taken in the middle: it is read bit by bit, its keys in any order, while the history goes
 * on, and must show everything as it was. Large streams are among them, so that segments are compacted, pending blocks
 * split and join, and pages of nodes come and go.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { describe, expect, it } from 'vitest'
import { acknowledge } from './acknowledge.ts'
import { deleteEntries, setLastId, trim } from './append.ts'
import { appendMany } from './append-many.ts'
import { autoClaim } from './claim.ts'
import type { Database } from './database.ts'
import { Databases } from './databases.ts'
import { someCold } from './disk/testing/some-cold.ts'
import { valueLines } from './disk/state-text.ts'
import { idAtIndex } from './entry-ranks.ts'
import { EngineError } from './errors.ts'
import type { FrozenDatabases } from './frozen-databases.ts'
import { createGroup } from './group-commands.ts'
import { ID_MAX, ID_ZERO, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { appendOnce, expireIids, setIdempotency } from './idempotency.ts'
import { removeKey, renameKey } from './keys.ts'
import { negativeAcknowledge } from './nack.ts'
import { RandomHistory } from './random-history.ts'
import { readGroup } from './read-group.ts'
import { Seeded } from './seeded.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 300)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const LARGE = ['large', 'larger']
const COMMON = { key: 'large', group: 'g' }

type Lines = ReadonlyMap<string, readonly string[]>

/** Everything, as it is now: a name for each key of each database, and what it holds. */
function deepPicture(databases: Databases): Lines {
  const lines = new Map<string, string[]>()
  for (const [index, database] of databases.made()) {
    for (const key of database.keys()) {
      const expires = `expires ${database.expiresAtMs(key)}`
      lines.set(`${index} ${key}`, [expires, ...valueLines(database.peek(key)!)])
    }
  }
  return lines
}

/** Reads a picture, whose keys it takes in any order, some lines at a time of one key or another. */
class Reader {
  readonly lines = new Map<string, string[]>()
  readonly #open: { readonly name: string; readonly rest: Iterator<string> }[] = []
  readonly #places: { readonly index: number; readonly place: number }[] = []
  readonly #frozen: FrozenDatabases
  readonly #random: Seeded

  constructor(frozen: FrozenDatabases, random: Seeded) {
    this.#frozen = frozen
    this.#random = random
    for (const [index, { keyCount }] of frozen.databases.entries()) {
      for (let place = 0; place < keyCount; place++) this.#places.push({ index, place })
    }
  }

  get isDone(): boolean {
    return this.#places.length === 0 && this.#open.length === 0
  }

  step(): void {
    const random = this.#random
    if (this.#places.length > 0 && (this.#open.length === 0 || random.below(3) === 0)) this.#take()
    const at = random.below(this.#open.length)
    const { name, rest } = this.#open[at]!
    for (let count = random.below(random.pick([4, 4000])); count >= 0; count--) {
      const { done, value } = rest.next()
      if (done === true) {
        this.#open.splice(at, 1)
        return
      }
      this.lines.get(name)!.push(value)
    }
  }

  #take(): void {
    const [{ index, place }] = this.#places.splice(this.#random.below(this.#places.length), 1) as [
      { index: number; place: number },
    ]
    const database = this.#frozen.databases[index]!
    const { key, value, expiresAtMs } = database.take(place)
    const name = `${database.index} ${key}`
    this.lines.set(name, [`expires ${expiresAtMs}`])
    this.#open.push({ name, rest: valueLines(value) })
  }
}

/** Large streams: what the small ones of a random history never come to. */
class LargeHistory {
  readonly #databases: Databases
  readonly #random: Seeded
  #nowMs = 1000

  constructor(databases: Databases, random: Seeded) {
    this.#databases = databases
    this.#random = random
  }

  begin(): void {
    const database = this.#databases.at(0)
    createGroup(database, COMMON, { from: ID_ZERO, mkStream: true }, 0)
    createGroup(database, { ...COMMON, key: 'larger' }, { from: ID_ZERO, mkStream: true }, 0)
    for (let i = 0; i < 4; i++) for (const key of LARGE) this.#append(database, key, 1000)
    for (let i = 0; i < 6; i++) for (const key of LARGE) this.#deliver(database, key, 500)
  }

  step(): void {
    const random = this.#random
    const database = this.#databases.at(0)
    const key = random.pick(LARGE)
    this.#nowMs += random.below(3)
    const now = this.#nowMs
    if (database.streamAt(key, now)?.group('g') === undefined) return
    try {
      this.#run(database, key, now)
    } catch (error) {
      // What is refused is part of the history.
      if (!(error instanceof EngineError)) throw error
    }
  }

  #run(database: Database, key: string, now: number): void {
    const random = this.#random
    const what = random.below(14)
    if (what < 2) this.#append(database, key, 1 + random.below(500))
    else if (what < 4) this.#deliver(database, key, 1 + random.below(500))
    else if (what < 6) acknowledge(database, { key, group: 'g' }, { ids: this.#pending(database, key) }, now)
    else if (what < 8) deleteEntries(database, key, this.#some(database, key), now)
    else if (what < 10) this.#claim(database, key)
    else if (what < 11) this.#giveBack(database, key)
    else if (what < 12) this.#produce(database, key)
    else this.#rarely(database, key)
  }

  #append(database: Database, key: string, entries: number): void {
    const fields = ['f', 'v'.repeat(this.#random.below(40))].map((text) => Buffer.from(text, 'latin1'))
    appendMany(database, { key, entries: Array.from({ length: entries }, () => fields) }, this.#nowMs, new IdList())
  }

  #deliver(database: Database, key: string, count: number): void {
    const consumer = this.#random.pick(['a', 'b', 'c'])
    readGroup(database, { group: 'g', consumer, positions: [{ key, from: '>' }], count }, this.#nowMs)
  }

  #claim(database: Database, key: string): void {
    const ref = { key, group: 'g', consumer: this.#random.pick(['a', 'b']) }
    const from = this.#some(database, key)[0] ?? ID_ZERO
    autoClaim(database, ref, { from, minIdleMs: 0, count: 1 + this.#random.below(300) }, this.#nowMs)
  }

  #giveBack(database: Database, key: string): void {
    const ids = this.#pending(database, key)
    negativeAcknowledge(database, { key, group: 'g' }, { mode: 'fail', ids, force: false }, this.#nowMs)
  }

  #produce(database: Database, key: string): void {
    const fields = [Buffer.from('f'), Buffer.from('v')]
    const random = this.#random
    if (random.below(20) === 0)
      setIdempotency(database, key, { durationS: 1 + random.below(2), sizeMax: 9 }, this.#nowMs)
    if (random.below(9) === 0) expireIids(database, (this.#nowMs += 600))
    appendOnce(database, { key, fields, producer: random.pick(['p', 'q']), iid: `i${random.below(50)}` }, this.#nowMs)
  }

  #rarely(database: Database, key: string): void {
    const now = this.#nowMs
    switch (this.#random.below(7)) {
      case 0: {
        const entries = this.#random.below(3000)
        trim(database, key, { keep: { kind: 'max-len', entries }, approximate: this.#random.below(2) === 0 }, now)
        return
      }
      case 1: {
        const stream = database.streamAt(key, now)!
        const newest = stream.rangeBackward(ID_ZERO, ID_MAX, 1 + this.#random.below(9)).map(({ id }) => id)
        if (newest.length > 0) deleteEntries(database, key, newest, now)
        const { lastId, entriesAdded } = stream
        setLastId(database, { key, lastId, entriesAdded, maxDeletedId: { ms: 0n, seq: 1n } }, now)
        return
      }
      case 2: {
        // The IDs of the newest come again.
        const stream = database.streamAt(key, now)!
        setLastId(database, { key, lastId: stream.length > 0 ? stream.lastEntryId : stream.lastId }, now)
        return
      }
      case 3:
        if (database.streamAt('larger', now) !== undefined) renameKey(database, 'larger', 'large', now)
        return
      case 4:
        this.#databases.copy({ key, database: 0 }, { key: 'larger', database: 0 }, { replace: true }, now)
        return
      case 5:
        this.#databases.swap(0, 1, now)
        return
      default:
        if (this.#random.below(4) === 0) removeKey(database, key, now)
    }
  }

  #some(database: Database, key: string): StreamId[] {
    const stream = database.streamAt(key, this.#nowMs)!
    if (stream.length === 0) return []
    const from = idAtIndex(stream, this.#random.below(stream.length))
    const ids = stream.range(from, ID_MAX, 1 + this.#random.below(400)).map(({ id }) => id)
    return this.#random.below(2) === 0 ? ids : ids.filter(() => this.#random.below(2) === 0)
  }

  #pending(database: Database, key: string): StreamId[] {
    const group = database.streamAt(key, this.#nowMs)!.group('g')!
    const ids: StreamId[] = []
    const [skip, step] = [this.#random.below(Math.max(group.pending.size, 1)), 1 + this.#random.below(3)]
    const countMax = skip + this.#random.below(400) * step
    let at = 0
    group.pending.scan(ID_ZERO, ({ id }) => {
      if (at >= skip && (at - skip) % step === 0) ids.push(id)
      return ++at < countMax
    })
    return ids
  }
}

function checkHistory(seed: number, isLarge: boolean, isCold = false): number {
  const random = new Seeded(seed)
  const cold = isCold ? someCold(random) : undefined
  const databases = new Databases({ count: 3, nodeEntriesMax: 5, ...(cold === undefined ? {} : { cold }) })
  const history = new RandomHistory(databases, random)
  const large = new LargeHistory(databases, random)
  if (isLarge) large.begin()
  const step = (): void => {
    if (isLarge && random.below(3) > 0) large.step()
    else history.step()
    // What a picture shares leaves memory at any time.
    if (cold !== undefined && random.below(8) === 0) cold.memoryBytes = random.pick([0, 20_000, 200_000, 2_000_000])
  }
  const stepsBefore = random.below(isLarge ? 40 : 150)
  for (let i = 0; i < stepsBefore; i++) step()
  const ends = random.pick(['read to its end', 'read to its end', 'given up'])
  // The second one finds columns that the first one has shared.
  for (let freezes = 0; freezes < 2; freezes++) {
    const wanted = deepPicture(databases)
    const frozen = databases.freeze()
    const reader = new Reader(frozen, random)
    while (!reader.isDone) {
      for (let i = random.below(6); i > 0; i--) step()
      reader.step()
      if (ends === 'given up' && random.below(10) === 0) break
    }
    frozen.release()
    if (reader.isDone) same(reader.lines, wanted, seed)
  }
  if (cold === undefined) return 0
  expect(cold.info().residentBytes).toBe(databases.memoryBytes)
  databases.release()
  expect(cold.info()).toMatchObject({ segments: 0, files: 0, residentBytes: 0, cachedBytes: 0 })
  return cold.info().reads
}

function same(found: Lines, wanted: Lines, seed: number): void {
  expect([...found.keys()].sort(), `seed ${seed}`).toEqual([...wanted.keys()].sort())
  for (const [name, lines] of wanted) {
    if (found.get(name)!.join('\n') === lines.join('\n')) continue
    expect(found.get(name), `seed ${seed}, key ${name}`).toEqual(lines)
  }
}

describe('a picture of all databases', () => {
  console.info(`frozen-databases.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)

  it(`shows in ${RUNS} histories what there was when it was taken, seed ${SEED}`, { timeout: 600_000 }, () => {
    for (let run = 0; run < RUNS; run++) checkHistory(SEED + run, false)
  })

  it(`shows large streams as they were, seed ${SEED}`, { timeout: 600_000 }, () => {
    for (let run = 0; run < Math.ceil(RUNS / 10); run++) checkHistory(SEED + run, true)
  })

  it(`shows what is on disk only, seed ${SEED}`, { timeout: 600_000 }, () => {
    let reads = 0
    for (let run = 0; run < RUNS / 3; run++) reads += checkHistory(SEED + run, run % 5 === 0, true)
    expect(reads).toBeGreaterThan(0)
  })
})

/**
 * Random histories of key commands on several databases, run by the engine and by a plain model (a Map of Maps): every
 * answer must be the same, what each watch says, and in the end all keys with what they hold. Walks (SCAN) go on
 * between the commands, and each must have met every key that was there all the time. The recorded changes, replayed
 * into fresh databases, must give the same picture once more.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { append, deleteEntries } from './append.ts'
import { copyChange, type Change, type CrossChange } from './change.ts'
import { acknowledge } from './acknowledge.ts'
import { Databases } from './databases.ts'
import { ColdSegments } from './disk/cold-segments.ts'
import { SimFs } from './disk/testing/sim-fs.ts'
import { EngineError } from './errors.ts'
import { createGroup } from './group-commands.ts'
import { ID_ZERO } from './id.ts'
import { fullStreamInfo } from './info.ts'
import { expireAt, flush, keyMemoryBytes, persist, randomKey, removeKey, renameKey, scan } from './keys.ts'
import { readGroup } from './read-group.ts'
import { Seeded } from './seeded.ts'
import { getString, setString } from './strings.ts'
import type { Watch } from './watches.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const DATABASES = 3
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

// The plain model.

interface PlainStream {
  entries: number[]
  last: number
  added: number
  groups: Map<string, { last: number; pending: number[] }>
}

interface PlainKey {
  value: string | PlainStream
  expires: number | undefined
}

interface PlainWatch {
  readonly database: number
  readonly key: string
  readonly wasThere: boolean
  isDirty: boolean
}

class PlainRefusal extends Error {}

class PlainDatabases {
  readonly all = Array.from({ length: DATABASES }, () => new Map<string, PlainKey>())
  watches: PlainWatch[] = []
  now = 0

  get(database: number, key: string): PlainKey | undefined {
    const found = this.all[database]!.get(key)
    if (found?.expires === undefined || found.expires > this.now) return found
    this.all[database]!.delete(key)
    this.touch(database, key)
    return undefined
  }

  put(database: number, key: string, value: PlainKey): void {
    this.all[database]!.set(key, value)
    this.touch(database, key)
  }

  remove(database: number, key: string): boolean {
    if (this.get(database, key) === undefined) return false
    this.all[database]!.delete(key)
    this.touch(database, key)
    return true
  }

  stream(database: number, key: string): PlainStream | undefined {
    const found = this.get(database, key)
    if (typeof found?.value === 'string') throw new PlainRefusal('WRONG_TYPE')
    return found?.value
  }

  touch(database: number, key: string): void {
    for (const watch of this.watches) if (watch.database === database && watch.key === key) watch.isDirty = true
  }

  /** The keys that are there, expired ones removed. */
  keys(database: number): string[] {
    return KEYS.filter((key) => this.get(database, key) !== undefined)
  }
}

const emptyStream = (): PlainStream => ({ entries: [], last: 0, added: 0, groups: new Map() })

// The commands.

const dbArb = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(DATABASES - 1) })
const keyArb = fc.constantFrom(...KEYS)
const at = { db: dbArb, key: keyArb }
const op = <N extends string, T extends object>(
  weight: number,
  name: N,
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
): { weight: number; arbitrary: fc.Arbitrary<{ op: N } & T> } => ({
  weight,
  arbitrary: fc.record({ op: fc.constant(name), ...model }) as unknown as fc.Arbitrary<{ op: N } & T>,
})

const opArb = fc.oneof(
  op(12, 'set', {
    ...at,
    value: fc.constantFrom('', 'x', 'x'.repeat(2000)),
    expires: fc.constantFrom(undefined, undefined, 'keep' as const, -1, 1, 3, 9),
  }),
  op(12, 'add', at),
  op(4, 'delete-entry', { ...at, nth: fc.nat(5) }),
  op(4, 'group', at),
  op(4, 'deliver', at),
  op(3, 'ack', at),
  op(6, 'remove', at),
  op(6, 'expire', { ...at, after: fc.integer({ min: -1, max: 9 }) }),
  op(3, 'persist', at),
  op(8, 'rename', { ...at, to: keyArb }),
  op(6, 'move', { ...at, toDb: dbArb }),
  op(8, 'copy', { ...at, toDb: dbArb, to: keyArb, replace: fc.boolean() }),
  op(3, 'swap', { db: dbArb, toDb: dbArb }),
  op(1, 'flush', { db: dbArb }),
  op(4, 'random', { db: dbArb, random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) }),
  op(12, 'scan', { db: dbArb, count: fc.integer({ min: 1, max: 3 }) }),
  op(4, 'watch', at),
  op(2, 'unwatch', { nth: fc.nat(3) }),
  op(5, 'clock', { by: fc.integer({ min: 1, max: 4 }) }),
  op(2, 'sweep', { count: fc.integer({ min: 1, max: 3 }) }),
)
type Op = typeof opArb extends fc.Arbitrary<infer T> ? T : never

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const idOf = (ms: number): { ms: bigint; seq: bigint } => ({ ms: BigInt(ms), seq: 0n })
const query = (key: string) => ({ group: 'g', consumer: 'c', positions: [{ key, from: '>' as const }], count: 1 })

function runEngine(databases: Databases, what: Op, model: PlainDatabases): unknown {
  const now = model.now
  const database = databases.at('db' in what ? what.db : 0)
  switch (what.op) {
    case 'set': {
      const expiresAtMs = typeof what.expires === 'number' ? now + what.expires : what.expires
      const value = bytes(what.value)
      return setString(database, { key: what.key, value, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) }, now)
    }
    case 'add': {
      const last = Number(database.find(what.key, now)?.lastId.ms ?? 0n)
      const fields = [bytes('f'), bytes(`v${last}`)]
      return append(database, { key: what.key, fields, id: { kind: 'exact', id: idOf(last + 1) } }, now)?.ms
    }
    case 'delete-entry':
      return deleteEntries(database, what.key, [idOf(what.nth + 1)], now)
    case 'group':
      return void createGroup(database, { key: what.key, group: 'g' }, { from: ID_ZERO, mkStream: true }, now)
    case 'deliver':
      return readGroup(database, query(what.key), now).flatMap(({ entries }) => entries.map(({ id }) => Number(id.ms)))
    case 'ack':
      return acknowledge(database, { key: what.key, group: 'g' }, { ids: [1, 2, 3, 4, 5].map(idOf) }, now).length
    case 'remove':
      return removeKey(database, what.key, now)
    case 'expire':
      return expireAt(database, what.key, now + what.after, now)
    case 'persist':
      return persist(database, what.key, now)
    case 'rename':
      return renameKey(database, what.key, what.to, now)
    case 'move':
      return databases.move(what.key, what.db, what.toDb, now)
    case 'copy': {
      const [from, to] = [
        { key: what.key, database: what.db },
        { key: what.to, database: what.toDb },
      ]
      return databases.copy(from, to, what, now)
    }
    case 'swap':
      return databases.swap(what.db, what.toDb, now)
    case 'flush':
      return void flush(database)
    case 'sweep':
      return void databases.sweep(now, what.count)
    default:
      return undefined
  }
}

function runModel(model: PlainDatabases, what: Op): unknown {
  const { now } = model
  switch (what.op) {
    case 'set': {
      const before = model.get(what.db, what.key)
      const expires =
        what.expires === 'keep' ? before?.expires : what.expires === undefined ? undefined : now + what.expires
      if (expires === undefined || expires > now) model.put(what.db, what.key, { value: what.value, expires })
      else model.remove(what.db, what.key)
      return undefined
    }
    case 'add': {
      const stream = model.stream(what.db, what.key) ?? emptyStream()
      stream.entries.push(++stream.last)
      stream.added++
      model.put(what.db, what.key, { value: stream, expires: model.get(what.db, what.key)?.expires })
      return BigInt(stream.last)
    }
    case 'delete-entry': {
      const stream = model.stream(what.db, what.key)
      const place = stream?.entries.indexOf(what.nth + 1) ?? -1
      if (place < 0) return 0
      stream!.entries.splice(place, 1)
      model.touch(what.db, what.key)
      return 1
    }
    case 'group': {
      const found = model.stream(what.db, what.key)
      if (found?.groups.has('g')) throw new PlainRefusal('GROUP_EXISTS')
      const stream = found ?? emptyStream()
      stream.groups.set('g', { last: 0, pending: [] })
      if (found === undefined) model.put(what.db, what.key, { value: stream, expires: undefined })
      return undefined
    }
    case 'deliver': {
      const stream = model.stream(what.db, what.key)
      const group = stream?.groups.get('g')
      if (group === undefined) throw new PlainRefusal('NO_GROUP')
      const next = stream!.entries.find((ms) => ms > group.last)
      if (next === undefined) return []
      group.last = next
      group.pending.push(next)
      return [next]
    }
    case 'ack': {
      const group = model.stream(what.db, what.key)?.groups.get('g')
      const pending = group?.pending ?? []
      if (group !== undefined) group.pending = pending.filter((ms) => ms > 5)
      return pending.length - (group?.pending.length ?? 0)
    }
    default:
      return runKeys(model, what)
  }
}

function runKeys(model: PlainDatabases, what: Op): unknown {
  const { now } = model
  switch (what.op) {
    case 'remove':
      return model.remove(what.db, what.key)
    case 'expire': {
      const found = model.get(what.db, what.key)
      if (found === undefined) return false
      if (what.after <= 0) return model.remove(what.db, what.key)
      model.touch(what.db, what.key)
      found.expires = now + what.after
      return true
    }
    case 'persist': {
      const found = model.get(what.db, what.key)
      if (found?.expires === undefined) return false
      found.expires = undefined
      model.touch(what.db, what.key)
      return true
    }
    case 'rename': {
      const found = model.get(what.db, what.key)
      if (found === undefined) throw new PlainRefusal('NO_SUCH_KEY')
      if (what.key === what.to) return undefined
      model.remove(what.db, what.key)
      model.put(what.db, what.to, found)
      return undefined
    }
    case 'move': {
      if (what.db === what.toDb) throw new PlainRefusal('BAD_ARGUMENT')
      const found = model.get(what.db, what.key)
      if (found === undefined || model.get(what.toDb, what.key) !== undefined) return false
      model.remove(what.db, what.key)
      model.put(what.toDb, what.key, found)
      return true
    }
    case 'copy': {
      if (what.db === what.toDb && what.key === what.to) throw new PlainRefusal('BAD_ARGUMENT')
      const found = model.get(what.db, what.key)
      if (found === undefined || (model.get(what.toDb, what.to) !== undefined && !what.replace)) return false
      model.put(what.toDb, what.to, structuredClone(found))
      return true
    }
    case 'swap':
    case 'flush':
      return runAll(model, what)
    default:
      return undefined
  }
}

/** What concerns all keys of a database. */
function runAll(model: PlainDatabases, what: Extract<Op, { op: 'swap' | 'flush' }>): undefined {
  if (what.op === 'flush') {
    const had = new Set(model.all[what.db]!.keys())
    model.all[what.db]!.clear()
    for (const key of had) model.touch(what.db, key)
    return
  }
  if (what.db === what.toDb) return
  const [first, second] = [model.all[what.db]!, model.all[what.toDb]!]
  // What had expired in the one was never seen in the other.
  for (const key of KEYS) for (const index of [what.db, what.toDb]) model.get(index, key)
  model.all[what.db] = second
  model.all[what.toDb] = first
  for (const key of new Set([...first.keys(), ...second.keys()])) {
    model.touch(what.db, key)
    model.touch(what.toDb, key)
  }
}

// The comparison.

function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    if (error instanceof EngineError) return { refused: error.code }
    if (error instanceof PlainRefusal) return { refused: error.message }
    throw error
  }
}

function enginePicture(databases: Databases, now: number): unknown {
  return Array.from({ length: DATABASES }, (_, index) => {
    const database = databases.at(index)
    const picture: Record<string, unknown> = {}
    for (const key of [...database.keys()].sort()) {
      const value = database.value(key, now)
      if (value === undefined) continue
      const expires = database.expiresAtMs(key)
      if (value.type === 'string') {
        picture[key] = { value: Buffer.from(getString(database, key, now)!).toString('latin1'), expires }
        continue
      }
      const info = fullStreamInfo(database, key, Infinity, now)
      const groups = info.groups.map(({ name, lastId, pending }) => ({
        name,
        last: Number(lastId.ms),
        pending: pending.map(({ id }) => Number(id.ms)),
      }))
      const entries = info.entries.map(({ id }) => Number(id.ms))
      picture[key] = { entries, last: Number(info.lastId.ms), added: info.entriesAdded, groups, expires }
    }
    return picture
  })
}

function modelPicture(model: PlainDatabases): unknown {
  return model.all.map((keys, index) => {
    const picture: Record<string, unknown> = {}
    for (const key of model.keys(index).sort()) {
      const { value, expires } = keys.get(key)!
      if (typeof value === 'string') picture[key] = { value, expires }
      else {
        const groups = [...value.groups].map(([name, group]) => ({ name, ...group }))
        picture[key] = { ...value, groups, expires }
      }
    }
    return picture
  })
}

interface Walk {
  cursor: number
  readonly seen: Set<string>
  /** Keys that were there all the time since it began. */
  stable: readonly string[]
}

/** One step of the database's walk, which begins anew after its end. */
function stepWalk(walks: Map<number, Walk>, databases: Databases, index: number, step: { count: number; now: number }) {
  const database = databases.at(index)
  const there = [...database.keys()].filter((key) => (database.expiresAtMs(key) ?? Infinity) > step.now)
  const walk: Walk = walks.get(index) ?? { cursor: 0, seen: new Set(), stable: there }
  const { cursor, keys } = scan(database, walk.cursor, step.count, step.now)
  expect(keys.length).toBeLessThanOrEqual(step.count)
  for (const key of keys) {
    expect(there).toContain(key)
    walk.seen.add(key)
  }
  walk.cursor = cursor
  if (cursor !== 0) walks.set(index, walk)
  else {
    walks.delete(index)
    expect(walk.stable.filter((key) => !walk.seen.has(key))).toEqual([])
  }
}

class History {
  readonly databases: Databases
  readonly model = new PlainDatabases()
  readonly told: [number, Change | CrossChange][] = []
  readonly #walks = new Map<number, Walk>()
  #watches: { watch: Watch; plain: PlainWatch }[] = []

  constructor(cold: ColdSegments | undefined) {
    this.databases = new Databases({ count: DATABASES, ...(cold === undefined ? {} : { cold }) })
    this.databases.subscribe((index, change) => this.told.push([index, copyChange(change)]))
  }

  run(what: Op): void {
    const { databases, model } = this
    if (what.op === 'clock') model.now += what.by
    if (what.op === 'watch') this.#watch(what.db, what.key)
    if (what.op === 'unwatch') this.#unwatch(what.nth)
    if (what.op === 'scan') stepWalk(this.#walks, databases, what.db, { count: what.count, now: model.now })
    if (what.op === 'random') {
      const key = randomKey(databases.at(what.db), () => what.random, model.now)
      const keys = model.keys(what.db)
      if (keys.length === 0) expect(key).toBeUndefined()
      else expect(keys).toContain(key)
    }
    expect(outcome(() => runEngine(databases, what, model))).toEqual(outcome(() => runModel(model, what)))
    if (what.op === 'swap' && what.db !== what.toDb) for (const index of [what.db, what.toDb]) this.#walks.delete(index)
    for (const [index, walk] of this.#walks) {
      const there = model.keys(index)
      walk.stable = walk.stable.filter((key) => there.includes(key))
    }
    for (const { watch, plain } of this.#watches) {
      model.get(plain.database, plain.key)
      expect(watch.isDirty(model.now)).toBe(plain.isDirty)
    }
  }

  #watch(database: number, key: string): void {
    const wasThere = this.model.get(database, key) !== undefined
    const plain = { database, key, wasThere, isDirty: false }
    this.model.watches.push(plain)
    this.#watches.push({ watch: this.databases.at(database).watch(key, this.model.now), plain })
  }

  #unwatch(nth: number): void {
    const [ended] = this.#watches.splice(nth, 1)
    if (ended === undefined) return
    ended.watch.end()
    this.model.watches = this.model.watches.filter((plain) => plain !== ended.plain)
  }
}

function checkHistory(ops: readonly Op[], cold?: ColdSegments): void {
  const history = new History(cold)
  const { databases, model, told } = history
  for (const what of ops) history.run(what)
  expect(databases.changeCount).toBe(told.length)
  const replayed = new Databases({ count: DATABASES })
  for (const [index, change] of told) replayed.apply(index, change)
  if (cold === undefined) expect(replayed.memoryBytes).toBe(databases.memoryBytes)
  const expected = modelPicture(model)
  expect(enginePicture(databases, model.now)).toEqual(expected)
  expect(enginePicture(replayed, model.now)).toEqual(expected)
  for (const [index, database] of databases.made()) {
    expect(database.expiringKeyCount).toBe([...model.all[index]!.values()].filter((key) => key.expires).length)
    let sum = 0
    for (const key of database.keys()) sum += keyMemoryBytes(database, key, model.now) ?? 0
    expect(database.memoryBytes).toBe(sum)
    for (const key of database.keys()) removeKey(database, key, model.now)
  }
  expect(databases.memoryBytes).toBe(0)
}

it(
  `agrees with a Map of Maps in ${RUNS} histories, seed ${SEED}, and replays them exactly`,
  { timeout: 600_000 },
  () => {
    console.info(`keyspace.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)
    fc.assert(
      fc.property(fc.array(opArb, { minLength: 5, maxLength: 80, size: 'max' }), (ops) => checkHistory(ops)),
      { seed: SEED, numRuns: RUNS },
    )
  },
)

it(`agrees with it in ${RUNS / 2} histories with all full segments on disk, seed ${SEED}`, { timeout: 600_000 }, () => {
  let spills = 0
  const check = (ops: readonly Op[], segmentRowsMax: number): void => {
    const fs = new SimFs(undefined, { isRecorded: false })
    const small = { memoryBytes: 0, cacheBytes: 0, fileBytes: 200, segmentBytesMin: 0, segmentRowsMax }
    const cold = new ColdSegments({ fs, directory: '/cold', ...small })
    checkHistory(ops, cold)
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, residentBytes: 0, failure: undefined })
    spills += cold.info().spills
  }
  const opsArb = fc.array(opArb, { minLength: 5, maxLength: 80, size: 'max' })
  fc.assert(fc.property(opsArb, fc.integer({ min: 1, max: 3 }), check), { seed: SEED, numRuns: RUNS / 2 })
  expect(spills).toBeGreaterThan(0)
})

it(`meets every key that stays, in 200 walks over hundreds of keys that come and go, seed ${SEED}`, () => {
  const random = new Seeded(SEED)
  const databases = new Databases({ count: 1 })
  const database = databases.at(0)
  const put = (key: string): void => setString(database, { key, value: bytes('v') }, 0)
  for (let i = 0; i < 300; i++) put(`k${random.below(600)}`)
  for (let round = 0; round < 200; round++) {
    let stays = new Set(database.keys())
    const seen = new Set<string>()
    let [cursor, steps] = [0, 0]
    do {
      const step = scan(database, cursor, 1 + random.below(20), 0)
      for (const key of step.keys) seen.add(key)
      cursor = step.cursor
      for (let i = random.below(12); i > 0; i--) {
        const [key, other] = [`k${random.below(600)}`, `k${random.below(600)}`]
        const what = random.below(3)
        if (what === 0) put(key)
        else if (what === 1) removeKey(database, key, 0)
        else if (database.peek(key) !== undefined) renameKey(database, key, other, 0)
        stays = new Set([...stays].filter((stayed) => database.peek(stayed) !== undefined))
      }
      expect(++steps).toBeLessThan(2000)
    } while (cursor !== 0)
    expect([...stays].filter((key) => !seen.has(key))).toEqual([])
  }
})

/**
 * Random histories that go through every way in which a state leaves the memory and comes back, on the real file system and on
 * a simulated one: the state is the same before and after, to the last number that a command can show.
 *
 *   history ─► orderly stop ─► history ─► kill ─► history ─► snapshot ─► …       in any order, the last one exported
 *                    └ stateText before = stateText after ┘
 *
 * Without MILLRACE_RUNS there are 100 histories of each kind, with the 20,000 of `npm run test:long` 2,000. MILLRACE_SEED
 * repeats a run; a seed that has failed is kept in KEPT.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { appendMany } from '../append-many.ts'
import { Databases } from '../databases.ts'
import { nodeEnv, type Env } from '../env.ts'
import { createGroup } from '../group-commands.ts'
import { ID_ZERO } from '../id.ts'
import { IdList } from '../id-list.ts'
import { removeKey } from '../keys.ts'
import { RandomHistory } from '../random-history.ts'
import { applyExtras, EXTRAS_NAME } from '../rdb/extras.ts'
import { readRdbNow } from '../rdb/rdb-reader.ts'
import { RdbSource } from '../rdb/rdb-source.ts'
import { writeRdb } from '../rdb/rdb-writer.ts'
import { setString } from '../strings.ts'
import { readGroup } from '../read-group.ts'
import { Seeded } from '../seeded.ts'
import { stateText } from './state-text.ts'
import { Store, type StoreOptions } from './store.ts'
import { DIRECTORY } from './testing/crash-workload.ts'
import { SimEnv } from './testing/sim-env.ts'
import { SimFs } from './testing/sim-fs.ts'

const RUNS = Math.ceil(Number(process.env['MILLRACE_RUNS'] ?? 1000) / 10)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KEPT: readonly number[] = []

const POLICIES = ['always', 'everysec', 'no'] as const
const SEGMENT_BYTES = [600, 5000, 1 << 20]
const DATABASES = { count: 3, nodeEntriesMax: 5 }
/** No slice of a snapshot is longer than that. */
const SLICE_MS = 5
/** More than a snapshot writes in one slice. */
const MANY = 600

/** Where a store lives. */
interface World {
  readonly env: Env
  readonly directory: string
  /** Lets time go by until that has ended. */
  readonly until: (ending: Promise<unknown>) => Promise<void>
  readonly end: () => void
}

const worlds: Readonly<Record<string, (seed: number) => World>> = {
  'on the real file system': () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-digest-'))
    const end = (): void => rmSync(directory, { recursive: true })
    return { env: nodeEnv, directory, until: async (ending) => void (await ending), end }
  },
  'on a simulated one': (seed) => {
    const env = new SimEnv(new SimFs(), seed)
    const until = async (ending: Promise<unknown>): Promise<void> => {
      const outcome = { isThere: false }
      const end = ending.finally(() => (outcome.isThere = true))
      end.catch(() => undefined) // Told below.
      while (!outcome.isThere) await env.advance(1)
      await end
    }
    return { env, directory: DIRECTORY, until, end: () => undefined }
  },
}

/** A history, and the store that it happens in. */
class Life {
  /** What happens whenever a snapshot lets others have their turn. */
  betweenSlices: () => void = () => undefined
  store!: Store
  readonly random: Seeded
  readonly #world: World
  readonly #options: StoreOptions
  #history!: RandomHistory
  #nowMs = 10

  constructor(world: World, random: Seeded) {
    this.#world = world
    this.random = random
    this.#options = {
      env: this.#sliced(world.env),
      fsync: random.pick(POLICIES),
      segmentBytes: random.pick(SEGMENT_BYTES),
      databases: DATABASES,
    }
  }

  get text(): string {
    return stateText(this.store.databases)
  }

  async open(): Promise<void> {
    const opening = Store.open(this.#world.directory, this.#options)
    await this.until(opening)
    this.store = await opening
    this.#history = new RandomHistory(this.store.databases, this.random)
    this.#history.nowMs = this.#nowMs
  }

  async until(ending: Promise<unknown>): Promise<void> {
    await this.#world.until(ending)
  }

  /** Some commands, which nobody has committed yet. */
  act(): void {
    for (let i = this.random.below(8); i >= 0; i--) this.#history.step()
    this.#nowMs = this.#history.nowMs
  }

  /** Some turns of the event loop. */
  actTurns(): void {
    for (let i = this.random.below(12); i >= 0; i--) {
      this.act()
      this.store.commit()
    }
  }

  /** A change for sure: of some commands each may be refused. */
  mark(number: number): void {
    setString(this.store.databases.at(0), { key: 'mark', value: Buffer.from(String(number)) }, this.#nowMs)
  }

  /** Some of what is large: a snapshot of it has several slices. */
  grow(): void {
    const database = this.store.databases.at(1)
    const nowMs = this.#nowMs
    removeKey(database, 's', nowMs)
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, nowMs)
    const fields = ['f', 'x'.repeat(300)].map((text) => Buffer.from(text))
    appendMany(database, { key: 's', entries: Array.from({ length: MANY }, () => fields) }, nowMs, new IdList())
    const positions = [{ key: 's', from: '>' as const }]
    readGroup(database, { group: 'g', consumer: 'a', positions, count: MANY / 2 }, nowMs)
    this.store.commit()
  }

  /** A clock by which every slice is over as soon as something was written. */
  #sliced(env: Env): Env {
    let aheadMs = 0
    return {
      fs: env.fs,
      nowMs: () => env.nowMs() + (aheadMs += SLICE_MS),
      random: () => env.random(),
      setBackgroundTimer: (afterMs, fire) => env.setBackgroundTimer(afterMs, fire),
      setTimer: (afterMs, fire) =>
        env.setTimer(afterMs, () => {
          this.betweenSlices()
          fire()
        }),
    }
  }
}

/** Takes the state out of memory; returns what it is to be when the directory is opened again. */
type Way = (life: Life) => Promise<string>

const ways: Readonly<Record<string, Way>> = {
  'an orderly stop': async (life) => {
    // The last changes nobody has committed: the end does.
    life.act()
    const { text } = life
    await life.until(life.store.close())
    return text
  },

  'a kill': async (life) => {
    const { text } = life
    // Lost with the process: nobody was told of it.
    if (life.random.below(2) === 0) life.act()
    life.store.abandon()
    return text
  },

  'a snapshot': async (life) => {
    const { text } = life
    await life.until(life.store.snapshot())
    expect(life.text).toBe(text)
    life.store.abandon()
    return text
  },

  'a snapshot during load': async (life) => {
    life.grow()
    const before = life.text
    let slices = 0
    life.betweenSlices = () => {
      life.act()
      life.mark(slices++)
      life.store.commit()
    }
    await life.until(life.store.snapshot())
    life.betweenSlices = () => undefined
    expect(slices).toBeGreaterThan(2)
    const { text } = life
    expect(text).not.toBe(before)
    life.store.abandon()
    return text
  },

  'a kill during a snapshot': async (life) => {
    life.grow()
    let text: string | undefined
    let slicesLeft = life.random.below(4)
    life.betweenSlices = () => {
      life.act()
      life.store.commit()
      if (slicesLeft-- > 0) return
      life.betweenSlices = () => undefined
      text = life.text
      life.store.abandon()
    }
    // That it was given up is how it ends.
    await life.until(life.store.snapshot().catch(() => undefined))
    expect(text).toBeDefined()
    return text!
  },
}

/** Writes all as an RDB file, and reads that into other databases. */
function exportAndImport(databases: Databases): string {
  const frozen = databases.freeze()
  const chunks: Uint8Array[] = []
  for (const _offset of writeRdb(frozen, { nowMs: 0, write: (chunk) => chunks.push(chunk.slice()) })) continue
  frozen.release()
  const imported = new Databases(DATABASES)
  readRdbNow(RdbSource.ofBytes(Buffer.concat(chunks), 'export'), {
    databases: imported,
    onAux(name, value, database) {
      if (name === EXTRAS_NAME) applyExtras(imported, database, value)
    },
  })
  return stateText(imported)
}

function expectSame(found: string, wanted: string, what: string): void {
  // The whole texts, which are long, only when they differ.
  if (found !== wanted) expect(found.split('\n'), what).toEqual(wanted.split('\n'))
}

/** A way of each kind, in any order. */
function shuffled(random: Seeded): string[] {
  const names = Object.keys(ways)
  const order: string[] = []
  while (names.length > 0) order.push(...names.splice(random.below(names.length), 1))
  return order
}

async function checkHistory(makeWorld: (seed: number) => World, seed: number): Promise<void> {
  const random = new Seeded(seed)
  const world = makeWorld(seed)
  const life = new Life(world, random)
  await life.open()
  try {
    for (const name of shuffled(random)) {
      life.actTurns()
      const text = await ways[name]!(life)
      await life.open()
      expectSame(life.text, text, `seed ${seed}, after ${name}`)
    }
    life.actTurns()
    expectSame(exportAndImport(life.store.databases), life.text, `seed ${seed}, exported and imported`)
  } finally {
    life.store.abandon()
    world.end()
  }
}

for (const [where, makeWorld] of Object.entries(worlds)) {
  it(
    `has the same state before and after each way out of memory and back, ${where}, ${RUNS} histories, seed ${SEED}`,
    { timeout: 3_600_000 },
    async () => {
      for (let run = 0; run < RUNS; run++) await checkHistory(makeWorld, SEED + run)
    },
  )

  it.each(KEPT)(`has the same state before and after, ${where}, as in seed %i`, { timeout: 600_000 }, (seed) =>
    checkHistory(makeWorld, seed),
  )
}

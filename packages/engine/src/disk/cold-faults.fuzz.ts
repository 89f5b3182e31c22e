/**
 * Each operation on the files of segments fails in turn, once or for ever, while a random history of changes goes on. What
 * could not be written stays in memory; a command that could not read what it needs has changed nothing: in the end the data
 * are what the changes that were told give when they are applied to other databases, in memory.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { expect, it } from 'vitest'
import { copyChange, type Change, type CrossChange } from '../change.ts'
import { Databases } from '../databases.ts'
import { RandomHistory } from '../random-history.ts'
import { Seeded } from '../seeded.ts'
import { ColdSegments } from './cold-segments.ts'
import { stateText } from './state-text.ts'
import type { Fault } from './testing/faults.ts'
import { SimFs } from './testing/sim-fs.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** 4 without MILLRACE_RUNS, 40 with the 20,000 of `npm run test:long`. */
const HISTORIES = Math.ceil(Number(process.env['MILLRACE_RUNS'] ?? 2000) / 500)
const ERRORS = ['EIO', 'ENOSPC', 'EMFILE'] as const
const STEPS = 60

class Site {
  readonly fs = new SimFs(undefined, { isRecorded: false })
  readonly cold: ColdSegments
  readonly databases: Databases
  readonly told: [number, Change | CrossChange][] = []
  readonly history: RandomHistory
  /** Commands that were refused since the disk did not give what they needed. */
  refused = 0

  constructor(seed: number) {
    const random = new Seeded(seed)
    this.cold = new ColdSegments({
      fs: this.fs,
      directory: '/cold',
      memoryBytes: random.pick([0, 0, 30_000]),
      cacheBytes: random.pick([0, 0, 5000]),
      fileBytes: random.pick([100, 2000]),
      segmentBytesMin: 0,
      segmentRowsMax: 1 + random.below(4),
    })
    this.databases = new Databases({ count: 3, nodeEntriesMax: 4, cold: this.cold })
    this.databases.subscribe((index, change) => this.told.push([index, copyChange(change)]))
    this.history = new RandomHistory(this.databases, random, (error) => {
      if (error.code === 'UNAVAILABLE') this.refused++
    })
  }

  /** The data that the changes give that were told. */
  replayed(): string {
    const databases = new Databases({ count: 3, nodeEntriesMax: 4 })
    for (const [index, change] of this.told) databases.apply(index, change)
    return stateText(databases)
  }
}

function run(seed: number, fault: Fault | undefined): Site {
  const site = new Site(seed)
  if (fault !== undefined) site.fs.inject(fault)
  for (let i = 0; i < STEPS; i++) site.history.step()
  return site
}

it(`loses and half-does nothing, whichever operation fails, seed ${SEED}`, { timeout: 3_600_000 }, () => {
  console.info(`cold-faults.fuzz: MILLRACE_SEED=${SEED}, ${HISTORIES} histories`)
  const met = { refused: 0, kept: 0 }
  for (let count = 0; count < HISTORIES; count++) {
    const seed = SEED + count
    const before = new Site(seed).fs.operations
    const operations = run(seed, undefined).fs.operations - before
    for (const fault of faultsOf(operations)) {
      const site = run(seed, fault)
      met.refused += site.refused
      if (site.cold.info().failure !== undefined) met.kept++
      check(site, `seed ${seed}, operation ${fault.after}, ${fault.error}, ${fault.times} times`)
    }
  }
  expect(met.refused).toBeGreaterThan(0)
  expect(met.kept).toBeGreaterThan(0)
})

function* faultsOf(operations: number): Generator<Fault> {
  for (let after = 0; after < operations; after++)
    for (const error of ERRORS) for (const times of [1, Infinity]) yield { after, times, error }
}

function check(site: Site, what: string): void {
  const { fs, cold, databases } = site
  fs.heal()
  const [state, replayed] = [stateText(databases), site.replayed()]
  if (state !== replayed) expect(state, what).toBe(replayed)
  expect(cold.info().residentBytes, what).toBe(databases.memoryBytes)
  databases.release()
  expect(cold.info(), what).toMatchObject({ segments: 0, residentBytes: 0, cachedBytes: 0 })
}

it(`keeps what a full disk does not take, seed ${SEED}`, { timeout: 600_000 }, () => {
  let failures = 0
  for (let count = 0; count < HISTORIES * 50; count++) {
    const site = new Site(SEED + count)
    const random = new Seeded(SEED + count)
    for (let i = 0; i < STEPS; i++) {
      if (random.below(5) === 0) site.fs.quotaBytes = random.pick([0, 100, 1000, Infinity])
      site.history.step()
      if (site.cold.info().failure !== undefined) failures++
    }
    expect(site.refused, `seed ${SEED + count}`).toBe(0)
    expect(stateText(site.databases), `seed ${SEED + count}`).toBe(site.replayed())
  }
  expect(failures).toBeGreaterThan(0)
})

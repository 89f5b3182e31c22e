/**
 * Every operation on the disk fails in turn, once or from then on, while a store is opened, used and closed. Whatever
 * happens, what had been promised is there after a crash, nothing throws but what is awaited, and when the disk is well again
 * the store goes on by itself.
 */
import { expect, it } from 'vitest'
import { Seeded } from '../seeded.ts'
import { CrashWorkload } from './testing/crash-workload.ts'
import { SimFs } from './testing/sim-fs.ts'
import type { Fault } from './testing/faults.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** 2 without MILLRACE_RUNS, 10 with the 20,000 of `npm run test:long`. */
const RUNS = Math.ceil(Number(process.env['MILLRACE_RUNS'] ?? 4000) / 2000)
const ERRORS = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE'] as const
/** One of so many faulty operations is followed by crashes at every step. */
const EVERY = 9
const POLICIES = ['always', 'everysec'] as const
const TURNS = 6

interface Run {
  readonly work: CrashWorkload
  readonly wasOpened: boolean
  readonly operations: number
}

async function run(seed: number, fault: Fault | undefined): Promise<Run> {
  const random = new Seeded(seed)
  const fsync = POLICIES[random.below(2)]!
  const options = {
    fsync,
    segmentBytes: [400, 1 << 20][random.below(2)]!,
    reserveBytes: 2048,
    fillBytes: [0, 700][random.below(2)]!,
    syncsInPlace: random.below(2) === 0,
  }
  const work = new CrashWorkload(new SimFs(), random, options)
  if (fault !== undefined) work.fs.inject(fault)
  let wasOpened = false
  try {
    await work.open()
    wasOpened = true
    for (let i = 0; i < TURNS; i++) {
      work.turn()
      if (i === 2) work.store!.snapshot().catch((error: unknown) => expect(error).toHaveProperty('code'))
      await work.env.advance(300)
    }
    await work.store!.close()
  } catch (error) {
    expect(error, 'a failure has a code').toHaveProperty('code')
    work.store?.abandon()
  }
  return { work, wasOpened, operations: work.fs.operations }
}

/** Crashes at the end, or at every step, of what went on while the disk failed. */
function check(work: CrashWorkload, what: string, from = work.fs.trace.length): number {
  let states = 0
  work.fs.heal()
  for (const state of work.fs.crashStates({ seed: 1, from, samples: 4, prefixes: 4, unitsMax: 1 })) {
    const wrong = work.check(state, work.required(state))
    if (wrong !== undefined) expect.fail(`${what}: ${wrong}; ${state.describe()}`)
    states++
  }
  return states
}

it(`loses nothing that was promised, whichever operation fails, seed ${SEED}`, { timeout: 3_600_000 }, async () => {
  let states = 0
  for (let count = 0; count < RUNS; count++) {
    const seed = SEED + count
    const { operations } = await run(seed, undefined)
    for (let after = 0; after < operations; after++) {
      for (const error of ERRORS) {
        for (const times of [1, Infinity]) {
          const { work } = await run(seed, { after, times, error })
          const what = `seed ${seed}, operation ${after}, ${error}, ${times} times`
          states += check(work, what, after % EVERY === count % EVERY ? 0 : undefined)
        }
      }
    }
  }
  process.stdout.write(`${states} states after faults\n`)
  expect(states).toBeGreaterThan(1000 * RUNS)
})

it(`goes on by itself when the disk is well again, seed ${SEED}`, { timeout: 3_600_000 }, async () => {
  for (let count = 0; count < RUNS * 20; count++) {
    const random = new Seeded(SEED + count)
    const work = new CrashWorkload(new SimFs(), random, { fsync: POLICIES[random.below(2)]!, reserveBytes: 2048 })
    await work.open()
    work.turn()
    await work.env.advance(1100)
    const error = ERRORS[random.below(4)]!
    const kind = [['write'], ['sync'], ['write', 'sync', 'open'], ['sync', 'syncDirectory', 'rename']][random.below(4)]!
    work.fs.inject({ matches: (operation) => kind.includes(operation.kind), times: Infinity, error })
    work.turn()
    await work.env.advance(3000)
    work.turn()
    work.fs.heal()
    await work.env.advance(60_000)
    const what = `seed ${SEED + count}, ${error} of ${kind.join(', ')}`
    expect(work.store!.refusal, what).toBeUndefined()
    const seq = work.store!.commit()
    await work.env.advance(3000)
    expect(work.store!.journal.durableSeq, what).toBe(seq)
    await work.store!.close()
    check(work, what)
  }
})

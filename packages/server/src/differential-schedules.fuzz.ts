/**
 * Random schedules of blocked readers, and of what wakes them, to us and to a real redis-server 7.0.15: the same replies on
 * each connection in the same order, the same number of clients that wait, the same streams in the end.
 *
 * MILLRACE_RUNS sets how many (3 for every 20 runs; one for each from 20,000 on), MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OurServer } from './differential-child.ts'
import { seedOfRun } from './differential-random.ts'
import { runSchedules } from './differential-schedule-run.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const SCHEDULES = RUNS < 20_000 ? Math.ceil(RUNS * 0.15) : RUNS
const SCHEDULES_A_SECOND_MIN = 10
const seed = seedOfRun()

let redis: RedisServer
let ours: OurServer
beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedis(), OurServer.start()])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

it(
  `serves, wakes and ends blocked readers in ${SCHEDULES} schedules as redis-server does (seed ${seed})`,
  async () => {
    const ports = { ours: ours.port, theirs: redis.port }
    const { played, differences } = await runSchedules({ ports, seed, schedules: SCHEDULES })
    expect(ours.failure).toBe('')
    expect(differences.join('\n\n')).toBe('')
    expect(played).toBe(SCHEDULES)
  },
  60_000 + (SCHEDULES / SCHEDULES_A_SECOND_MIN) * 1000,
)

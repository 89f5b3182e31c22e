/**
 * Random histories of stream commands against a real redis-server 7.0.15: every reply must be the same, byte for byte.
 *
 * MILLRACE_RUNS sets how many (20 commands for each run, 40,000 of them by default), MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OurServer } from './differential-child.ts'
import { seedOfRun } from './differential-random.ts'
import { runHistories } from './differential-run.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const COMMANDS = RUNS < 20_000 ? RUNS * 20 : RUNS * 50
const COMMANDS_A_SECOND_MIN = 2000
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
  `answers ${COMMANDS} stream commands as redis-server does (seed ${seed})`,
  async () => {
    const ports = { ours: ours.port, theirs: redis.port }
    const { compared, differences, missing } = await runHistories({ ports, seed, commands: COMMANDS })
    expect(ours.failure).toBe('')
    expect(differences.join('\n\n')).toBe('')
    expect(missing).toEqual([])
    expect(compared).toBeGreaterThanOrEqual(COMMANDS)
  },
  60_000 + (COMMANDS / COMMANDS_A_SECOND_MIN) * 1000,
)

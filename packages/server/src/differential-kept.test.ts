/** What once differed from redis-server 7.0.15 does not differ again: differential-kept.ts, played. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { firstDifference, History } from './differential.ts'
import { transcript, verdict } from './differential-bytes.ts'
import { OurServer } from './differential-child.ts'
import { keptBytes, keptHistories, keptRounds, keptSchedules } from './differential-kept.ts'
import { runHistories } from './differential-run.ts'
import { Stage } from './differential-schedules.ts'

const ONE_ROUND = 1
const plain = { protocol: 2, nodeEntriesMax: 100, nodeBytesMax: 4096 } as const

let redis: RedisServer
let ours: OurServer
beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedis(), OurServer.start()])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

const ports = (): { ours: number; theirs: number } => ({ ours: ours.port, theirs: redis.port })

it.each(keptRounds)('answers round %i as redis-server does', async (seed) => {
  const { compared, differences } = await runHistories({ ports: ports(), seed, commands: ONE_ROUND })
  expect(differences.join('\n\n')).toBe('')
  expect(compared).toBeGreaterThan(ONE_ROUND)
})

it.each(keptHistories)('answers as redis-server does: $name', async ({ options, pipelines }) => {
  const history = await History.begin(ports(), options)
  for (const pipeline of pipelines) expect(await history.run(pipeline)).toBeUndefined()
  history.end()
})

it.each(keptSchedules)('answers as redis-server does: $name', async ({ protocol, steps }) => {
  const stage = await Stage.open(ports(), protocol)
  expect(await stage.play(steps)).toBeUndefined()
  stage.close()
})

describe.each([2, 3] as const)('in RESP%i', (protocol) => {
  it.each(keptBytes)('differs by nothing else: $name', async ({ before, sent, verdict: expected }) => {
    expect(await firstDifference(ports(), plain, before)).toBeUndefined()
    const bytes = Buffer.from(sent, 'latin1')
    const [mine, theirs] = await Promise.all([
      transcript(ours.port, bytes, protocol),
      transcript(redis.port, bytes, protocol),
    ])
    expect(verdict({ sent, ours: mine, theirs }), `${mine}\n${theirs}`).toBe(expected)
    expect(ours.failure).toBe('')
  })
})

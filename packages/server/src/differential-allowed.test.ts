/** The list of allowed differences: short, and each of them still shows. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { firstDifference, type HistoryOptions } from './differential.ts'
import { allowedReplies, allowedTranscripts } from './differential-allowed.ts'
import { transcript, verdict } from './differential-bytes.ts'
import { OurServer } from './differential-child.ts'
import { Stage } from './differential-schedules.ts'

const ENTRIES_MAX = 10

let redis: RedisServer
let ours: OurServer
beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedis(), OurServer.start()])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

it(`has at most ${ENTRIES_MAX} entries, each with its reason and its reference`, () => {
  const entries = [...allowedReplies, ...allowedTranscripts]
  console.log(
    `${entries.length} differences to redis-server 7.0.15 are allowed: ${entries.map(({ name }) => name).join(', ')}`,
  )
  expect(entries.length).toBeLessThanOrEqual(ENTRIES_MAX)
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length)
  for (const { what, why, reference } of entries) {
    expect(Math.min(what.length, why.length, reference.length)).toBeGreaterThan(10)
  }
})

it('has no entry about replies whose example shows no difference', async () => {
  const ports = { ours: ours.port, theirs: redis.port }
  const options: HistoryOptions = { protocol: 2, nodeEntriesMax: 100, nodeBytesMax: 4096 }
  for (const { name, example } of allowedReplies) {
    const hits = new Map<string, number>()
    if ('steps' in example) {
      const stage = await Stage.open(ports, 2, hits)
      expect(await stage.play(example.steps), name).toBeUndefined()
      stage.close()
    } else {
      expect(await firstDifference(ports, options, example, hits), name).toBeUndefined()
    }
    expect([...hits.keys()], name).toContain(name)
  }
})

it('has no entry about bytes whose example shows no difference', async () => {
  for (const { name, example } of allowedTranscripts) {
    const bytes = Buffer.from(example, 'latin1')
    const [mine, theirs] = await Promise.all([transcript(ours.port, bytes), transcript(redis.port, bytes)])
    expect(verdict({ sent: example, ours: mine, theirs }), name).toBe(name)
  }
})

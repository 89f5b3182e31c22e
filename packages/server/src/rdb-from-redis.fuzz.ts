/**
 * Files written by a real redis-server 7.0.15 after random histories of stream commands are read here: what XINFO STREAM
 * FULL, XRANGE, XPENDING and GET tell there is what the engine has, to the millisecond; and nodes end where they end there,
 * also when both go on.
 *
 *   history ──► redis-server ──SAVE──► dump.rdb ──► readRdb ──► picture ─┐
 *                    └──XINFO …──► picture ──────────────────────────────┴── equal?   more entries to both, and again
 *
 * MILLRACE_RUNS sets how many histories, 50 by default; MILLRACE_SEED repeats a run.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Databases, nodeEnv, RdbSource, readRdbNow } from '@millrace/engine'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Grammar, type Args } from './differential-grammar.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { encodeAll, Wire } from './differential-wire.ts'
import { growOurs, growthOf, ourPicture, theirPicture, withoutGroups } from './rdb-picture.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 50)
const seed = seedOfRun()
const nodeSizes: readonly (readonly [entries: number, bytes: number])[] = [
  [4, 4096],
  [3, 120],
  [100, 200],
  [100, 4096],
  [4, 0],
  [0, 64],
  [1, 4096],
]
const PIPELINE = 200

let redis: RedisServer
let wire: Wire
let file = ''
beforeAll(async () => {
  redis = await startRedis()
  wire = await Wire.connect(redis.port)
  const reply = await wire.ask('CONFIG', 'GET', 'dir')
  file = join(reply.split('\r\n').at(-2)!, 'dump.rdb')
})
afterAll(async () => {
  wire?.destroy()
  await redis?.stop()
})

async function send(commands: readonly Args[]): Promise<void> {
  for (let at = 0; at < commands.length; at += PIPELINE) {
    const some = commands.slice(at, at + PIPELINE)
    wire.send(encodeAll(some))
    await wire.take(some.length)
  }
}

function historyOf(random: Random): Args[] {
  const grammar = new Grammar(random)
  const commands: Args[] = []
  for (let left = 50 + random.below(700); left > 0; left--) commands.push(...grammar.next())
  // The grammar deletes a stream whose last ID 7.0 lets go below its deleted ones: its nodes are then in any order.
  const isTame = random.chance(0.7)
  const kept = commands.filter(([name], i) => isTame || name !== 'DEL' || commands[i - 1]?.[0] !== 'XSETID')
  // What a transaction, or the last command, may have left behind.
  return [...kept, ['EXEC'], ['UNWATCH']]
}

async function playOne(random: Random): Promise<void> {
  const [nodeEntriesMax, nodeBytesMax] = random.pick(nodeSizes)
  await send([
    ['FLUSHALL'],
    ['CONFIG', 'SET', 'stream-node-max-entries', String(nodeEntriesMax)],
    ['CONFIG', 'SET', 'stream-node-max-bytes', String(nodeBytesMax)],
    ['CONFIG', 'SET', 'rdbcompression', random.pick(['yes', 'no'])],
    ['CONFIG', 'SET', 'rdbchecksum', random.chance(0.9) ? 'yes' : 'no'],
  ])
  await send(historyOf(random))
  expect(await wire.ask('SAVE')).toBe('+OK\r\n')
  const databases = new Databases({ nodeEntriesMax, nodeBytesMax })
  if (random.chance(0.5)) readRdbNow(RdbSource.ofBytes(readFileSync(file), file), { databases })
  else {
    const opened = nodeEnv.fs.open(file, 'read')
    readRdbNow(RdbSource.ofFile(opened, file), { databases })
    opened.close()
  }
  expect(ourPicture(databases)).toEqual(await theirPicture(wire))
  const growth = growthOf(databases, random)
  await send(growth)
  growOurs(databases, growth)
  // Groups are the same still; but what 7.0 counts as read beyond what was added is cut once.
  expect(withoutGroups(ourPicture(databases))).toEqual(withoutGroups(await theirPicture(wire)))
}

it(
  `reads what redis-server has after ${RUNS} random histories (seed ${seed})`,
  async () => {
    for (let run = 0; run < RUNS; run++) {
      const runSeed = (seed + run) | 0
      await playOne(new Random(runSeed)).catch((error: Error) => {
        throw new Error(`The history of MILLRACE_SEED=${runSeed} MILLRACE_RUNS=1: ${error.message}`, { cause: error })
      })
    }
  },
  60_000 + RUNS * 1000,
)

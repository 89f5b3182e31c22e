/**
 * Keys go from a real redis-server 7.0.15 to us and back, by DUMP and RESTORE, after random histories of stream commands: what
 * XINFO STREAM FULL, XRANGE, XPENDING and GET tell of them is the same everywhere, to the millisecond.
 *
 *   history ──► redis-server ──DUMP──► RESTORE ──► ours ──DUMP──► RESTORE ──► redis-server, emptied before
 *                    └──► picture ───────────────── = ── picture ─────────────── = ──── picture
 *
 * MILLRACE_RUNS sets how many histories, 30 by default; MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Grammar, type Args } from './differential-grammar.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { treeOf } from './differential-tree.ts'
import { encodeAll, Wire } from './differential-wire.ts'
import { ourPicture, textsOf, theirPicture, type Picture } from './rdb-picture.ts'
import { Server } from './server.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 30)
const PIPELINE = 200
/** The last moment that we know: the largest number below 2^63. */
const MOMENT_MAX = 2 ** 63 - 1024
const seed = seedOfRun()
const nodeSizes: readonly (readonly [entries: number, bytes: number])[] = [
  [4, 4096],
  [3, 120],
  [100, 200],
  [100, 4096],
]

let redis: RedisServer
let theirs: Wire
let server: Server
let ours: Wire
beforeAll(async () => {
  redis = await startRedis({ args: ['--sanitize-dump-payload', 'yes'] })
  theirs = await Wire.connect(redis.port)
  server = await Server.start({ port: 0 })
  ours = await Wire.connect(server.port)
})
afterAll(async () => {
  ours?.destroy()
  theirs?.destroy()
  await server?.close()
  await redis?.stop()
})

async function play(random: Random): Promise<void> {
  const grammar = new Grammar(random)
  const commands: Args[] = []
  for (let left = 50 + random.below(500); left > 0; left--) commands.push(...grammar.next())
  // What a transaction, or the last command, may have left behind.
  commands.push(['EXEC'], ['UNWATCH'], ['SET', 'text', 'x'.repeat(random.below(300))], ['SET', 'number', '-70000'])
  if (random.chance(0.5)) commands.push(['PEXPIREAT', 'text', '5000000000123'])
  for (let at = 0; at < commands.length; at += PIPELINE) {
    const some = commands.slice(at, at + PIPELINE)
    theirs.send(encodeAll(some))
    await theirs.take(some.length)
  }
}

/** All keys of database 0; returns how many those are. */
async function carry(from: Wire, to: Wire): Promise<number> {
  const keys = textsOf(treeOf(await from.ask('KEYS', '*')))
  for (const key of keys) {
    const frame = await from.ask('DUMP', key)
    const payload = frame.slice(frame.indexOf('\r\n') + 2, -2)
    const expires = (await from.ask('PEXPIRETIME', key)).slice(1, -2)
    expect(await to.ask('RESTORE', key, expires === '-1' ? '0' : expires, payload, 'ABSTTL'), key).toBe('+OK\r\n')
  }
  return keys.length
}

function untilTheEnd(picture: Picture): Picture {
  for (const told of Object.values(picture)) {
    const { expires } = told
    if (typeof expires === 'number') told['expires'] = Math.min(expires, MOMENT_MAX)
  }
  return picture
}

async function playOne(random: Random): Promise<number> {
  const [entries, bytes] = random.pick(nodeSizes)
  await theirs.ask('FLUSHALL')
  await ours.ask('FLUSHALL')
  await theirs.ask('CONFIG', 'SET', 'stream-node-max-entries', String(entries), 'stream-node-max-bytes', String(bytes))
  await theirs.ask('CONFIG', 'SET', 'rdbcompression', random.pick(['yes', 'no']))
  await play(random)
  const before = untilTheEnd(await theirPicture(theirs))
  const there = await carry(theirs, ours)
  expect(ourPicture(server.state.databases)).toEqual(before)
  await theirs.ask('FLUSHALL')
  const back = await carry(ours, theirs)
  expect(await theirPicture(theirs)).toEqual(before)
  expect(back).toBe(there)
  return back
}

it(
  `carries the keys of ${RUNS} random histories from redis-server to us and back (seed ${seed})`,
  async () => {
    let keys = 0
    for (let run = 0; run < RUNS; run++) {
      const runSeed = (seed + run) | 0
      keys += await playOne(new Random(runSeed)).catch((error: Error) => {
        throw new Error(`The history of MILLRACE_SEED=${runSeed} MILLRACE_RUNS=1: ${error.message}`, { cause: error })
      })
    }
    expect(keys).toBeGreaterThan(RUNS)
  },
  60_000 + RUNS * 1000,
)

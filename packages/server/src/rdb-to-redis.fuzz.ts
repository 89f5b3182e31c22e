/**
 * Files that are written here after random histories of stream commands are loaded by a real redis-server 7.0.15, which
 * checks every listpack: what XINFO STREAM FULL, XRANGE, XPENDING and GET tell there is what the engine has, to the
 * millisecond; nodes end there where they end here, also when both go on; and redis-check-rdb finds nothing wrong.
 *
 *   history ──► engine ──writeRdb──► dump.rdb ──► redis-server ──XINFO …──► picture ─┐
 *                  │ └──dumpValue──► RESTORE ──────────┘                             ├── equal?  more entries, and again
 *                  └──► picture ─────────────────────────────────────────────────────┘
 *
 * MILLRACE_RUNS sets how many histories, 50 by default; MILLRACE_SEED repeats a run.
 */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import {
  appendOnce,
  dumpValue,
  EngineError,
  expireAt,
  ID_MAX,
  ID_ZERO,
  IdList,
  negativeAcknowledge,
  setIdempotency,
  writeRdb,
  type Databases,
  type Database,
} from '@millrace/engine'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Grammar, type Args } from './differential-grammar.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { encodeAll, Wire } from './differential-wire.ts'
import { growOurs, growthOf, ourPicture, theirPicture, withoutGroups } from './rdb-picture.ts'
import { Server } from './server.ts'

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
const FAR_MS = 5_000_000_000_000
const run = promisify(execFile)

let redis: RedisServer
let theirs: Wire
let server: Server
let ours: Wire
let file = ''
beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes', '--sanitize-dump-payload', 'yes'] })
  theirs = await Wire.connect(redis.port)
  const reply = await theirs.ask('CONFIG', 'GET', 'dir')
  file = join(reply.split('\r\n').at(-2)!, 'dump.rdb')
  server = await Server.start({ port: 0 })
  ours = await Wire.connect(server.port)
})
afterAll(async () => {
  ours?.destroy()
  theirs?.destroy()
  await server?.close()
  await redis?.stop()
})

async function send(wire: Wire, commands: readonly Args[]): Promise<string[]> {
  const replies: string[] = []
  for (let at = 0; at < commands.length; at += PIPELINE) {
    const some = commands.slice(at, at + PIPELINE)
    wire.send(encodeAll(some))
    replies.push(...(await wire.take(some.length)))
  }
  return replies
}

function historyOf(random: Random): Args[] {
  const grammar = new Grammar(random)
  const commands: Args[] = []
  for (let left = 50 + random.below(700); left > 0; left--) commands.push(...grammar.next())
  // What a transaction, or the last command, may have left behind.
  return [...commands, ['EXEC'], ['UNWATCH']]
}

/** What 7.0 does not know. */
function playNewer(database: Database, random: Random): void {
  for (const key of database.keys()) {
    const stream = database.streamAt(key, 0)
    if (stream === undefined) continue
    if (random.chance(0.3)) expireAt(database, key, FAR_MS + random.below(1000), 0)
    attempt(() => {
      if (random.chance(0.3)) setIdempotency(database, key, { durationS: 5, sizeMax: 3 }, 0)
      for (let i = random.below(5); i > 0; i--) {
        appendOnce(database, { key, fields: [Buffer.from('f'), Buffer.from('v')], producer: 'p', iid: `${i}` }, 0)
      }
    })
    for (const { name } of stream.groups()) {
      const ids = stream.range(ID_ZERO, ID_MAX, 20).flatMap(({ id }) => (random.chance(0.3) ? [id] : []))
      if (ids.length === 0) continue
      const force = random.chance(0.3)
      attempt(() => negativeAcknowledge(database, { key, group: name }, { mode: 'fail', ids, force }, 0))
    }
  }
}

function attempt(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    // What is refused is part of the history.
    if (!(error instanceof EngineError)) throw error
  }
}

/** What is pending for nobody is a consumer's there, who was seen long ago. */
function giveToConsumer(database: Database): void {
  for (const key of database.keys()) {
    const value = database.peek(key)
    if (value?.type !== 'stream') continue
    for (const group of value.groups()) {
      const nacked = [...group.nacked()]
      if (nacked.length === 0) continue
      const change = { key, group: group.name, consumer: 'nobody' }
      const counts = Float64Array.from(nacked, (id) => group.pending.get(id)!.count)
      database.apply({ kind: 'consumer-created', ...change, atMs: 0 })
      database.apply({ kind: 'claimed', ...change, ids: IdList.of(nacked), atMs: 0, counts })
    }
  }
}

function writeFile(databases: Databases): void {
  const chunks: Uint8Array[] = []
  const frozen = databases.freeze()
  const writing = writeRdb(frozen, { nowMs: Date.now(), write: (chunk) => chunks.push(chunk.slice()) })
  while (writing.next().done !== true);
  frozen.release()
  writeFileSync(file, Buffer.concat(chunks))
}

async function loadFile(databases: Databases): Promise<void> {
  writeFile(databases)
  const { stdout } = await run('redis-check-rdb', [file], { cwd: dirname(file) })
  expect(stdout).toContain('RDB looks OK!')
  expect(await theirs.ask('DEBUG', 'RELOAD', 'NOSAVE')).toBe('+OK\r\n')
}

async function restoreAll(database: Database): Promise<void> {
  const commands = [...database.keys()].map((key) => {
    const payload = Buffer.from(dumpValue(database.peek(key)!)).toString('latin1')
    return ['RESTORE', key, String(database.expiresAtMs(key) ?? 0), payload, 'ABSTTL']
  })
  for (const reply of await send(theirs, commands)) expect(reply).toBe('+OK\r\n')
}

async function playOne(random: Random, history?: readonly Args[]): Promise<void> {
  const [nodeEntriesMax, nodeBytesMax] = random.pick(nodeSizes)
  const begin = [
    ['FLUSHALL'],
    ['CONFIG', 'SET', 'stream-node-max-entries', String(nodeEntriesMax)],
    ['CONFIG', 'SET', 'stream-node-max-bytes', String(nodeBytesMax)],
  ]
  await send(theirs, begin)
  await send(ours, [...begin, ...(history ?? historyOf(random))])
  const { databases } = server.state
  const database = databases.at(0)
  if (random.chance(0.5)) playNewer(database, random)
  // Redis takes no key whose time has come.
  databases.sweep(Date.now(), Infinity)
  if (random.chance(0.5)) await loadFile(databases)
  else await restoreAll(database)
  giveToConsumer(database)
  expect(await theirPicture(theirs)).toEqual(ourPicture(databases))
  const growth = growthOf(databases, random)
  await send(theirs, growth)
  growOurs(databases, growth)
  expect(withoutGroups(await theirPicture(theirs))).toEqual(withoutGroups(ourPicture(databases)))
}

// Seed 1877411533: a group that was told more entries-read than it had read counts on from there, beyond entries-added.
const readBeyond: readonly Args[] = [
  ...['1-1', '1-2', '1-3', '1-4', '1-5', '1-6', '1-7', '1-8', '1-9'].map((id) => ['XADD', 'f', id, 'f', 'v']),
  ['XGROUP', 'CREATE', 'f', 'g', '1-1', 'ENTRIESREAD', '9'],
  ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'f', '>'],
]
it.each([1, 2, 3, 4])('writes a group that has read more than was added, seed %i', async (kept) => {
  await playOne(new Random(kept), readBeyond)
  expect(server.state.databases.at(0).streamAt('f', 0)!.group('g')!.entriesRead).toBe(17)
})

it(
  `writes what redis-server loads after ${RUNS} random histories (seed ${seed})`,
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

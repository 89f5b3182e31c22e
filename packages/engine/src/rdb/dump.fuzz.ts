/**
 * Dumped values of random histories: each is read again and dumps to the same bytes. And payloads of which bits, bytes or a
 * length are changed and the checksum is made right again, as only somebody does who means harm: each is refused, or a value
 * that can be used and dumped; nothing else is thrown, and nothing is made of which there are many times as many bytes.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { expect, it } from 'vitest'
import { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { ID_MAX, ID_ZERO } from '../id.ts'
import { fullStreamInfo } from '../info.ts'
import { restoreKey } from '../keys.ts'
import type { Value } from '../keyspace.ts'
import { RandomHistory } from '../random-history.ts'
import { Seeded } from '../seeded.ts'
import { readDump } from './dump-reader.ts'
import { dumpValue } from './dump-writer.ts'
import { withChecksum } from './testing/rdb-builder.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 100)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = 150
const DAMAGED = 40
const NOW_MS = 1e6
/** Of a value for each byte of its payload, which no compressed string is in: an empty consumer is the largest. */
const GROWTH_MAX = 1000
const STREAM_BYTES = 20_000

function valuesOf(seed: number): Value[] {
  const databases = new Databases({ count: 3, nodeEntriesMax: 3 })
  const history = new RandomHistory(databases, new Seeded(seed))
  for (let i = 0; i < STEPS; i++) history.step()
  return [...databases.made()].flatMap(([, database]) => database.slots().map(({ value }) => value))
}

function dumpsOf(seed: number): Uint8Array[] {
  return valuesOf(seed).map((value) => dumpValue(value))
}

/** A group has read more than was ever added (XGROUP SETID): reading cuts that, as Redis does since 8.2.2. */
function isCut(value: Value): boolean {
  return value.type === 'stream' && value.groups().some(({ entriesRead }) => (entriesRead ?? 0) > value.entriesAdded)
}

/** Uses a value as its readers do; returns how many bytes it takes, or 0 where it is refused. */
function useDump(payload: Uint8Array): number {
  const databases = new Databases()
  const database = databases.at(0)
  try {
    restoreKey(database, { key: 'k', payload }, NOW_MS)
  } catch (error) {
    if (error instanceof EngineError) return 0
    throw error
  }
  const stream = database.streamAt('k', NOW_MS)
  if (stream !== undefined) {
    expect(stream.range(ID_ZERO, ID_MAX, Infinity)).toHaveLength(stream.length)
    fullStreamInfo(database, 'k', Infinity, NOW_MS)
  }
  expect(dumpValue(readDump(dumpValue(database.value('k', NOW_MS)!))).length).toBeGreaterThan(0)
  return database.memoryBytes
}

function damaged(payload: Uint8Array, random: Seeded): Uint8Array {
  // The version and the checksum stay what they are.
  const end = payload.length - 10
  const bytes = payload.slice()
  for (let left = 1 + random.below(2); left > 0; left--) {
    const at = random.below(end)
    const what = random.below(4)
    if (what === 0) bytes[at]! ^= 1 << random.below(8)
    else if (what === 1) bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xf0, 0xf4, 0xff])
    else if (what === 2) bytes.copyWithin(at, random.below(end), end)
    else bytes.fill(0xff, at, Math.min(at + 4, end))
  }
  return withChecksum(bytes)
}

it(`what is dumped is read again, and dumps to the same, seed ${SEED}`, { timeout: 600_000 }, () => {
  console.info(`dump.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)
  let dumps = 0
  for (let run = 0; run < RUNS; run++) {
    for (const value of valuesOf(SEED + run)) {
      const payload = dumpValue(value)
      const again = dumpValue(readDump(payload))
      expect(isCut(value) || Buffer.compare(again, payload) === 0, `seed ${SEED + run}`).toBe(true)
      expect(Buffer.compare(dumpValue(readDump(again)), again), `seed ${SEED + run}`).toBe(0)
      dumps++
    }
  }
  expect(dumps).toBeGreaterThan(0)
})

it(`a payload that is damaged on purpose is refused, or harmless, seed ${SEED}`, { timeout: 600_000 }, () => {
  const random = new Seeded(SEED)
  let refused = 0
  let taken = 0
  for (let run = 0; run < RUNS; run++) {
    for (const payload of dumpsOf(SEED + run)) {
      for (let i = 0; i < DAMAGED; i++) {
        const bytes = damaged(payload, random)
        const used = useDump(bytes)
        if (used > 0) taken++
        else refused++
        expect(used, `seed ${SEED + run}`).toBeLessThan(STREAM_BYTES + bytes.length * GROWTH_MAX)
      }
    }
  }
  console.info(`dump.fuzz: ${refused} refused, ${taken} taken`)
  expect(refused).toBeGreaterThan(0)
  expect(taken).toBeGreaterThan(0)
})

/**
 * Random histories, written as payloads of random lengths and read into fresh databases: the state must be the same. And
 * payloads that are cut anywhere, or have any one bit turned over, or are noise: each is read or refused, nothing else.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { expect, it } from 'vitest'
import { Databases } from '../databases.ts'
import { RandomHistory } from '../random-history.ts'
import { Seeded } from '../seeded.ts'
import { ChangeReader } from './change-reader.ts'
import { ChangeWriter } from './change-writer.ts'
import { PAYLOAD_VERSION, PayloadError } from './payload.ts'
import { stateDigest, stateText } from './state-text.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 300)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = 150
const DAMAGED_BYTES_MAX = 3000
const KINDS = 31

interface Recorded {
  readonly databases: Databases
  readonly payloads: readonly Uint8Array[]
  readonly kinds: ReadonlySet<string>
}

function record(seed: number, steps = STEPS): Recorded {
  const random = new Seeded(seed)
  const databases = new Databases({ count: 3, nodeEntriesMax: 3 })
  const writer = new ChangeWriter()
  const payloads: Uint8Array[] = []
  const kinds = new Set<string>()
  databases.subscribe((index, change) => {
    writer.write(index, change)
    kinds.add(change.kind)
  })
  const history = new RandomHistory(databases, random)
  const flush = (): void => {
    if (!writer.isEmpty) payloads.push(writer.bytes.slice(0, writer.used))
    writer.clear()
  }
  for (let i = 0; i < steps; i++) {
    history.step()
    if (random.below(8) === 0) flush()
  }
  flush()
  return { databases, payloads, kinds }
}

/** Reads to the end; returns how many changes there are, or undefined where they are refused. */
function countIn(bytes: Uint8Array): number | undefined {
  try {
    const reader = new ChangeReader(bytes)
    let changes = 0
    while (reader.next()) changes++
    return changes
  } catch (error) {
    if (error instanceof PayloadError) return undefined
    throw error
  }
}

it(`brings ${RUNS} histories of every kind of change to the same state, seed ${SEED}`, { timeout: 600_000 }, () => {
  console.info(`change-reader.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)
  const met = new Set<string>()
  const reader = new ChangeReader(Uint8Array.of(PAYLOAD_VERSION))
  for (let run = 0; run < RUNS; run++) {
    const { databases, payloads, kinds } = record(SEED + run)
    for (const kind of kinds) met.add(kind)
    const again = new Databases({ count: 3 })
    for (const payload of payloads) {
      reader.begin(payload, 0, payload.length)
      while (reader.next()) again.apply(reader.database, reader.change)
    }
    const text = stateText(again)
    if (text !== stateText(databases)) {
      expect(text.split('\n'), `seed ${SEED + run}`).toEqual(stateText(databases).split('\n'))
    }
    expect(stateDigest(again), `seed ${SEED + run}`).toBe(stateDigest(databases))
  }
  if (RUNS >= 100) expect(met.size).toBe(KINDS)
})

it(`reads or refuses a payload that is cut, or damaged in any one bit, seed ${SEED}`, { timeout: 600_000 }, () => {
  for (let run = 0; run < Math.max(RUNS / 100, 1); run++) {
    const { payloads } = record(SEED + run, STEPS * 2)
    let damaged = 0
    for (const payload of payloads) {
      if (payload.length > DAMAGED_BYTES_MAX) continue
      const whole = countIn(payload)!
      for (let length = 0; length < payload.length; length++) {
        const some = countIn(payload.slice(0, length))
        // Between two changes a payload can be cut and nobody sees it: that is what the frame's length and checksum are for.
        if (some !== undefined) expect(some).toBeLessThan(whole)
      }
      const copy = payload.slice()
      for (let bit = 0; bit < payload.length * 8; bit++) {
        copy[bit >> 3]! ^= 1 << (bit & 7)
        if (countIn(copy) === undefined) damaged++
        copy[bit >> 3]! ^= 1 << (bit & 7)
      }
    }
    expect(damaged).toBeGreaterThan(0)
  }
})

it(`reads or refuses 20,000 pieces of noise, seed ${SEED}`, { timeout: 600_000 }, () => {
  const random = new Seeded(SEED)
  let read = 0
  for (let run = 0; run < 20_000; run++) {
    // Small bytes are numbers of kinds, texts and slots more often.
    const limit = random.pick([4, 40, 256])
    const noise = Uint8Array.from({ length: 1 + random.below(200) }, () => random.below(limit))
    noise[0] = PAYLOAD_VERSION
    if (countIn(noise) !== undefined) read++
  }
  expect(read).toBeLessThan(20_000)
})

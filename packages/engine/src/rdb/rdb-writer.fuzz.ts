/**
 * Random histories, written as RDB files from a picture while they go on, and read again: the state must be the one that was
 * pictured, nodes and nobody's entries and producers included. And dumped values must hold what the values do.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { expect, it } from 'vitest'
import { Databases } from '../databases.ts'
import { stateText } from '../disk/state-text.ts'
import { EngineError } from '../errors.ts'
import { RandomHistory } from '../random-history.ts'
import { Seeded } from '../seeded.ts'
import { Crc64 } from './crc64.ts'
import { applyExtras, EXTRAS_NAME } from './extras.ts'
import { readRdbNow } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import { writeRdb, type WrittenRdb } from './rdb-writer.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 500)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Writes a file, with a step of the history at every pause. */
function written(history: RandomHistory): { readonly bytes: Uint8Array; readonly told: WrittenRdb } {
  const chunks: Uint8Array[] = []
  const frozen = history.databases.freeze()
  const writing = writeRdb(frozen, { nowMs: history.nowMs, write: (chunk) => chunks.push(chunk.slice()) })
  // Also before the first key is written.
  for (let i = 0; i < 3; i++) history.step()
  for (;;) {
    const step = writing.next()
    if (step.done === true) {
      frozen.release()
      return { bytes: Buffer.concat(chunks), told: step.value }
    }
    history.step()
  }
}

function readBack(bytes: Uint8Array): { readonly databases: Databases; readonly keys: number } {
  const databases = new Databases({ count: 3 })
  const onAux = (name: string, value: Uint8Array, database: number): void => {
    if (name === EXTRAS_NAME) applyExtras(databases, database, value)
  }
  const { keys } = readRdbNow(RdbSource.ofBytes(bytes, 'file'), { databases, onAux })
  return { databases, keys }
}

it(`brings back ${RUNS} random histories, seed ${SEED}`, { timeout: 600_000 }, () => {
  console.info(`rdb-writer.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)
  for (let run = 0; run < RUNS; run++) {
    const random = new Seeded(SEED + run)
    const history = new RandomHistory(new Databases({ count: 3, nodeEntriesMax: 3 }), random)
    for (let i = random.below(300); i > 0; i--) history.step()
    const wanted = stateText(history.databases)
    const { bytes, told } = written(history)
    const { databases, keys } = readBack(bytes)
    const text = stateText(databases)
    if (text !== wanted) expect(text.split('\n'), `seed ${SEED + run}`).toEqual(wanted.split('\n'))
    const crc = new Crc64()
    crc.update(bytes, 0, bytes.length - 8)
    expect(told, `seed ${SEED + run}`).toEqual({ bytes: bytes.length, keys, crc: crc.toString() })
  }
})

/** Reads a file whose extras have one bit turned over, or end early. */
function readDamaged(bytes: Uint8Array, random: Seeded): 'read' | 'refused' {
  const databases = new Databases({ count: 3 })
  const onAux = (name: string, value: Uint8Array, database: number): void => {
    if (name !== EXTRAS_NAME) return
    const damaged = value.slice(0, random.below(3) === 0 ? random.below(value.length) : value.length)
    if (damaged.length > 0) damaged[random.below(damaged.length)]! ^= 1 << random.below(8)
    applyExtras(databases, database, damaged)
  }
  try {
    readRdbNow(RdbSource.ofBytes(bytes, 'file'), { databases, onAux })
  } catch (error) {
    if (error instanceof EngineError) return 'refused'
    throw error
  }
  stateText(databases)
  return 'read'
}

it(`refuses damaged extras, or reads them, seed ${SEED}`, { timeout: 600_000 }, () => {
  const outcomes = new Set<string>()
  for (let run = 0; run < RUNS; run++) {
    const random = new Seeded(SEED + run)
    const history = new RandomHistory(new Databases({ count: 3, nodeEntriesMax: 3 }), random)
    for (let i = 0; i < 100; i++) history.step()
    const { bytes } = written(history)
    for (let i = 0; i < 10; i++) outcomes.add(readDamaged(bytes, random))
  }
  // Flips in the few bytes that no check covers are read; how often those are met is left to chance.
  expect(outcomes).toContain('refused')
})

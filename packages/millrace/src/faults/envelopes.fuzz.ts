/**
 * Entries that are not what a worker expects (T24, T23): random fields, broken JSON, bytes that are no text, envelopes with nonsense in
 * them and of versions to come. Each is handled or a dead letter, none stops the worker, and what is good goes on between them.
 * MILLRACE_RUNS sets how many (a fifth of it; default 2,000), MILLRACE_SEED repeats a run.
 */
import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import type { FieldValue } from '../backend.ts'
import { fail, retryAfter } from '../worker/outcome.ts'
import { everywhere } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

const RUNS = Math.ceil(Number(process.env['MILLRACE_RUNS'] ?? 2000) / 5)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Numbers from 0 up to `below`, the same for the same seed (xorshift32). */
function dice(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const NAMES = [
  'json',
  'json',
  'json',
  'other',
  '',
  'mr:id',
  'mr:attempts',
  'mr:key',
  'mr:order',
  'mr:h:',
  'mr:h:a',
  'mr:future',
  'mr:delay',
  'mr:to',
]
const VALUES: FieldValue[] = [
  '1',
  '{"a":1}',
  '{',
  '',
  'null',
  '[[[[',
  '-1',
  '1e999',
  '99999999999999999999',
  '0-0',
  '5-',
  '\u0000',
  'NaN',
  new Uint8Array([0xff, 0xfe, 0x00]),
  new Uint8Array([0xed, 0xa0, 0x80]),
  new Uint8Array(100_000),
]

describe.each(everywhere)('on %s', (_name, create) => {
  it(
    `handles or gives up each of ${RUNS} entries of any kind (seed ${SEED})`,
    { timeout: 60_000 + RUNS * 20 },
    async () => {
      const place = await at(create)
      const millrace = await open(place.target)
      const { backend } = millrace
      const stream = millrace.stream<unknown>('s')
      const roll = dice(SEED)
      const pick = <V>(all: readonly V[]): V => all[roll(all.length)] as V
      await backend.createGroup('s', 'g')
      const worker = stream.group('g').worker(() => undefined, { blockMs: 500, sweepMs: 200 })
      atEnd(() => worker.stop({ graceMs: 0 }))
      let good = 0
      for (let n = 0; n < RUNS; n++) {
        const isGood = roll(10) === 0
        if (isGood) good++
        const fields = isGood
          ? ['json', '"good"']
          : upTo(1 + roll(4)).flatMap((): FieldValue[] => [pick(NAMES), pick(VALUES)])
        await backend.add('s', fields)
      }
      const isDone = (): boolean => worker.counts.completed + worker.counts.deadLettered === RUNS
      await waitFor(isDone, { what: `all of them (seed ${SEED})`, timeoutMs: 30_000 })
      expect(worker.counts.completed).toBeGreaterThanOrEqual(good)
      expect(worker.counts.deadLettered).toBeGreaterThan(0)
      expect(await backend.pending('s', 'g')).toEqual([])
      const letters = await stream.deadLetters.list({ count: RUNS })
      expect(
        letters.filter(({ reason }) => reason !== 'undecodable' && reason !== 'worker-died' && reason !== 'failed'),
      ).toEqual([])
    },
  )

  it('keeps fields of a version to come through a retry and a dead letter', { timeout: 30_000 }, async () => {
    const millrace = await open((await at(create)).target)
    const { backend } = millrace
    await backend.add('s', ['json', '1', 'mr:future', 'kept', 'also', 'this'])
    const own = {
      encode: (): FieldValue[] => [],
      decode: (fields: readonly Uint8Array[]) => fields.map((f) => Buffer.from(f).toString()),
    }
    const stream = millrace.stream<string[]>('s', { codec: own })
    const worker = stream
      .group('g')
      .worker((_entry, { attempt }) => (attempt === 1 ? retryAfter(0) : fail('enough')), { blockMs: 500 })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(() => worker.counts.deadLettered === 1, { what: 'the dead letter' })
    const [letter] = await backend.range('{s}:dlq')
    const texts = (letter?.fields ?? []).map((field) => Buffer.from(field).toString())
    expect(texts).toEqual(expect.arrayContaining(['mr:future', 'kept', 'also', 'this']))
  })

  it(
    'adds what is delayed when it is due, also after the process that asked for it has ended',
    { timeout: 30_000 },
    async () => {
      const place = await at(create)
      const first = await open(place.target)
      const delays = upTo(20).map((n) => 100 + n * 70)
      const due: number[] = []
      for (const [n, delayMs] of delays.entries()) {
        const id = await first.stream<number>('s').add(n, { delayMs })
        due.push(Number(id.split('-')[0]) + delayMs)
      }
      await first.close()
      const came: number[] = []
      const second = await open(place.target)
      const worker = second
        .stream<number>('s')
        .group('g')
        .worker(({ id, value }) => void (came[value] = Number(id.split('-')[0])), { blockMs: 500 })
      atEnd(() => worker.stop({ graceMs: 0 }))
      await waitFor(() => worker.counts.completed === 20, { what: 'all of them' })
      const lateMs = came.map((ms, n) => ms - (due[n] ?? 0))
      // By the server's own clock. Up to a second late, and for the first ones the time between the processes.
      expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0)
      expect(lateMs.slice(-5).filter((ms) => ms > 1000)).toEqual([])
    },
  )
})

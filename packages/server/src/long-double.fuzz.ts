/**
 * Random sums against a real redis-server: INCRBYFLOAT there gives the same digits.
 *
 * MILLRACE_RUNS sets how many, MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Random, seedOfRun } from './differential-random.ts'
import { encodeAll, Wire } from './differential-wire.ts'
import { addLongDoubles, formatLongDouble, parseLongDouble } from './long-double.ts'

const SUMS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const seed = seedOfRun()

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => await redis?.stop())

const oddities = (
  '0|-0|+1|1.|.5|.||-|1e|1e5|1E-5|0x10|0x.8p1|0x1p-3|0x|0xg|1_0| 1|1 |inf|-inf|Infinity|nan|1e4932|1.2e4932|1e-4950|' +
  '1.18973149535723176502e4932|3e-4951|1e-5000|1e99999999999|-1e99999999999|0e99999999999|18446744073709551615|' +
  '18446744073709551617|0.1|0.2|3.0e-18|5e-18|-5e-18|9007199254740993|0x1.fffffffffffffffep+16383|1e308|0.00000000000000001'
).split('|')

function number(random: Random): string {
  const kind = random.below(10)
  if (kind === 0) return random.pick(oddities)
  const digits = (count: number): string =>
    Array.from({ length: 1 + random.below(count) }, () => String(random.below(10))).join('')
  const sign = random.below(2) === 0 ? '-' : ''
  if (kind < 5) return `${sign}${digits(6)}.${digits(8)}`
  if (kind < 8) return `${sign}${digits(20)}.${digits(25)}`
  return `${sign}${digits(4)}.${digits(6)}e${random.below(90) - 45}`
}

function sum(a: string, b: string): string {
  const [left, right] = [parseLongDouble(a), parseLongDouble(b)]
  if (left === undefined || right === undefined) return '-ERR value is not a valid float\r\n'
  const both = left === 'infinity' || right === 'infinity' ? undefined : addLongDoubles(left, right)
  if (both === undefined) return '-ERR increment would produce NaN or Infinity\r\n'
  const text = formatLongDouble(both)
  return `$${text.length}\r\n${text}\r\n`
}

it(`adds as redis-server does, ${SUMS} sums, seed ${seed}`, { timeout: 120_000 }, async () => {
  const random = new Random(seed)
  const pairs = Array.from({ length: SUMS }, () => [number(random), number(random)] as const)
  const wire = await Wire.connect(redis.port)
  wire.send(
    encodeAll(
      pairs.flatMap(([a, b]) => [
        ['SET', 'k', a],
        ['INCRBYFLOAT', 'k', b],
      ]),
    ),
  )
  const replies = await wire.take(pairs.length * 2)
  wire.destroy()
  for (const [i, [a, b]] of pairs.entries()) expect(sum(a, b), `${a} + ${b}`).toBe(replies[i * 2 + 1])
})

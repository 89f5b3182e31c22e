/**
 * Random patterns against a real redis-server: KEYS finds there what our globs take.
 *
 * MILLRACE_RUNS sets how many, MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Random, seedOfRun } from './differential-random.ts'
import { encodeAll, Wire } from './differential-wire.ts'
import { Glob } from './glob.ts'

const PATTERNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const KEYS = 150
const seed = seedOfRun()

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => await redis?.stop())

function word(random: Random, alphabet: string, lengthMax: number): string {
  let text = ''
  for (let left = random.below(lengthMax + 1); left > 0; left--) text += alphabet[random.below(alphabet.length)]
  return text
}

it(`takes what redis-server takes, ${PATTERNS} patterns, seed ${seed}`, { timeout: 120_000 }, async () => {
  const random = new Random(seed)
  const keys = new Set<string>([''])
  while (keys.size < KEYS) keys.add(word(random, 'aab-]^\\*?[cA\xff', 6))
  const patterns = Array.from({ length: PATTERNS }, () => word(random, 'aab-]]^\\**?[[[cA\xff', 9))
  const wire = await Wire.connect(redis.port)
  wire.send(encodeAll([['MSET', ...[...keys].flatMap((key) => [key, ''])], ...patterns.map((each) => ['KEYS', each])]))
  const [, ...replies] = await wire.take(patterns.length + 1)
  wire.destroy()
  for (const [i, pattern] of patterns.entries()) {
    // As KEYS: a lone star is all keys, the empty one too, without a look at the pattern.
    const glob = pattern === '*' ? undefined : new Glob(pattern)
    const ours = [...keys].filter((key) => glob === undefined || glob.matches(key))
    const theirs = replies[i]!.split('\r\n')
      .slice(1, -1)
      .filter((_, line) => line % 2 === 1)
    expect(ours.toSorted(), `pattern ${JSON.stringify(pattern)}`).toEqual(theirs.toSorted())
  }
})

it(`takes both cases as if all were small, seed ${seed}`, () => {
  const random = new Random(seed)
  for (let i = 0; i < PATTERNS; i++) {
    const pattern = word(random, 'aAbB-]^*?[zZ', 9)
    const text = word(random, 'aAbB-zZ', 6)
    const isTaken = new Glob(pattern.toLowerCase()).matches(text.toLowerCase())
    expect(new Glob(pattern, { ignoresCase: true }).matches(text), `${pattern} and ${text}`).toBe(isTaken)
  }
})

/**
 * Three servers whose lines to Redis break at random, and one reader with a sound line. Whatever happens, each
 * answer's log is one sequence without gaps, epochs never go down, one entry closes it, and what a reader followed
 * through it all is what the log holds in the end.
 */
import { randomUUID } from 'node:crypto'
import { type Proxy, type RedisServer, startProxy, startRedis } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { AnswerEntry } from './entry.ts'
import { ask, Bench, mulberry32, readAll, sha256, talkative, talkativeText } from './fixtures.ts'
import { pause } from './pause.ts'
import type { Relay } from './relay.ts'
import { isClosing, textOf } from './text.ts'

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31)
const TROUBLE_MS = 6000
const ANSWERS = 24
const CHUNKS = 150

const bench = new Bench()
let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterEach(() => bench.end())
afterAll(() => server.stop())

it(`keeps every log whole while lines break (seed ${seed})`, { timeout: 60_000 }, async () => {
  const random = mulberry32(seed)
  const prefix = `T${randomUUID()}`
  const options = { prefix, leaseMs: 1500, attemptsMax: 1000 }
  const sound = bench.relay(await bench.redis(server.url), { ...options, server: 'sound', unfinishedMax: 1000 })
  const proxies: Proxy[] = []
  for (let i = 0; i < 3; i++) {
    const proxy = await startProxy({ target: server.port })
    proxies.push(proxy)
    bench.onEnd(() => proxy.stop())
    const fragile = await bench.redis(proxy.url, { replyMs: 800, unavailableMs: 500 })
    bench.relay(fragile, { ...options, server: `fragile${i}` }).work(talkative(CHUNKS, 15))
  }
  const following = Array.from({ length: ANSWERS }, (_, i) => askAndFollow(sound, i))
  const untilMs = Date.now() + TROUBLE_MS
  while (Date.now() < untilMs) {
    await makeTrouble(proxies[Math.floor(random() * proxies.length)]!, random)
  }
  for (const { owner, answer, entries } of await Promise.all(following)) {
    expect(entries).toEqual(await readAll(sound, owner, answer))
    checkLog(entries, owner)
  }
})

async function askAndFollow(
  relay: Relay,
  i: number,
): Promise<{ owner: string; answer: string; entries: AnswerEntry[] }> {
  const owner = `owner${i}`
  const answer = await ask(relay, owner, owner)
  return { owner, answer, entries: await readAll(relay, owner, answer, { withinMs: 45_000 }) }
}

async function makeTrouble(proxy: Proxy, random: () => number): Promise<void> {
  if (random() < 0.6) proxy.cut()
  else proxy.stall()
  // Longer than a lease now and then, so that answers are taken over from servers that are still alive.
  await pause(random() < 0.3 ? 1600 + random() * 800 : random() * 200)
  proxy.restore()
  await pause(random() * 200)
}

function checkLog(entries: readonly AnswerEntry[], question: string): void {
  expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i))
  expect(entries.filter(isClosing)).toHaveLength(1)
  for (let i = 1; i < entries.length; i++) {
    const [before, entry] = [entries[i - 1]!, entries[i]!]
    const begins = entry.type === 'start' || entry.type === 'restarted'
    expect(entry.epoch - before.epoch, `entry ${i}, ${entry.type}`).toBe(begins ? 1 : 0)
  }
  const text = textOf(entries)
  expect(text).toBe(talkativeText(question, CHUNKS))
  expect(entries.at(-1)).toMatchObject({ type: 'end', chars: text.length, sha256: sha256(text) })
}

/**
 * Workers that are killed: before the effect, between it and the acknowledgement, after it (T1); and messages that kill every
 * worker that takes them (T2). A thousand kills on redis-server in a long run, 200 elsewhere.
 */
import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import { connect } from '../connect.ts'
import { check } from '../simulation/checker.ts'
import { everywhere, howMany, type Place, servers } from './testing/fault-backends.ts'
import { historyOf } from './testing/history-log.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'
import type { Message } from './testing/worker-child.ts'
import { type ChildSettings, WorkerChildren } from './testing/worker-children.ts'

const MARKS = ['before', 'inside', 'between', 'returned', 'after'] as const
const STREAM = 's'
const KILL_MS = 4000

interface Begun {
  readonly place: Place
  readonly sent: readonly string[]
}

async function begin(create: () => Promise<Place>, messages: readonly Message[]): Promise<Begun> {
  const place = await at(create)
  const millrace = await connect(place.target)
  const sent = await millrace.stream<Message>(STREAM).addMany(messages)
  await millrace.close()
  return { place, sent }
}

function run(place: Place, settings: Partial<ChildSettings>, nodeOptions: readonly string[] = []): WorkerChildren {
  const base = { target: place.target, stream: STREAM, concurrency: 1, leaseMs: 300 }
  const children = new WorkerChildren({ ...base, ...settings }, nodeOptions)
  atEnd(() => children.stop())
  return children
}

/** Each third message kills its worker once; the marks take turns. */
function killing(kills: number): Message[] {
  return upTo(kills * 3).map((n): Message => {
    const mark = MARKS[Math.floor(n / 3) % MARKS.length]
    return n % 3 === 1 && mark !== undefined ? { n, mark } : { n }
  })
}

describe.each(everywhere)('a worker that is killed, on %s', (name, create) => {
  // A directory is one process's.
  const workers = name === 'embedded' ? 1 : 2
  const kills = howMany(5, name === 'redis-server' ? 1000 : 200)
  const timeout = kills * KILL_MS + 60_000

  it(`loses nothing in ${kills} kills, and what is promised once happens once`, { timeout }, async () => {
    const messages = killing(kills)
    const { place, sent } = await begin(create, messages)
    const children = run(place, {})
    children.keep(workers)
    await waitFor(() => children.log.counts('end').size === kills * 3, {
      what: `every message to be handled; ${children.errors}`,
      timeoutMs: kills * KILL_MS + 15_000,
    })
    if (name === 'embedded') await children.stop('SIGTERM')
    const { backend } = await open(place.target)
    await waitFor(async () => (await backend.pending(STREAM, 'g')).length === 0, { what: 'nothing to be pending' })
    await children.stop()

    // A worker can be killed by one mark when it has just come to another.
    const ended = new Set(children.log.lines('kill').map(({ n }) => n))
    const killed = ended.size
    expect(killed).toBeLessThanOrEqual(kills)
    expect(killed).toBeGreaterThanOrEqual(Math.floor(kills * 0.9))
    const inside = new Set(messages.flatMap(({ n, mark }) => (mark === 'inside' ? [n] : [])))
    expect(check(historyOf(children.log, sent, inside))).toEqual([])
    const effects = [...children.log.counts('effect').values()]
    expect(effects).toHaveLength(messages.length)
    expect(effects.reduce((sum, count) => sum + count - 1, 0)).toBeLessThanOrEqual(kills)
    // A worker that dies inside an effect cannot have noted its end: the next run has a larger fence.
    const fences = new Map<number, number[]>()
    for (const { n = -1, fence = 0 } of children.log.lines('once')) fences.set(n, [...(fences.get(n) ?? []), fence])
    const wrong = messages.filter(
      ({ n, mark }) => fences.get(n)?.length !== (mark === 'inside' && ended.has(n) ? 2 : 1),
    )
    expect(wrong).toEqual([])
    for (const given of fences.values()) expect(given).toEqual(given.toSorted((a, b) => a - b))
    const acknowledged: string[] = []
    for (const { n } of messages) {
      const step = await backend.step({ do: [{ kind: 'get', key: `{${STREAM}}:did:${n}` }] })
      acknowledged.push(step.isTaken ? Buffer.from((step.results[0] as Uint8Array | undefined) ?? '').toString() : '')
    }
    expect(acknowledged).toEqual(messages.map(() => '1'))
    expect(await backend.inspect(`{${STREAM}}:dlq`)).toBeUndefined()
  })
})

const isLong = howMany(0, 1) === 1

describe.each(servers)('a message that kills its worker, on %s', (name, create) => {
  const deadly = isLong
    ? (['exit', 'spin', 'allocate'] as const)
    : ([name === 'redis-server' ? 'spin' : 'exit'] as const)

  it.each(deadly)(
    'goes to the dead letters after exactly three workers, the others flow: %s',
    { timeout: 90_000 },
    async (mark) => {
      const messages = upTo(20).map((n): Message => (n === 10 ? { n, mark } : { n }))
      const { place } = await begin(create, messages)
      const memory = mark === 'allocate' ? ['--max-old-space-size=64'] : []
      const children = run(place, { maxAttempts: 3, leaseMs: 400 }, memory)
      children.keep(2)
      const letters = (await open(place.target)).stream<Message>(STREAM).deadLetters
      // A supervisor ends what does not answer any more.
      const endHung = (): void => {
        const begun = children.log.lines('start').filter(({ n }) => n === 10)
        const hung = new Set((begun.length < 3 ? begun.slice(0, -1) : begun).map(({ pid }) => pid))
        for (const child of children.children) if (hung.has(child.pid ?? 0)) child.kill('SIGKILL')
      }
      const isThere = async (): Promise<boolean> => {
        if (mark === 'spin') endHung()
        return (await letters.length()) === 1
      }
      await waitFor(isThere, { what: 'the dead letter', timeoutMs: 60_000 })
      await waitFor(() => children.log.counts('end').size === 19, { what: 'all the others', timeoutMs: 20_000 })
      const [letter] = await letters.list()
      expect(letter).toMatchObject({ reason: 'worker-died' })
      expect(letter?.value()).toEqual({ n: 10, mark })
      expect(children.log.counts('start').get(10)).toBe(3)
      expect(await letters.length()).toBe(1)
    },
  )
})

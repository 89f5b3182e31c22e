/** What a relay promises, on every kind of backend. */
import { randomUUID } from 'node:crypto'
import { type ClusterServer, type RedisServer, startCluster, startRedis, waitFor } from '@millrace/testing'
import { type Backend, EmbeddedBackend, type EntryId } from 'millrace'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AnswerEntry } from './entry.ts'
import {
  ask,
  Bench,
  mulberry32,
  readAll,
  readUntil,
  scripted,
  sha256,
  SILENT,
  talkative,
  talkativeText,
  types,
} from './fixtures.ts'
import { GenerateError } from './generate.ts'
import type { Relay, RelayOptions } from './relay.ts'
import { textOf } from './text.ts'

const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31)

describeRelay('embedded', () => {
  const backend = new EmbeddedBackend()
  return Promise.resolve({ open: () => Promise.resolve(backend), stop: () => backend.close() })
})
describeRelay('redis', async () => opener(await startRedis()))
describeRelay('cluster', async () => opener(await startCluster({ masters: 3 })))

interface Opener {
  /** A client of its own where there is such a thing. */
  open(bench: Bench): Promise<Backend>
  stop(): Promise<void>
}

function opener(server: RedisServer | ClusterServer): Opener {
  return { open: (bench) => bench.redis(server.url), stop: () => server.stop() }
}

function describeRelay(name: string, start: () => Promise<Opener>): void {
  describe(`a relay on ${name} (seed ${seed})`, () => {
    const bench = new Bench()
    let server: Opener
    let backend: Backend
    beforeAll(async () => {
      server = await start()
    })
    afterEach(() => bench.end())
    afterAll(() => server.stop())

    /** Each test has streams of its own. */
    async function open(options: Partial<RelayOptions> = {}): Promise<Relay> {
      backend = await server.open(bench)
      const prefix = `T${randomUUID()}`
      const relay = bench.relay(backend, { prefix, ...options })
      prefixes.set(relay, prefix)
      return relay
    }

    it('answers a question', async () => {
      const relay = await open()
      relay.work(scripted([['A consumer ', 'group ', 60, 'shares ', 'work 😀']]))
      const answer = await ask(relay)
      const entries = await readAll(relay, 'ann', answer)
      const text = 'A consumer group shares work 😀'
      expect(textOf(entries)).toBe(text)
      expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i))
      expect(entries.map((entry) => entry.epoch)).toEqual(entries.map((_, i) => (i === 0 ? 0 : 1)))
      expect(entries[0]).toMatchObject({ type: 'question', topic: 'Redis', question: 'why?' })
      expect(entries[0]).not.toHaveProperty('owner')
      expect(entries[1]).toMatchObject({ type: 'start', model: 'scripted' })
      expect(entries.at(-1)).toMatchObject({ type: 'end', finish: 'stop', chars: text.length, sha256: sha256(text) })
    })

    it('restores the text from any offset (seed above)', async () => {
      const relay = await open()
      relay.work(talkative(60, 2))
      const answer = await ask(relay, 'ann', 'cuts')
      const whole = await readAll(relay, 'ann', answer)
      const random = mulberry32(seed)
      for (let i = 0; i < 200; i++) {
        const cut = Math.floor(random() * whole.length)
        const rest = await readAll(relay, 'ann', answer, { after: whole[cut]!.id })
        expect([...whole.slice(0, cut + 1), ...rest], `cut ${cut}`).toEqual(whole)
      }
      expect(textOf(whole)).toBe(talkativeText('cuts', 60))
    })

    it('goes on after a refresh in the middle of an answer', async () => {
      const relay = await open()
      relay.work(talkative(40, 10))
      const answer = await ask(relay, 'ann', 'refresh')
      const before = await readUntil(relay, 'ann', answer, (entry) => entry.seq === 9)
      const after = await readAll(relay, 'ann', answer, { after: before.at(-1)!.id })
      expect(textOf([...before, ...after])).toBe(talkativeText('refresh', 40))
    })

    it('gives two readers the same, live', async () => {
      const relay = await open()
      relay.work(talkative(30, 5))
      const answer = await ask(relay)
      const [first, second] = await Promise.all([readAll(relay, 'ann', answer), readAll(relay, 'ann', answer)])
      expect(second).toEqual(first)
      expect(textOf(first)).toBe(talkativeText('why?', 30))
    })

    it('serves a slow reader from the log', async () => {
      const relay = await open({ lingerMs: 0 })
      relay.work(talkative(1500, 0))
      const answer = await ask(relay, 'ann', 'slow')
      const slow = relay.follow('ann', answer, { signal: AbortSignal.timeout(15_000) })[Symbol.asyncIterator]()
      const entries: AnswerEntry[] = [...(await slow.next()).value.entries]
      while (!types(entries).includes('start')) entries.push(...(await slow.next()).value.entries)
      const whole = await readAll(relay, 'ann', answer)
      let largest = 0
      for (let next = await slow.next(); next.done !== true; next = await slow.next()) {
        largest = Math.max(largest, next.value.entries.length)
        entries.push(...next.value.entries)
      }
      expect(entries).toEqual(whole)
      expect(largest).toBeLessThanOrEqual(500)
    })

    it('stops an answer from elsewhere and keeps the part', async () => {
      const relay = await open()
      const elsewhere = bench.relay(await server.open(bench), { prefix: prefixOf(relay) })
      const model = scripted([['the part', SILENT]])
      relay.work(model)
      const answer = await ask(relay)
      await readUntil(relay, 'ann', answer, (entry) => entry.type === 'delta')
      const startMs = performance.now()
      const aborted = untilAborted(model.signals[0]!)
      expect(await elsewhere.stop('ann', answer)).toEqual({ stopped: true })
      await aborted
      expect(performance.now() - startMs).toBeLessThan(500)
      const entries = await readAll(relay, 'ann', answer)
      expect(textOf(entries)).toBe('the part')
      expect(entries.at(-1)).toMatchObject({ type: 'stopped', chars: 8, seq: 3, epoch: 1 })
      expect(await elsewhere.stop('ann', answer)).toEqual({ stopped: false })
    })

    it('stops a question that still waits', async () => {
      const relay = await open()
      const answer = await ask(relay)
      expect(await relay.stop('ann', answer)).toEqual({ stopped: true })
      const model = scripted([['never']])
      relay.work(model)
      await untilSettled(relay)
      expect(types(await readAll(relay, 'ann', answer))).toEqual(['question', 'stopped'])
      expect(model.requests).toEqual([])
    })

    it('has exactly one closing entry when stop and end race', async () => {
      const relay = await open({ perMinuteMax: 1000, unfinishedMax: 1000, lingerMs: 0, concurrency: 8 })
      relay.work(scripted([['a', 1, 'b', 1, 'c']]))
      const ends: string[] = []
      await inBatches(100, 8, async (i) => {
        const answer = await ask(relay, `racer${i}`)
        const reading = readAll(relay, `racer${i}`, answer)
        await readUntil(relay, `racer${i}`, answer, (entry) => entry.seq >= i % 5).catch(() => undefined)
        const { stopped } = await relay.stop(`racer${i}`, answer)
        const entries = await reading
        const closing = types(entries).filter((type) => ['end', 'error', 'stopped'].includes(type))
        expect(closing, types(entries).join(' ')).toHaveLength(1)
        expect(closing[0] === 'stopped').toBe(stopped)
        if (entries.at(-1)!.type === 'stopped') expect(entries.at(-1)).toMatchObject({ chars: textOf(entries).length })
        ends.push(closing[0]!)
      })
      expect(ends).toHaveLength(100)
      expect(bench.errors).toEqual([])
    })

    it('shows a failure that may pass, waits as asked, and begins again', async () => {
      const limited = new GenerateError('rate_limit', 'The provider is busy', { retryable: true, retryAfterMs: 80 })
      const relay = await open()
      const model = scripted([['half ', 30, limited], ['the whole']])
      relay.work(model)
      const entries = await readAll(relay, 'ann', await ask(relay))
      expect(types(entries)).toEqual(['question', 'start', 'delta', 'restarted', 'delta', 'end'])
      expect(entries[3]).toMatchObject({ reason: 'rate_limit', keep: 0, epoch: 2, after: entries[2]!.id })
      expect((entries[3] as { gapMs: number }).gapMs).toBeGreaterThanOrEqual(80)
      expect(textOf(entries)).toBe('the whole')
      expect(entries.at(-1)).toMatchObject({ chars: 9, sha256: sha256('the whole'), epoch: 2 })
    })

    it('keeps the text for a model that can continue', async () => {
      const cut = new GenerateError('cut', 'The connection broke', { retryable: true, retryAfterMs: 0 })
      const relay = await open()
      const model = scripted([['half 😀', 30, cut], [' and the rest']], true)
      relay.work(model)
      const entries = await readAll(relay, 'ann', await ask(relay))
      expect(entries.find((entry) => entry.type === 'restarted')).toMatchObject({ keep: 7, reason: 'cut' })
      expect(model.requests[1]!.textSoFar).toBe('half 😀')
      expect(entries.at(-1)).toMatchObject({ sha256: sha256('half 😀 and the rest') })
      expect(textOf(entries)).toBe('half 😀 and the rest')
    })

    it('ends as its last failure after the last attempt, or when the wait is too long', async () => {
      const relay = await open({ attemptsMax: 2 })
      const busy = new GenerateError('provider_5xx', 'The provider failed', { retryable: true, retryAfterMs: 1 })
      const hour = new GenerateError('rate_limit', 'In an hour', { retryable: true, retryAfterMs: 3_600_000 })
      relay.work(scripted([[busy], [busy], [hour]]))
      const first = await readAll(relay, 'ann', await ask(relay))
      expect(types(first)).toEqual(['question', 'start', 'restarted', 'error'])
      expect(first.at(-1)).toMatchObject({ code: 'provider_5xx', message: 'The provider failed', retryAfterMs: 1 })
      const second = await readAll(relay, 'ann', await ask(relay))
      expect(types(second)).toEqual(['question', 'start', 'error'])
      expect(second.at(-1)).toMatchObject({ code: 'rate_limit', retryAfterMs: 3_600_000 })
    })

    it('tells people nothing of an unforeseen failure, and the log everything', async () => {
      const relay = await open()
      const secret = new Error('key sk-123 was refused')
      relay.work(scripted([['part', secret]]))
      const entries = await readAll(relay, 'ann', await ask(relay))
      expect(types(entries)).toEqual(['question', 'start', 'delta', 'error'])
      expect(entries.at(-1)).toMatchObject({ code: 'internal' })
      expect(JSON.stringify(entries)).not.toContain('sk-123')
      expect(bench.errors).toMatchObject([{ code: 'internal', cause: secret }])
    })

    it('asks once for a double submit, also from two servers at once', async () => {
      const relay = await open()
      const other = bench.relay(await server.open(bench), { prefix: prefixOf(relay) })
      const model = scripted([['once']])
      relay.work(model)
      const request = { requestId: 'same', topic: 'Redis', question: 'twice?' }
      const replies = await Promise.all([relay, other, relay, other].map((one) => one.ask('ann', request)))
      expect(new Set(replies.map((reply) => reply.answer)).size).toBe(1)
      expect(replies.filter((reply) => reply.created)).toHaveLength(1)
      await readAll(relay, 'ann', replies[0]!.answer)
      expect(await relay.ask('ann', request)).toEqual({ answer: replies[0]!.answer, created: false })
      expect(model.requests).toHaveLength(1)
      expect(await relay.list('ann')).toHaveLength(1)
      expect((await relay.ask('bob', request)).answer).not.toBe(replies[0]!.answer)
    })

    it('gives nobody another owner’s answer', async () => {
      const relay = await open()
      relay.work(scripted([['private']]))
      const answer = await ask(relay, 'ann')
      await readAll(relay, 'ann', answer)
      const missing = { code: 'NOT_FOUND', message: 'There is no such answer, or it has expired' }
      for (const id of [answer, 'f'.repeat(32), '../x', '']) {
        await expect(readAll(relay, 'bob', id)).rejects.toMatchObject(missing)
        await expect(relay.stop('bob', id)).rejects.toMatchObject(missing)
        await expect(relay.inspect('bob', id)).rejects.toMatchObject(missing)
      }
      expect(await relay.list('bob')).toEqual([])
    })

    it('counts an owner’s questions over all servers', async () => {
      const relay = await open({ unfinishedMax: 100 })
      const options = { prefix: prefixOf(relay), unfinishedMax: 100 }
      const other = bench.relay(await server.open(bench), options)
      const asks = Array.from({ length: 24 }, (_, i) => settled(ask(i % 2 ? relay : other, 'ann')))
      const outcomes = await Promise.all(asks)
      expect(outcomes.filter((outcome) => outcome === 'TOO_MANY_QUESTIONS')).toHaveLength(14)
      const refused = await ask(relay, 'ann').catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'TOO_MANY_QUESTIONS' })
      const { retryAfterMs } = refused as { retryAfterMs: number }
      expect(retryAfterMs).toBeGreaterThan(50_000)
      expect(retryAfterMs).toBeLessThanOrEqual(60_000)
      await ask(relay, 'bob')
    })

    it('lets an owner have three answers at once', async () => {
      const relay = await open()
      const answers = [await ask(relay), await ask(relay), await ask(relay)]
      await expect(ask(relay)).rejects.toMatchObject({ code: 'TOO_MANY_AT_ONCE' })
      await relay.stop('ann', answers[1]!)
      await ask(relay)
      await expect(ask(relay)).rejects.toMatchObject({ code: 'TOO_MANY_AT_ONCE' })
    })

    it('lists an owner’s answers, newest first, with what they are doing', async () => {
      const relay = await open({ unfinishedMax: 10, concurrency: 4 })
      const failure = new GenerateError('auth', 'The key was refused', { retryable: false })
      relay.work(scripted([['done'], [failure], ['part', SILENT]]))
      const done = await ask(relay)
      await readAll(relay, 'ann', done)
      const failed = await ask(relay)
      await readAll(relay, 'ann', failed)
      const streaming = await ask(relay, 'ann', 'the third')
      await readUntil(relay, 'ann', streaming, (entry) => entry.type === 'delta')
      const list = await relay.list('ann')
      expect(list.map(({ answer, state }) => [answer, state])).toEqual([
        [streaming, 'streaming'],
        [failed, 'failed'],
        [done, 'done'],
      ])
      expect(list[0]).toMatchObject({ topic: 'Redis', question: 'the third' })
      expect(await relay.list('ann', 1)).toHaveLength(1)
    })

    it('expires every stream of an answer, and tells who follows', async () => {
      const relay = await open({ retentionMs: 60_000 })
      const answer = await ask(relay)
      const info = await relay.inspect('ann', answer)
      expect(info.ttlMs).toBeGreaterThan(50_000)
      expect(info.ttlMs).toBeLessThanOrEqual(60_000)
      const session = await backend.inspect(`${prefixOf(relay)}_SESSION:ann`)
      expect(session!.ttlMs).toBeGreaterThan(50_000)
      const brief = bench.relay(backend, { prefix: prefixOf(relay), retentionMs: 300 })
      const dying = await ask(brief)
      await expect(readAll(brief, 'ann', dying)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('refuses bad input by name', async () => {
      const relay = await open()
      const good = { requestId: 'r', topic: 't', question: 'q' }
      const bad = [
        [{ ...good, requestId: 'no spaces' }, 'requestId'],
        [{ ...good, requestId: 'x'.repeat(65) }, 'requestId'],
        [{ ...good, topic: ' ' }, 'topic'],
        [{ ...good, question: '' }, 'question'],
        [{ ...good, question: 'é'.repeat(8193) }, 'question: expected at most 16384 bytes, got 16386'],
      ] as const
      for (const [request, message] of bad) {
        await expect(relay.ask('ann', request)).rejects.toMatchObject({
          code: 'BAD_REQUEST',
          message: expect.stringContaining(message) as string,
        })
      }
      await expect(relay.ask('a b', good)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
      const answer = await ask(relay)
      for (const after of ['x', '1', '01-0', '1-0', '99999999999999999999-0', '99999999999999-0']) {
        await expect(readAll(relay, 'ann', answer, { after: after as EntryId }), after).rejects.toMatchObject({
          code: 'BAD_REQUEST',
        })
      }
    })

    it('follows 200 answers with 5 readers each, all to the end', async () => {
      const relay = await open({ concurrency: 200, perMinuteMax: 1000, unfinishedMax: 1000 })
      relay.work(talkative(10, 50))
      const texts = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const answer = await ask(relay, `owner${i}`, `q${i}`)
          const readers = Array.from({ length: 5 }, () => readAll(relay, `owner${i}`, answer))
          return (await Promise.all(readers)).map(textOf)
        }),
      )
      texts.forEach((found, i) => expect(found).toEqual(Array(5).fill(talkativeText(`q${i}`, 10))))
      expect(bench.errors).toEqual([])
    })

    it('gives its followers the end of an answer that finishes while it closes', async () => {
      const relay = await open()
      relay.work(talkative(10, 20))
      const answer = await ask(relay, 'ann', 'q')
      await readUntil(relay, 'ann', answer, (entry) => entry.type === 'delta')
      const following = Array.from({ length: 5 }, () => readAll(relay, 'ann', answer))
      await relay.close({ graceMs: 5000 })
      for (const entries of await Promise.all(following)) {
        expect(entries.at(-1)).toMatchObject({ type: 'end' })
        expect(textOf(entries)).toBe(talkativeText('q', 10))
      }
    })

    it('ends followers with CLOSED and hands a running answer to another server', async () => {
      const relay = await open()
      const model = scripted([['part', SILENT]])
      relay.work(model)
      const answer = await ask(relay)
      await readUntil(relay, 'ann', answer, (entry) => entry.type === 'delta')
      const following = settled(readAll(relay, 'ann', answer))
      const other = bench.relay(backend, { prefix: prefixOf(relay), server: 'other' })
      other.work(scripted([[300, 'whole']]))
      await relay.close({ graceMs: 20 })
      expect(await following).toBe('CLOSED')
      expect(model.signals[0]!.aborted).toBe(true)
      const entries = await readAll(other, 'ann', answer)
      const restarted = entries.find((entry) => entry.type === 'restarted')
      expect(restarted).toMatchObject({ reason: 'server_stopping', server: 'other', epoch: 2 })
      expect((restarted as { gapMs: number }).gapMs).toBeLessThan(2000)
      expect(textOf(entries)).toBe('whole')
      await expect(ask(relay)).rejects.toMatchObject({ code: 'CLOSED' })
      await expect(readAll(relay, 'ann', answer)).rejects.toMatchObject({ code: 'CLOSED' })
    })
  })
}

const prefixes = new WeakMap<Relay, string>()

function prefixOf(relay: Relay): string {
  return prefixes.get(relay)!
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function untilSettled(relay: Relay): Promise<void> {
  await waitFor(
    async () => {
      const { group } = await relay.inspectQuestions()
      return group !== undefined && group.lag === 0 && group.pending === 0
    },
    { what: 'all jobs to be acknowledged' },
  )
}

/** How a call ended: 'ok', or its error's code. */
async function settled(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function inBatches(count: number, size: number, step: (i: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += size) {
    await Promise.all(Array.from({ length: Math.min(size, count - from) }, (_, i) => step(from + i)))
  }
}

/** What a relay promises when servers die, networks break and Redis forgets: on a real redis-server. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Proxy, type RedisServer, startProxy, startRedis, waitFor } from '@millrace/testing'
import { type Backend, type EntryId, StreamError } from 'millrace'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AnswerEntry } from './entry.ts'
import {
  ask,
  Bench,
  readAll,
  readUntil,
  scripted,
  SILENT,
  sha256,
  talkative,
  talkativeText,
  types,
} from './fixtures.ts'
import type { Relay } from './relay.ts'
import { textOf } from './text.ts'

describe('a relay in trouble', () => {
  const bench = new Bench()
  let server: RedisServer
  let backend: Backend
  let prefix: string
  let proxy: Proxy
  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(() => bench.end())
  afterAll(() => server.stop())

  async function open(options: { server?: string; url?: string } = {}): Promise<Relay> {
    prefix ??= `T${randomUUID()}`
    backend = await bench.redis(options.url ?? server.url)
    return bench.relay(backend, { prefix, server: options.server ?? 'survivor' })
  }

  /** A relay whose line to Redis the test can cut. */
  async function openFragile(leaseMs = 1000): Promise<Relay> {
    proxy = await startProxy({ target: server.port })
    bench.onEnd(() => proxy.stop())
    const fragile = await bench.redis(proxy.url, { replyMs: 1000, unavailableMs: 500 })
    return bench.relay(fragile, { prefix, server: 'fragile', leaseMs })
  }

  afterEach(() => {
    prefix = `T${randomUUID()}`
  })

  it('takes over within 10 s when a server is killed in the middle of an answer', async () => {
    const relay = await open()
    const program = fileURLToPath(new URL('crash-server.ts', import.meta.url))
    const args = ['--conditions=@millrace/source', '--import', 'tsx', program, server.url, prefix]
    const doomed = spawn(process.execPath, args, { stdio: 'inherit' })
    bench.onEnd(async () => void doomed.kill('SIGKILL'))
    const answer = await ask(relay)
    const reading = readAll(relay, 'ann', answer)
    await readUntil(relay, 'ann', answer, (entry) => entry.seq === 20)
    doomed.kill('SIGKILL')
    const killedMs = Date.now()
    relay.work(scripted([['complete ', 30, 'after all']]))
    await readUntil(relay, 'ann', answer, (entry) => entry.type === 'restarted')
    expect(Date.now() - killedMs).toBeLessThan(10_000)
    const entries = await reading
    const restarted = entries.find((entry) => entry.type === 'restarted')
    expect(restarted).toMatchObject({ reason: 'server_lost', server: 'survivor', keep: 0, epoch: 2 })
    const before = entries[restarted!.seq - 1]!
    expect(restarted).toMatchObject({ after: before.id })
    expect(textOf(entries)).toBe('complete after all')
    expect(entries.at(-1)).toMatchObject({ type: 'end', sha256: sha256('complete after all') })
  })

  it('refuses every entry of a server that comes back after its answer was taken over', async () => {
    const relay = await open()
    const zombie = await openFragile()
    zombie.work(talkative(100_000, 5))
    const answer = await ask(relay)
    await readUntil(relay, 'ann', answer, (entry) => entry.seq === 10)
    proxy.stall()
    const survivor = bench.relay(backend, { prefix, server: 'second', leaseMs: 1000 })
    survivor.work(scripted([['slow ', 1500, 'but ', 1500, 'whole']]))
    await readUntil(relay, 'ann', answer, (entry) => entry.type === 'restarted')
    proxy.restore()
    const entries = await readAll(relay, 'ann', answer)
    expectOneLog(entries)
    expect(types(entries).filter((type) => type === 'restarted')).toHaveLength(1)
    expect(textOf(entries)).toBe('slow but whole')
    const epochs = entries.map((entry) => entry.epoch)
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b))
  })

  it('writes nothing twice when the replies to its entries are lost', async () => {
    const relay = await open()
    // Long enough that five broken connections on a busy machine do not end it: this is about entries, not leases.
    const fragile = await openFragile(30_000)
    fragile.work(talkative(300, 5))
    const answer = await ask(relay, 'ann', 'lost')
    const reading = readAll(relay, 'ann', answer)
    await readUntil(relay, 'ann', answer, (entry) => entry.seq === 10)
    for (let i = 0; i < 5; i++) await loseNextReply(proxy)
    const entries = await reading
    expectOneLog(entries)
    expect(textOf(entries)).toBe(talkativeText('lost', 300))
    expect(entries.filter((entry) => entry.type === 'restarted')).toEqual([])
  })

  it('sits out a short cut of the line, its readers too', async () => {
    const relay = await open()
    const fragile = await openFragile()
    fragile.work(talkative(200, 5))
    const answer = await ask(relay, 'ann', 'cut')
    const reading = readAll(fragile, 'ann', answer)
    await readUntil(relay, 'ann', answer, (entry) => entry.seq === 10)
    proxy.cut()
    await waitFor(() => proxy.connections === 0, { what: 'every connection to be gone' })
    proxy.restore()
    const entries = await reading
    expectOneLog(entries)
    expect(textOf(entries)).toBe(talkativeText('cut', 200))
  })

  it('gives up an answer that interrupts every server', async () => {
    const relay = await open()
    const answer = await ask(relay)
    const stream = `${prefix}:${answer}`
    const asked = (await backend.range(stream))[0]!.id
    const [job] = await backend.range(`${prefix}_QUESTIONS`)
    await append(stream, asked, [
      'type',
      'start',
      'seq',
      '1',
      'epoch',
      '1',
      'server',
      's',
      'model',
      'm',
      'job',
      job!.id,
    ])
    for (const epoch of [2, 3]) {
      const last = (await backend.range(stream, { reverse: true, count: 1 }))[0]!.id
      const place = ['type', 'restarted', 'seq', String(epoch), 'epoch', String(epoch), 'server', 's', 'model', 'm']
      const rest = ['keep', '0', 'reason', 'server_lost', 'after', last, 'gapMs', '1', 'job', job!.id]
      await append(stream, last, [...place, ...rest])
    }
    const model = scripted([['never']])
    relay.work(model)
    const entries = await readAll(relay, 'ann', answer)
    expect(entries.at(-1)).toMatchObject({ type: 'error', code: 'too_many_attempts', seq: 4, epoch: 4 })
    expect(model.requests).toEqual([])
  })

  it('begins again under a higher epoch when Redis has lost the end of the log', async () => {
    const relay = await open()
    const model = scripted([['abc', 100, 'def', SILENT], ['whole']])
    let goOn: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (goOn = resolve))
    relay.work({
      ...model,
      async *generate(request, signal) {
        const isFirst = model.requests.length === 0
        for await (const event of model.generate(request, signal)) {
          yield event
          if (isFirst && event.type === 'text' && event.text === 'def') {
            await gate
            yield { type: 'text', text: 'ghi' }
          }
        }
      },
    })
    const answer = await ask(relay)
    const before = await readUntil(relay, 'ann', answer, (entry) => entry.type === 'delta' && entry.text === 'def')
    const reading = readAll(relay, 'ann', answer, { after: before.at(-1)!.id })
    const refused = expect(reading).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    await loseLast(`${prefix}:${answer}`, 1)
    goOn()
    const entries = await readAll(relay, 'ann', answer)
    expectOneLog(entries)
    expect(types(entries)).toEqual(['question', 'start', 'delta', 'restarted', 'delta', 'end'])
    expect(entries[3]).toMatchObject({ epoch: 2, reason: 'server_lost' })
    expect(textOf(entries)).toBe('whole')
    await refused
    const behind = readAll(relay, 'ann', answer, { after: before.at(-1)!.id })
    await expect(behind).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  it('adds a lost job again when the question is asked again', async () => {
    const relay = await open()
    const request = { requestId: 'again', topic: 't', question: 'q' }
    const { answer } = await relay.ask('ann', request)
    await backend.expire(`${prefix}_QUESTIONS`, 0)
    relay.work(scripted([['found']]))
    const reading = readAll(relay, 'ann', answer)
    await waitFor(
      async () => {
        await relay.ask('ann', request)
        return (await relay.list('ann'))[0]?.state === 'done'
      },
      { what: 'the question to be answered' },
    )
    expect(textOf(await reading)).toBe('found')
  })

  it('keeps following the others when one stream is no stream any more', async () => {
    const relay = await open()
    const broken = await ask(relay)
    const sound = await ask(relay)
    const following = readAll(relay, 'ann', broken)
    const reading = readAll(relay, 'ann', sound)
    const failed = expect(following).rejects.toBeInstanceOf(StreamError)
    await waitFor(async () => (await relay.inspect('ann', broken)).watching === 1, { what: 'the reader to be there' })
    await overwrite(server, `${prefix}:${broken}`)
    relay.work(scripted([['fine']]))
    expect(textOf(await reading)).toBe('fine')
    await failed
  })

  it('acknowledges what is no job, and an answer that cannot be read, and tells', async () => {
    const relay = await open()
    const questions = `${prefix}_QUESTIONS`
    const answer = await ask(relay)
    await backend.add(`${prefix}:${answer}`, ['type', 'nonsense'])
    await backend.add(questions, ['something', 'else'])
    await backend.add(questions, ['answer', '../../etc'])
    relay.work(scripted([['sound']]))
    const sound = await ask(relay)
    expect(textOf(await readAll(relay, 'ann', sound))).toBe('sound')
    const settled = async (): Promise<boolean> => {
      const { group } = await relay.inspectQuestions()
      return group?.lag === 0 && group.pending === 0
    }
    await waitFor(settled, { what: 'all jobs to be acknowledged' })
    const told = bench.errors.map(String).toSorted()
    expect(told).toEqual([
      expect.stringMatching(/^DamagedEntry: Entry \S+ is no entry of an answer: type: .*, got 'nonsense'$/),
      expect.stringContaining('is no job'),
      expect.stringContaining('is no job'),
    ])
    await expect(readAll(relay, 'ann', answer)).rejects.toMatchObject({ name: 'DamagedEntry' })
  })

  it('ends its followers when the backend is closed under it', async () => {
    const relay = await open()
    const answer = await ask(relay)
    const following = expect(readAll(relay, 'ann', answer)).rejects.toMatchObject({ code: 'CLOSED' })
    await waitFor(async () => (await relay.inspect('ann', answer)).watching === 1, { what: 'the reader to be there' })
    relay.work(scripted([[SILENT]]))
    await backend.close()
    await following
    await relay.close()
  })

  async function append(stream: string, after: EntryId, fields: readonly string[]): Promise<void> {
    await backend.add(stream, fields, { ifLastId: after })
  }

  /** As a fail-over that loses the newest entries: the stream is as it was before them. */
  async function loseLast(stream: string, count: number): Promise<void> {
    const entries = await backend.range(stream)
    await backend.expire(stream, 0)
    for (const entry of entries.slice(0, -count)) await backend.add(stream, entry.fields, { id: entry.id })
  }
})

function expectOneLog(entries: readonly AnswerEntry[]): void {
  expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i))
}

/** Swallows the reply to the next entry of an answer, and breaks the line. */
async function loseNextReply(proxy: Proxy): Promise<void> {
  const state = { sent: false, lost: false }
  proxy.onClientBytes = (bytes) => {
    if (!state.sent && bytes.includes('delta')) state.sent = true
    return true
  }
  // A line that has lost bytes brings none after them: a later reply would pass for the lost one.
  proxy.onTargetBytes = () => {
    state.lost ||= state.sent
    return !state.lost
  }
  await waitFor(() => state.lost, { what: 'a reply to lose' })
  proxy.cut()
  proxy.onClientBytes = undefined
  proxy.onTargetBytes = undefined
  proxy.restore()
}

/** Puts a string where a stream was. */
async function overwrite(server: RedisServer, key: string): Promise<void> {
  const socket = createConnection(server.port, '127.0.0.1')
  socket.write(`SET ${key} text\r\n`)
  await once(socket, 'data')
  socket.destroy()
}

/** The same server on a real redis-server: what is asked is in its streams, under the names of the tutorial. */
import { randomBytes } from 'node:crypto'
import { connect } from 'millrace'
import { startRedis, waitFor } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { EventStream } from './testing/event-stream.ts'
import { call, entriesOf, type EntryBatch, Inbox, isClosed, Stage, textIn } from './testing/stage.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

it('asks, follows, resumes, inspects, stops and streams events on redis-server', async () => {
  const redis = await startRedis()
  cleanups.push(() => redis.stop())
  const millrace = await connect(redis.url)
  cleanups.push(() => millrace.close())
  const stage = await Stage.start({ backend: millrace.backend })
  cleanups.push(() => stage.close())
  const cookie = await stage.session()
  const socket = await stage.connect({ cookie })
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const canary = randomBytes(8).toString('hex')
  const { answer } = await call(socket, 'ask', { requestId: 'r1', topic: 'Redis', question: `What is ${canary}?` })
  await call(socket, 'follow', { answer })
  const script = (await waitFor(() => stage.model.scripts[0], { what: 'the model' })).say('a part')
  await inbox.until((batches) => textIn(entriesOf(batches)) === 'a part')
  expect(await call(socket, 'inspect', { answer })).toMatchObject({
    backend: { label: expect.stringMatching(/^redis \d/) },
    stream: { stream: `OPENAI_STREAM:${answer}`, length: 3, watching: 1 },
    questions: { length: 1, consumers: [{ name: 'test', pending: 1, state: 'live' }] },
  })
  const events = new EventStream(
    await stage.get(`/api/answers/${answer}/events`, cookie, { 'last-event-id': entriesOf(inbox.received)[1]!.id }),
  )
  expect(await call(socket, 'stop', { answer })).toEqual({ ok: true, stopped: true })
  await inbox.until(isClosed)
  await waitFor(() => script.aborted, { what: 'the model to be aborted' })
  const rest = (await events.rest()).map(
    ({ event, data }) => `${event} ${(JSON.parse(data) as { type?: string }).type ?? ''}`,
  )
  expect(rest.filter((frame) => !frame.startsWith('caught-up'))).toEqual(['entry delta', 'entry stopped', 'closed '])
  const stored = await millrace.backend.range(`OPENAI_STREAM:${answer}`)
  expect(stored.map((entry) => entry.id)).toEqual(entriesOf(inbox.received).map((entry) => entry.id))
  expect(stage.lines.join('')).toContain(answer)
  expect(stage.lines.join('')).not.toContain(canary)
})

it('is not ready and says UNAVAILABLE while redis-server is away, and works again when it is back', async () => {
  const redis = await startRedis()
  cleanups.push(() => redis.stop())
  const millrace = await connect(redis.url, { unavailableMs: 300, replyMs: 300 })
  cleanups.push(() => millrace.close())
  const stage = await Stage.start({ backend: millrace.backend })
  cleanups.push(() => stage.close())
  const socket = await stage.connect()
  await redis.kill()
  expect((await stage.get('/readyz')).status).toBe(503)
  expect((await stage.get('/healthz')).status).toBe(200)
  const refused = await call(socket, 'ask', { requestId: 'r1', topic: 'Redis', question: 'x' })
  expect(refused.error).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 })
  expect((await stage.get('/api/answers')).status).toBe(503)
  const again = await startRedis({ port: redis.port })
  cleanups.push(() => again.stop())
  await waitFor(async () => (await stage.get('/readyz')).status === 200, { what: 'the server to be ready again' })
  expect((await call(socket, 'ask', { requestId: 'r1', topic: 'Redis', question: 'x' })).ok).toBe(true)
})

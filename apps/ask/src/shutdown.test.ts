/** Stopping: in process, and the program itself by its signals. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { connect } from 'millrace'
import { startRedis, waitFor, type RedisServer } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { EventStream } from './testing/event-stream.ts'
import { Program } from './testing/program.ts'
import { ScriptedModel } from './testing/scripted-model.ts'
import { call, entriesOf, type EntryBatch, Inbox, isClosed, Stage, textIn } from './testing/stage.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function started(...options: Parameters<typeof Stage.start>): Promise<Stage> {
  const stage = await Stage.start(...options)
  cleanups.push(() => stage.close())
  return stage
}

function question(): object {
  return { requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: 'x' }
}

it('lets a running answer finish, refuses new questions, and then ends every connection', async () => {
  const redis = await startRedis()
  cleanups.push(() => redis.stop())
  const model = new ScriptedModel()
  const one = await onRedis(redis, model, 'one')
  const cookie = await one.session()
  const asker = await one.connect({ cookie })
  const { answer } = await call(asker, 'ask', question())
  const script = (await waitFor(() => model.scripts[0], { what: 'the model' })).say('nearly ')
  const two = await onRedis(redis, new ScriptedModel(), 'two')
  const viewer = await two.connect({ cookie })
  const inbox = new Inbox<EntryBatch>(viewer, 'entry')
  await call(viewer, 'follow', { answer })
  const gone = new Promise((resolve) => asker.once('disconnect', resolve))
  const closed = one.server.close({ graceMs: 8000 })
  expect((await one.get('/readyz')).status).toBe(503)
  expect((await one.get('/healthz')).status).toBe(200)
  expect((await call(asker, 'ask', question())).error?.code).toBe('UNAVAILABLE')
  expect((await one.post('/api/answers', question(), cookie)).status).toBe(503)
  await expect(one.connect({ cookie })).rejects.toThrow()
  script.say('done').finish()
  await inbox.until(isClosed)
  expect(textIn(entriesOf(inbox.received))).toBe('nearly done')
  expect(two.model.scripts).toEqual([])
  await closed
  await gone
  await expect(one.get('/healthz')).rejects.toThrow()
})

it('ends followers of an answer that does not finish in time, with a reason', async () => {
  const stage = await started()
  const cookie = await stage.session()
  const socket = await stage.connect({ cookie })
  const ended = new Inbox<{ answer: string; error: { code: string } }>(socket, 'follow-ended')
  const { answer } = await call(socket, 'ask', question())
  await call(socket, 'follow', { answer })
  const events = new EventStream(await stage.get(`/api/answers/${answer}/events`, cookie))
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  await stage.server.close({ graceMs: 0 })
  await ended.until((received) => received.length === 1)
  expect(ended.received[0]).toMatchObject({ answer, error: { code: 'UNAVAILABLE' } })
  expect((await events.rest()).at(-1)).toMatchObject({
    event: 'follow-ended',
    data: expect.stringContaining('UNAVAILABLE'),
  })
  expect(script.aborted).toBe(true)
})

it('hands an unfinished answer to another server, which completes it', async () => {
  const redis = await startRedis()
  cleanups.push(() => redis.stop())
  const model = new ScriptedModel()
  const one = await onRedis(redis, model, 'one')
  const cookie = await one.session()
  const { answer } = await call(await one.connect({ cookie }), 'ask', question())
  const script = (await waitFor(() => model.scripts[0], { what: 'the model' })).say('a part')
  const two = await onRedis(redis, ScriptedModel.answering(['the whole']), 'two')
  const viewer = await two.connect({ cookie })
  const inbox = new Inbox<EntryBatch>(viewer, 'entry')
  await call(viewer, 'follow', { answer })
  await inbox.until((batches) => textIn(entriesOf(batches)) === 'a part')
  await one.server.close({ graceMs: 0 })
  await inbox.until(isClosed)
  const entries = entriesOf(inbox.received)
  expect(script.aborted).toBe(true)
  expect(entries.map((entry) => entry.type)).toEqual(['question', 'start', 'delta', 'restarted', 'delta', 'end'])
  expect(entries[3]).toMatchObject({ server: 'two', keep: 0, reason: 'server_stopping' })
  expect(entries.map((entry) => entry.seq)).toEqual([0, 1, 2, 3, 4, 5])
})

function program(...given: ConstructorParameters<typeof Program>): Program {
  const started = new Program(...given)
  cleanups.push(() => started.kill())
  return started
}

async function onRedis(redis: RedisServer, model: ScriptedModel, name: string): Promise<Stage> {
  const millrace = await connect(redis.url)
  cleanups.push(() => millrace.close())
  return await started({ backend: millrace.backend, model, env: { SERVER_NAME: name, LEASE_MS: '500' } })
}

it('starts both servers, says where the page is, and ends with 0 at SIGTERM', async () => {
  const both = program({})
  const page = await both.address(/^Ask Me About Redis: (http:\S+)$/m)
  const backend = await both.address(/^Backend: (http:\S+) /m)
  expect(await (await fetch(new URL('/config.json', page))).json()).toEqual({
    backend: { port: Number(new URL(backend).port) },
  })
  expect((await fetch(new URL('/readyz', backend))).status).toBe(200)
  both.signal('SIGTERM')
  expect(await both.exitCode()).toBe(0)
})

it('starts the page alone or the backend alone, and ends with 0 at SIGINT', async () => {
  const [page, backend] = [program({ PORT: '3999' }, 'frontend'), program({}, 'backend')]
  const url = await page.address(/^Ask Me About Redis: (http:\S+)$/m)
  expect(await (await fetch(new URL('/config.json', url))).json()).toEqual({ backend: { port: 3999 } })
  await backend.address(/^Backend: (http:\S+) /m)
  expect(page.output).not.toContain('Backend')
  expect(backend.output).not.toContain('Ask Me')
  for (const one of [page, backend]) one.signal('SIGINT')
  expect([await page.exitCode(), await backend.exitCode()]).toEqual([0, 0])
})

it('says in a sentence why it cannot start, and ends with 1', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => new Promise((resolve) => taken.close(resolve)))
  const { port } = taken.address() as AddressInfo
  const [busy, wrong, role] = [program({ PORT: String(port) }), program({ PORT: 'x' }), program({}, 'both')]
  expect([await busy.exitCode(), await wrong.exitCode(), await role.exitCode()]).toEqual([1, 1, 1])
  expect(busy.output).toContain(`Port ${port} on 127.0.0.1 is in use`)
  expect(wrong.output).toContain('PORT: expected a whole number from 0 to 65535, came "x"')
  expect(role.output).toContain('expected backend, frontend or nothing')
  expect(`${busy.output}${wrong.output}`).not.toContain('    at ')
})

/** The typed events of docs/wire.md, with the real socket.io-client. */
import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '@millrace/testing'
import { ScriptedModel } from './testing/scripted-model.ts'
import { call, entriesOf, type EntryBatch, Inbox, isClosed, pageOrigin, Stage, textIn } from './testing/stage.ts'

let stage: Stage
afterEach(() => stage.close())

function question(text = 'What is XADD?'): object {
  return { requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: text }
}

async function script(index = 0) {
  return await waitFor(() => stage.model.scripts[index], { what: 'the model to be asked' })
}

it('says hello with what a page needs to know', async () => {
  stage = await Stage.start()
  const socket = stage.unconnected()
  const hello = new Inbox<Record<string, unknown>>(socket, 'hello')
  socket.connect()
  await hello.until((received) => received.length === 1)
  expect(hello.received[0]).toMatchObject({
    server: 'test',
    model: { label: 'scripted', kind: 'guide' },
    topics: ['Redis', 'Valkey'],
    limits: { questionBytesMax: 16_384, perMinuteMax: 1000, unfinishedMax: 100, retentionMs: 86_400_000 },
    nowMs: expect.any(Number),
    backend: expect.any(String),
  })
})

it('streams an answer as typed entries, from the question to the end', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['A stream ', 'is a log.']) })
  const socket = await stage.connect()
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const { answer, created } = await call(socket, 'ask', question())
  expect(created).toBe(true)
  expect(await call(socket, 'follow', { answer })).toEqual({ ok: true })
  await inbox.until(isClosed)
  const entries = entriesOf(inbox.received, answer)
  expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, index) => index))
  expect(entries.map((entry) => entry.type).filter((type) => type !== 'delta')).toEqual(['question', 'start', 'end'])
  expect(textIn(entries)).toBe('A stream is a log.')
  expect(JSON.stringify(entries)).not.toContain('owner')
})

it('gives the same answer for the same requestId', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const payload = question()
  const [first, second] = await Promise.all([call(socket, 'ask', payload), call(socket, 'ask', payload)])
  expect(second.answer).toBe(first.answer)
  expect([first.created, second.created].sort()).toEqual([false, true])
})

it('resumes behind an offset, on another socket of the same session', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const [one, two] = [await stage.connect({ cookie }), await stage.connect({ cookie })]
  const inbox = new Inbox<EntryBatch>(one, 'entry')
  const { answer } = await call(one, 'ask', question())
  await call(one, 'follow', { answer })
  ;(await script()).say('first ')
  await inbox.until((batches) => textIn(entriesOf(batches)) === 'first ')
  const seen = entriesOf(inbox.received)
  one.disconnect()
  const rest = new Inbox<EntryBatch>(two, 'entry')
  await call(two, 'follow', { answer, after: seen.at(-1)!.id })
  ;(await script()).say('second').finish()
  await rest.until(isClosed)
  const all = [...seen, ...entriesOf(rest.received)]
  expect(all.map((entry) => entry.seq)).toEqual(all.map((_, index) => index))
  expect(textIn(all)).toBe('first second')
})

it('goes on with an answer that nobody follows any more', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const socket = await stage.connect({ cookie })
  await call(socket, 'ask', question())
  const generation = await script()
  socket.disconnect()
  generation.say('text').finish()
  const other = await stage.connect({ cookie })
  const done = await waitFor(async () => (await call(other, 'list', {})).answers?.[0]?.state === 'done', {
    what: 'the end',
  })
  expect(done).toBe(true)
  expect(generation.aborted).toBe(false)
})

it('stops an answer from another tab, keeps the part and aborts the model', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const [one, two] = [await stage.connect({ cookie }), await stage.connect({ cookie })]
  const inbox = new Inbox<EntryBatch>(one, 'entry')
  const { answer } = await call(one, 'ask', question())
  await call(one, 'follow', { answer })
  const generation = (await script()).say('a part')
  await inbox.until((batches) => textIn(entriesOf(batches)) === 'a part')
  expect(await call(two, 'stop', { answer })).toEqual({ ok: true, stopped: true })
  await inbox.until(isClosed)
  expect(entriesOf(inbox.received).at(-1)).toMatchObject({ type: 'stopped', chars: 6 })
  await waitFor(() => generation.aborted, { what: 'the model to be aborted' })
  expect(await call(two, 'stop', { answer })).toEqual({ ok: true, stopped: false })
})

it('lists the answers of the session, newest first', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const older = await call(socket, 'ask', question('older'))
  const newer = await call(socket, 'ask', question('newer'))
  const { answers } = await call(socket, 'list', {})
  expect(answers?.map(({ answer }) => answer)).toEqual([newer.answer, older.answer])
  expect(answers?.[0]).toMatchObject({ topic: 'Redis', question: 'newer', askedAtMs: expect.any(Number) })
  expect((await call(socket, 'list', { count: 1 })).answers).toHaveLength(1)
})

it('shows the streams behind an answer', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const { answer } = await call(socket, 'ask', question())
  await script()
  const picture = await call(socket, 'inspect', { answer })
  expect(picture).toMatchObject({
    ok: true,
    nowMs: expect.any(Number),
    backend: { label: expect.any(String), memoryBytes: expect.any(Number) },
    stream: { stream: expect.stringContaining(answer!), length: expect.any(Number), lastId: expect.any(String) },
    questions: {
      length: 1,
      group: { name: expect.any(String), pending: 1, lastDeliveredId: expect.any(String) },
      consumers: [{ pending: 1, state: 'live' }],
      pending: [{ deliveries: 1, idleMs: expect.any(Number), consumer: expect.any(String) }],
    },
  })
  expect(await call(socket, 'inspect', {})).not.toHaveProperty('stream')
})

it('is NOT_FOUND for everybody else, in every call', async () => {
  stage = await Stage.start()
  const [owner, stranger] = [await stage.connect(), await stage.connect()]
  const inbox = new Inbox<EntryBatch>(stranger, 'entry')
  const { answer } = await call(owner, 'ask', question())
  for (const event of ['follow', 'stop', 'inspect']) {
    expect((await call(stranger, event, { answer })).error?.code, event).toBe('NOT_FOUND')
  }
  expect((await call(stranger, 'list', {})).answers).toEqual([])
  expect((await call(stranger, 'unfollow', { answer })).ok).toBe(true)
  expect(inbox.received).toEqual([])
  expect((await call(owner, 'list', {})).answers?.[0]?.state).not.toBe('stopped')
})

it('sends two users their own answers only', async () => {
  stage = await Stage.start({
    model: new ScriptedModel((script) => script.say(`answer to ${script.request.question}`).finish()),
  })
  const users = await Promise.all(['a', 'b', 'c', 'd'].map(() => stage.connect()))
  const texts = await Promise.all(
    users.map(async (socket, index) => {
      const inbox = new Inbox<EntryBatch>(socket, 'entry')
      const { answer } = await call(socket, 'ask', question(`number ${index}`))
      await call(socket, 'follow', { answer })
      await inbox.until(isClosed)
      expect(new Set(inbox.received.map((batch) => batch.answer))).toEqual(new Set([answer]))
      return textIn(entriesOf(inbox.received))
    }),
  )
  expect(texts).toEqual([0, 1, 2, 3].map((index) => `answer to number ${index}`))
})

it('ends the first follow when the same answer is followed again', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const { answer } = await call(socket, 'ask', question())
  await call(socket, 'follow', { answer })
  await inbox.until((batches) => entriesOf(batches).length >= 2)
  const before = inbox.received.length
  await call(socket, 'follow', { answer, after: entriesOf(inbox.received).at(-1)!.id })
  ;(await script()).say('once').finish()
  await inbox.until(isClosed)
  expect(textIn(entriesOf(inbox.received.slice(before)))).toBe('once')
})

it('sends nothing more after unfollow', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const { answer } = await call(socket, 'ask', question())
  await call(socket, 'follow', { answer })
  await call(socket, 'unfollow', { answer })
  const before = inbox.received.length
  ;(await script()).say('unseen').finish()
  await waitFor(async () => (await call(socket, 'list', {})).answers?.[0]?.state === 'done', { what: 'the end' })
  expect(inbox.received).toHaveLength(before)
})

it('says at once that a reader has everything', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['all']) })
  const socket = await stage.connect()
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const { answer } = await call(socket, 'ask', question())
  await call(socket, 'follow', { answer })
  await inbox.until(isClosed)
  const last = entriesOf(inbox.received).at(-1)!
  const before = inbox.received.length
  expect((await call(socket, 'follow', { answer, after: last.id })).ok).toBe(true)
  await inbox.until((batches) => batches.length > before)
  expect(inbox.received.at(-1)).toEqual({ answer, entries: [], caughtUp: true })
})

it('carries out a packet without a callback, and refuses a bad one with an event', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  const refused = new Inbox<{ code: string; message: string }>(socket, 'refused')
  socket.emit('ask', question('no callback'))
  await waitFor(async () => (await call(socket, 'list', {})).answers?.length === 1, { what: 'the question' })
  socket.emit('ask', { requestId: 7, topic: 'Redis', question: 'x' })
  await refused.until((received) => received.length === 1)
  expect(refused.received[0]).toEqual({
    code: 'BAD_REQUEST',
    message: '`requestId`: expected 1 to 64 of A-Z a-z 0-9 _ -, came the number 7',
  })
})

it('names the events there are when it does not know one', async () => {
  stage = await Stage.start()
  const reply = await call(await stage.connect(), 'error', {})
  expect(reply.error?.code).toBe('BAD_REQUEST')
  expect(reply.error?.message).toContain('expected one of ask, follow,')
})

it('refuses what is over a limit, by one', async () => {
  stage = await Stage.start({ limits: { followsPerSocketMax: 2, perMinuteMax: 4, unfinishedMax: 3 } })
  const socket = await stage.connect()
  const asked = [await call(socket, 'ask', question()), await call(socket, 'ask', question())]
  asked.push(await call(socket, 'ask', question()))
  expect((await call(socket, 'ask', question())).error?.code).toBe('TOO_MANY_AT_ONCE')
  for (const { answer } of asked.slice(0, 2)) expect((await call(socket, 'follow', { answer })).ok).toBe(true)
  expect((await call(socket, 'follow', { answer: asked[2]!.answer })).error?.code).toBe('TOO_MANY_FOLLOWS')
  await call(socket, 'unfollow', { answer: asked[0]!.answer })
  expect((await call(socket, 'follow', { answer: asked[2]!.answer })).ok).toBe(true)
  for (const { answer } of asked) await call(socket, 'stop', { answer })
  expect((await call(socket, 'ask', question())).ok).toBe(true)
  const refused = await call(socket, 'ask', question())
  expect(refused.error?.code).toBe('TOO_MANY_QUESTIONS')
  expect(refused.error?.retryAfterMs).toBeGreaterThan(0)
})

it('takes a question of 16 KB and not one byte more', async () => {
  stage = await Stage.start()
  const socket = await stage.connect()
  expect((await call(socket, 'ask', question('ä'.repeat(8192)))).ok).toBe(true)
  const refused = await call(socket, 'ask', question(`${'ä'.repeat(8192)}!`))
  expect(refused.error).toEqual({ code: 'TOO_LARGE', message: '`question`: expected at most 16384 bytes, came 16385' })
})

it('disconnects a message over 64 KB and serves everybody else', async () => {
  stage = await Stage.start()
  const [big, other] = [await stage.connect(), await stage.connect()]
  const gone = new Promise((resolve) => big.once('disconnect', resolve))
  big.emit('ask', question('x'.repeat(70_000)))
  await gone
  expect((await call(other, 'list', {})).ok).toBe(true)
})

it('refuses packets over the rate, then disconnects', async () => {
  stage = await Stage.start({ limits: { packetsPerSecondMax: 20 } })
  const socket = await stage.connect()
  const gone = new Promise((resolve) => socket.once('disconnect', resolve))
  const replies = Array.from({ length: 40 }, () => call(socket, 'unfollow', { answer: 'a' }))
  const codes = (await Promise.all(replies)).map((reply) => reply.error?.code ?? 'ok')
  expect(codes.slice(0, 10)).toEqual(Array(10).fill('ok'))
  expect(codes.slice(-10)).toEqual(Array(10).fill('TOO_MANY_PACKETS'))
  for (let index = 0; index < 60; index++) socket.emit('unfollow', { answer: 'a' })
  await gone
})

it('works over long polling too', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['polled']) })
  const socket = await stage.connect({ transport: 'polling', origin: pageOrigin })
  const inbox = new Inbox<EntryBatch>(socket, 'entry')
  const { answer } = await call(socket, 'ask', question())
  await call(socket, 'follow', { answer })
  await inbox.until(isClosed)
  expect(textIn(entriesOf(inbox.received))).toBe('polled')
})

/** A polling connection that has not joined yet: its address. */
async function poll(): Promise<string> {
  const opening = await stage.get('/socket.io/?EIO=4&transport=polling')
  const { sid } = JSON.parse((await opening.text()).slice(1)) as { sid: string }
  return `/socket.io/?EIO=4&transport=polling&sid=${sid}`
}

it.each(['http://evil.example', 'null'])('refuses every request of a polling client from %s', async (origin) => {
  stage = await Stage.start()
  const address = await poll()
  const posted = await stage.request('POST', address, { origin, 'content-type': 'text/plain' }, '40')
  expect([posted.status, await posted.json()]).toMatchObject([403, { error: { code: 'ORIGIN_REFUSED' } }])
  expect((await stage.request('GET', address, { origin })).status).toBe(403)
  expect((await stage.request('GET', '/socket.io/?EIO=4&transport=polling', { origin })).status).toBe(403)
})

it.each([2, 21_000])('closes a connection that joins %i times in one payload', async (times) => {
  stage = await Stage.start()
  const address = await poll()
  const packets = Array<string>(times).fill('40').join('\x1e')
  await stage.request('POST', address, { 'content-type': 'text/plain' }, packets)
  const closed = await waitFor(
    async () => {
      const response = await stage.request('GET', address, {})
      return response.status === 400 ? response : undefined
    },
    { what: 'the connection to be closed' },
  )
  expect(await closed.json()).toMatchObject({ message: 'Session ID unknown' })
  expect(await call(await stage.connect(), 'list', {})).toMatchObject({ ok: true })
})

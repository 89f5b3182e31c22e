/** Server-Sent Events over real HTTP: ids, resuming, the end, and who may read. */
import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '@millrace/testing'
import { EventStream, type EventFrame } from './testing/event-stream.ts'
import { ScriptedModel } from './testing/scripted-model.ts'
import { Stage } from './testing/stage.ts'

let stage: Stage
afterEach(() => stage.close())

async function asked(cookie: string): Promise<string> {
  const response = await stage.post(
    '/api/answers',
    { requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: 'What is XADD?' },
    cookie,
  )
  expect(response.status).toBe(202)
  return ((await response.json()) as { answer: string }).answer
}

async function opened(
  answer: string,
  cookie: string,
  headers: Record<string, string> = {},
  query = '',
): Promise<EventStream> {
  const response = await stage.get(`/api/answers/${answer}/events${query}`, cookie, headers)
  return new EventStream(response)
}

const textOf = (frames: readonly EventFrame[]): string =>
  frames.map((frame) => (JSON.parse(frame.data) as { text?: string }).text ?? '').join('')
const entries = (frames: readonly EventFrame[]): EventFrame[] => frames.filter((frame) => frame.event === 'entry')

it('sends entries with their offsets, says when it is caught up and when it is closed', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const events = await opened(answer, cookie)
  expect(events.response.status).toBe(200)
  expect(events.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  expect(events.response.headers.get('cache-control')).toBe('no-store')
  await events.until((frame) => frame.event === 'caught-up')
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  script.say('A log.').finish()
  const rest = await events.rest()
  expect(rest.at(-1)).toEqual({ event: 'closed', data: '{}' })
  expect(textOf(entries(rest))).toBe('A log.')
  for (const frame of entries(rest)) expect(frame.id).toBe((JSON.parse(frame.data) as { id: string }).id)
})

it('resumes by Last-Event-ID, by ?after=, and prefers the header', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['one ', 'two']) })
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const all = entries(await (await opened(answer, cookie)).rest())
  const [first, second] = [all[0]!.id!, all[1]!.id!]
  const idsOf = async (events: EventStream) => entries(await events.rest()).map((frame) => frame.id)
  const expected = all.map((frame) => frame.id)
  expect(await idsOf(await opened(answer, cookie, { 'last-event-id': first }))).toEqual(expected.slice(1))
  expect(await idsOf(await opened(answer, cookie, {}, `?after=${second}`))).toEqual(expected.slice(2))
  const both = await opened(answer, cookie, { 'last-event-id': second }, `?after=${first}`)
  expect(await idsOf(both)).toEqual(expected.slice(2))
})

it('reconnects in the middle of an answer without loss or repetition', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  script.say('first ')
  const before = await opened(answer, cookie)
  const seen = entries(await before.until((frame) => frame.data.includes('first ')))
  await before.leave()
  script.say('second').finish()
  const after = await opened(answer, cookie, { 'last-event-id': seen.at(-1)!.id! })
  const all = [...seen, ...entries(await after.rest())]
  expect(textOf(all)).toBe('first second')
  expect(all.map((frame) => (JSON.parse(frame.data) as { seq: number }).seq)).toEqual(all.map((_, index) => index))
})

it('answers 204 behind the end, so that EventSource stays away', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['all']) })
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const last = entries(await (await opened(answer, cookie)).rest()).at(-1)!
  const response = await stage.get(`/api/answers/${answer}/events`, cookie, { 'last-event-id': last.id! })
  expect(response.status).toBe(204)
})

it('refuses strangers, offsets that are none, and offsets that are not in the answer', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const status = async (path: string, as: string) => (await stage.get(path, as)).status
  expect(await status(`/api/answers/${answer}/events`, await stage.session())).toBe(404)
  expect(await status(`/api/answers/0123456789abcdef/events`, cookie)).toBe(404)
  for (const after of ['x', '1', '-1-0', '18446744073709551616-0', '%00', '1-1-1']) {
    expect(await status(`/api/answers/${answer}/events?after=${after}`, cookie), after).toBe(400)
  }
  expect(await status(`/api/answers/${answer}/events?after=1-0`, cookie)).toBe(400)
  expect(await status(`/api/answers/${answer}/events?after=1-0&after=2-0`, cookie)).toBe(400)
})

it('opens at most so many event streams for a session, and takes one again when one has left', async () => {
  stage = await Stage.start({ limits: { eventStreamsPerSessionMax: 2 } })
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const [one] = [await opened(answer, cookie), await opened(answer, cookie)]
  const refused = await stage.get(`/api/answers/${answer}/events`, cookie)
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ error: { code: 'TOO_MANY_FOLLOWS' } })
  await one!.leave()
  const status = async () => {
    const again = await stage.get(`/api/answers/${answer}/events`, cookie)
    await again.body?.cancel()
    return again.status === 200
  }
  await waitFor(status, { what: 'a place to be free' })
})

it('sends a comment now and then, so that nobody takes a silent connection for a dead one', async () => {
  stage = await Stage.start({ limits: { heartbeatMs: 20 } })
  const cookie = await stage.session()
  const answer = await asked(cookie)
  const events = await opened(answer, cookie)
  const ended = events.rest()
  await waitFor(() => events.comments.length >= 2, { what: 'two comments' })
  expect(events.comments[0]).toBe(': still here')
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  script.finish()
  expect((await ended).at(-1)).toMatchObject({ event: 'closed' })
})

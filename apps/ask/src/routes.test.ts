/** The REST side over real HTTP: answers, errors, health, headers, and the tutorial's route. */
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterEach, expect, it } from 'vitest'
import { GenerateError } from '@millrace/relay'
import { waitFor } from '@millrace/testing'
import { ScriptedModel } from './testing/scripted-model.ts'
import { cookieOf, pageOrigin, Stage } from './testing/stage.ts'

let stage: Stage
afterEach(() => stage.close())

function question(text = 'What is XADD?'): object {
  return { requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: text }
}

async function errorOf(response: Response): Promise<{ code: string; message: string }> {
  return ((await response.json()) as { error: { code: string; message: string } }).error
}

it('asks, lists and stops', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const asked = await stage.post('/api/answers', question(), cookie)
  expect(asked.status).toBe(202)
  const { answer, created } = (await asked.json()) as { answer: string; created: boolean }
  expect(created).toBe(true)
  const list = await (await stage.get('/api/answers?count=50', cookie)).json()
  expect(list).toMatchObject({ answers: [{ answer, topic: 'Redis', question: 'What is XADD?' }] })
  expect(await (await stage.post(`/api/answers/${answer}/stop`, {}, cookie)).json()).toEqual({ stopped: true })
  expect(await (await stage.post(`/api/answers/${answer}/stop`, {}, cookie)).json()).toEqual({ stopped: false })
})

it('is 404 for somebody else', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const { answer } = (await (await stage.post('/api/answers', question(), cookie)).json()) as { answer: string }
  const stranger = await stage.session()
  const stop = await stage.post(`/api/answers/${answer}/stop`, {}, stranger)
  expect([stop.status, (await errorOf(stop)).code]).toEqual([404, 'NOT_FOUND'])
  expect(await (await stage.get('/api/answers', stranger)).json()).toEqual({ answers: [] })
})

it('says what hello says, and sets the session cookie once', async () => {
  stage = await Stage.start()
  const first = await stage.get('/api/answers')
  const header = first.headers.getSetCookie()[0]!
  expect(header).toMatch(/^millrace_session=[\w-]{22}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/)
  expect((await stage.get('/api/answers', cookieOf(first))).headers.getSetCookie()).toEqual([])
  const session = await stage.get('/api/session', cookieOf(first))
  expect(cookieOf(session)).toBe(cookieOf(first))
  expect(await session.json()).toMatchObject({ server: 'test', model: { kind: 'guide' }, topics: ['Redis', 'Valkey'] })
})

it('makes the cookie Secure behind https', async () => {
  stage = await Stage.start()
  const response = await stage.get('/api/session', undefined, { 'x-forwarded-proto': 'https' })
  expect(response.headers.getSetCookie()[0]).toContain('; Secure')
})

it('replaces a cookie that is no session', async () => {
  stage = await Stage.start()
  for (const bad of [
    'millrace_session=',
    'millrace_session=short',
    `millrace_session=${'x'.repeat(23)}`,
    '%%%',
    '=;=',
  ]) {
    expect((await stage.get('/api/answers', bad)).headers.getSetCookie(), bad).toHaveLength(1)
  }
})

it('names the field, what was expected and what came', async () => {
  stage = await Stage.start()
  const message = async (body: unknown) => {
    const response = await stage.post('/api/answers', body)
    expect(response.status).toBe(400)
    return (await errorOf(response)).message
  }
  expect(await message({ ...question(), topic: 'Cooking' })).toBe(
    '`topic`: expected one of "Redis", "Valkey", came text of 7 characters',
  )
  expect(await message([])).toBe('the payload: expected an object, came a list of 0')
  expect(await message({ topic: 'Redis', question: 'x' })).toContain('`requestId`: expected 1 to 64 of')
  expect(await message({ ...question(), question: ' ' })).toContain('`question`: expected text that is not empty')
})

it('answers a broken request with a typed error', async () => {
  stage = await Stage.start()
  const json = { 'content-type': 'application/json' }
  const bad: [string, Promise<Response>, number, string][] = [
    ['not JSON', stage.request('POST', '/api/answers', json, '{"a":'), 400, 'BAD_REQUEST'],
    ['no body', stage.request('POST', '/api/answers', json), 400, 'BAD_REQUEST'],
    ['another type', stage.request('POST', '/api/answers', { 'content-type': 'text/plain' }, '{}'), 400, 'BAD_REQUEST'],
    [
      'another charset',
      stage.request('POST', '/api/answers', { 'content-type': 'application/json; charset=x' }, '{}'),
      400,
      'BAD_REQUEST',
    ],
    [
      'compressed',
      stage.request('POST', '/api/answers', { ...json, 'content-encoding': 'gzip' }, '{}'),
      400,
      'BAD_REQUEST',
    ],
    [
      'too large',
      stage.request('POST', '/api/answers', json, JSON.stringify({ x: 'x'.repeat(70_000) })),
      413,
      'TOO_LARGE',
    ],
    ['a long question', stage.post('/api/answers', question('x'.repeat(16_385))), 413, 'TOO_LARGE'],
    ['a bad path', stage.get('/api/answers/%E0%A4%A/events'), 400, 'BAD_REQUEST'],
    ['a bad count', stage.get('/api/answers?count=0'), 400, 'BAD_REQUEST'],
    ['a count twice', stage.get('/api/answers?count=1&count=2'), 400, 'BAD_REQUEST'],
    ['no such route', stage.get('/nothing'), 404, 'NOT_FOUND'],
    ['no such article', stage.get('/handbook/nothing'), 404, 'NOT_FOUND'],
  ]
  for (const [what, reply, status, code] of bad) {
    const response = await reply
    expect([response.status, (await errorOf(response)).code], what).toEqual([status, code])
  }
})

it('limits questions, and says when to come again', async () => {
  stage = await Stage.start({ limits: { perMinuteMax: 1 } })
  const cookie = await stage.session()
  await stage.post('/api/answers', question(), cookie)
  const refused = await stage.post('/api/answers', question(), cookie)
  expect([refused.status, (await errorOf(refused)).code]).toEqual([429, 'TOO_MANY_QUESTIONS'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
})

it('gives the whole answer to the tutorial, with its id', async () => {
  stage = await Stage.start({ model: ScriptedModel.answering(['A log', ' of <entries>.']) })
  const cookie = await stage.session()
  const response = await stage.post('/askQuestionWithoutStream', { topic: 'Redis', topicQuestion: 'What?' }, cookie)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ output: 'A log of <entries>.' })
  const list = await (await stage.get('/api/answers', cookie)).json()
  expect(list).toMatchObject({ answers: [{ answer: response.headers.get('x-answer-id'), state: 'done' }] })
})

it('tells the tutorial in a sentence what went wrong', async () => {
  const failure = new GenerateError('auth', 'The key was refused.', { retryable: false })
  stage = await Stage.start({ model: new ScriptedModel((script) => script.fail(failure)) })
  const failed = await stage.post('/askQuestionWithoutStream', { topic: 'Redis', topicQuestion: 'What?' })
  expect(failed.status).toBe(502)
  expect(await failed.json()).toEqual({ error: expect.stringMatching(/\w+/) })
  const refused = await stage.post('/askQuestionWithoutStream', { topic: 'Redis' })
  expect(refused.status).toBe(400)
  expect(await refused.json()).toEqual({ error: expect.stringContaining('`topicQuestion`: expected text') })
})

it('leaves the answer alone when the asker of a whole answer goes away', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const leaving = new AbortController()
  const reply = fetch(new URL('/askQuestionWithoutStream', stage.server.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie },
    body: JSON.stringify({ topic: 'Redis', topicQuestion: 'What?' }),
    signal: leaving.signal,
  })
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  leaving.abort()
  await expect(reply).rejects.toThrow()
  script.say('still').finish()
  const isDone = async () => JSON.stringify(await (await stage.get('/api/answers', cookie)).json()).includes('"done"')
  await waitFor(isDone, { what: 'the end' })
})

it('serves the handbook', async () => {
  stage = await Stage.start()
  const response = await stage.get('/handbook/xadd')
  expect(await response.json()).toEqual({ slug: 'xadd', title: 'XADD', markdown: '# XADD' })
})

it('is healthy and ready', async () => {
  stage = await Stage.start()
  expect(await (await stage.get('/healthz')).text()).toBe('ok')
  expect((await stage.get('/readyz')).status).toBe(200)
})

it('hides what it is made of and forbids everything to whoever shows it', async () => {
  stage = await Stage.start()
  const { headers } = await stage.get('/api/session')
  expect(headers.get('x-powered-by')).toBeNull()
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'")
})

it('lets the page in, with credentials, and nobody else', async () => {
  stage = await Stage.start()
  const preflight = await stage.request('OPTIONS', '/api/answers', { origin: pageOrigin })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe(pageOrigin)
  expect(preflight.headers.get('access-control-allow-credentials')).toBe('true')
  expect(preflight.headers.get('vary')).toContain('Origin')
  for (const origin of strangers) {
    const response = await withOrigin('/api/session', origin)
    expect([response.status, response.allowed], origin).toEqual([403, undefined])
  }
  expect((await stage.get('/api/session')).status).toBe(200)
})

/** Everything that looks like the page's origin and is not. */
const strangers = [
  'null',
  '',
  'https://evil.example',
  'https://127.0.0.1:5400',
  'http://127.0.0.1',
  'http://127.0.0.1:5401',
  'http://127.0.0.1:54000',
  'http://127.0.0.1:5400/',
  'http://127.0.0.1.evil.example:5400',
  'http://127.0.0.1:5400.evil.example',
  'http://evil.example/http://127.0.0.1:5400',
  'http://LOCALHOST:5400',
  'http://localhost.:5400',
  'http://x@127.0.0.1:5400',
]

function withOrigin(
  path: string,
  origin: string,
): Promise<{ status: number | undefined; allowed: string | undefined }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(new URL(path, stage.server.url), { headers: { origin } }, (response) => {
      response.resume()
      resolve({ status: response.statusCode, allowed: response.headers['access-control-allow-origin'] })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

it('refuses a WebSocket and a polling handshake of a stranger', async () => {
  stage = await Stage.start()
  for (const origin of strangers) {
    const upgrade = await withUpgrade(origin)
    expect([upgrade.status, upgrade.body], origin).toEqual([403, expect.stringContaining('ORIGIN_REFUSED')])
    expect((await withOrigin('/socket.io/?EIO=4&transport=polling', origin)).status, origin).toBe(403)
  }
  await expect(stage.connect({ origin: 'https://evil.example' })).rejects.toThrow()
  expect((await stage.connect({ origin: pageOrigin })).connected).toBe(true)
})

function withUpgrade(origin: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      origin,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    }
    const url = new URL('/socket.io/?EIO=4&transport=websocket', stage.server.url)
    const outgoing = httpRequest(url, { headers }, (response) => {
      let body = ''
      response.on('data', (text: Buffer) => (body += text.toString()))
      response.on('end', () => resolve({ status: response.statusCode, body }))
    })
    outgoing.on('upgrade', () => reject(new Error(`${origin} was let in`)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

it('sets the cookie in the WebSocket handshake, and takes the one the client has', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const [one, two, alone] = [await stage.connect({ cookie }), await stage.connect({ cookie }), await stage.connect()]
  const ask = { requestId: 'same', topic: 'Redis', question: 'x' }
  const [first, second, third] = await Promise.all(
    [one, two, alone].map((socket) => socket.timeout(5000).emitWithAck('ask', ask) as Promise<{ answer: string }>),
  )
  expect(second!.answer).toBe(first!.answer)
  expect(third!.answer).not.toBe(first!.answer)
  const handshake = await stage.get('/socket.io/?EIO=4&transport=polling')
  expect(handshake.headers.getSetCookie()[0]).toMatch(/^millrace_session=[\w-]{22}; .*HttpOnly; SameSite=Lax$/)
})

it("lets nobody on the way keep what is one session's own", async () => {
  stage = await Stage.start()
  for (const path of ['/api/session', '/api/answers', '/api/answers/unknown/events']) {
    expect((await stage.get(path)).headers.get('cache-control'), path).toBe('no-store')
  }
})

/**
 * The REST side: Express routes of docs/wire.md over the relay.
 *
 *   request ──► headers ──► health ──► Origin, CORS ──► session cookie ──► JSON body ──► route ──► reply
 *                                                                            └ anything thrown ──► { error }
 */
import { randomBytes } from 'node:crypto'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import helmet from 'helmet'
import type { ClientParts } from './client.ts'
import { Follow } from './follow.ts'
import type { Origins } from './origin.ts'
import type { Sessions } from './session.ts'
import { sendEvents } from './sse.ts'
import { WholeAnswer } from './tutorial.ts'
import { parse } from './validate.ts'
import { httpStatusOf, toWireError, wireError, WireFailure, type WireError } from './wire.ts'

export interface RouteParts extends ClientParts {
  readonly origins: Origins
  readonly sessions: Sessions
  readonly article: (slug: string) => { slug: string; title: string; markdown: string } | undefined
  /** True when questions can be taken: the streams answer, and the server is not stopping. */
  readonly isReady: () => Promise<boolean>
}

const withoutStreamPath = '/askQuestionWithoutStream'
/** A whole answer that takes longer is left to itself; it can still be read from its stream. */
const wholeAnswerMsMax = 10 * 60_000

export function createRoutes(parts: RouteParts): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.use(securityHeaders)
  app.get('/healthz', (_request, response) => void response.type('text').send('ok'))
  app.get('/readyz', (_request, response) => readiness(parts, response))
  app.use(parts.origins.cors)
  app.use('/api', noStore)
  app.use((request, response, next) => {
    const session = parts.sessions.of(request)
    if (session.isNew || request.path === '/api/session') response.appendHeader('Set-Cookie', session.setCookie)
    next()
  })
  app.use(express.json({ limit: parts.limits.messageBytesMax, inflate: false, strict: false }))
  addAnswerRoutes(app, parts)
  app.post(withoutStreamPath, (request, response) => wholeAnswer(parts, request, response))
  app.get('/handbook/:slug', (request, response) => {
    const article = parts.article(request.params.slug)
    if (article === undefined) throw new WireFailure('NOT_FOUND', 'There is no such article in the handbook.')
    response.json({ slug: article.slug, title: article.title, markdown: article.markdown })
  })
  app.use(() => {
    throw new WireFailure('NOT_FOUND', 'There is nothing at this address; docs/wire.md has what there is.')
  })
  app.use(replyWithError(parts))
  return app
}

async function readiness(parts: RouteParts, response: Response): Promise<void> {
  const isReady = await parts.isReady()
  response.status(isReady ? 200 : 503).type('text')
  response.send(isReady ? 'ready' : 'not ready')
}

/** What is one session's own is kept by nobody on the way. */
function noStore(_request: Request, response: Response, next: () => void): void {
  response.setHeader('Cache-Control', 'no-store')
  next()
}

const securityHeaders = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  referrerPolicy: { policy: 'no-referrer' },
  // Whoever ends TLS in front of us decides about it, for the whole domain.
  strictTransportSecurity: false,
  xFrameOptions: { action: 'deny' },
})

function addAnswerRoutes(app: Express, parts: RouteParts): void {
  const eventStreams = new Map<string, number>()
  app.get('/api/session', (_request, response) => void response.json(parts.hello()))
  app.post('/api/answers', (request, response) => ask(parts, request, response))
  app.get('/api/answers', (request, response) => list(parts, request, response))
  app.post('/api/answers/:answer/stop', (request, response) => stop(parts, request, response))
  app.get('/api/answers/:answer/events', (request, response) => events(parts, eventStreams, request, response))
}

async function ask({ backlog, payloads, sessions }: RouteParts, request: Request, response: Response): Promise<void> {
  const question = parse(payloads.ask, request.body)
  response.status(202).json(await backlog.take(sessions.of(request).owner, question))
}

async function list({ relay, payloads, sessions }: RouteParts, request: Request, response: Response): Promise<void> {
  const { count } = parse(payloads.list, { count: numberIn(request.query['count']) })
  response.json({ answers: await relay.list(sessions.of(request).owner, count) })
}

async function stop(
  { relay, payloads, sessions, log }: RouteParts,
  request: Request,
  response: Response,
): Promise<void> {
  const { answer } = parse(payloads.stop, request.params)
  const { stopped } = await relay.stop(sessions.of(request).owner, answer)
  log.info({ answer, stopped }, 'an answer was stopped')
  response.json({ stopped })
}

/** `open` counts the event streams of each session. */
async function events(
  parts: RouteParts,
  open: Map<string, number>,
  request: Request,
  response: Response,
): Promise<void> {
  const { owner } = parts.sessions.of(request)
  const count = (open.get(owner) ?? 0) + 1
  if (count > parts.limits.eventStreamsPerSessionMax) {
    throw new WireFailure('TOO_MANY_FOLLOWS', `At most ${parts.limits.eventStreamsPerSessionMax} event streams.`)
  }
  open.set(owner, count)
  try {
    await followOverHttp(parts, owner, request, response)
  } finally {
    const left = (open.get(owner) ?? 1) - 1
    if (left === 0) open.delete(owner)
    else open.set(owner, left)
  }
}

async function followOverHttp(parts: RouteParts, owner: string, request: Request, response: Response): Promise<void> {
  // What a browser got last is newer than the address that it was first given.
  const after = request.headers['last-event-id'] ?? request.query['after']
  const wanted = parse(parts.payloads.follow, { ...request.params, ...(after === undefined ? {} : { after }) })
  const follow = new Follow(parts.relay, { owner, ...wanted }, closedSignal(response))
  if ((await follow.opened()) === 'ended') response.status(204).end()
  else await sendEvents(response, follow, { ...parts.limits, describe: (error) => toWireError(error, parts.log) })
}

async function wholeAnswer(parts: RouteParts, request: Request, response: Response): Promise<void> {
  const { topic, topicQuestion } = parse(parts.payloads.askQuestion, request.body)
  // Silence is what this client has asked for.
  response.setTimeout(wholeAnswerMsMax)
  const { owner } = parts.sessions.of(request)
  const requestId = randomBytes(12).toString('base64url')
  const { answer } = await parts.backlog.take(owner, { requestId, topic, question: topicQuestion })
  response.setHeader('X-Answer-Id', answer)
  const closed = closedSignal(response)
  const signal = AbortSignal.any([closed, AbortSignal.timeout(wholeAnswerMsMax)])
  const whole = new WholeAnswer()
  try {
    const follow = new Follow(parts.relay, { owner, answer }, signal)
    await follow.run({
      ready: () => Promise.resolve(),
      send: ({ entries }) => entries.forEach((entry) => whole.add(entry)),
    })
  } catch (error) {
    if (closed.aborted) return
    if (signal.aborted) throw new WireFailure('UNAVAILABLE', 'The answer takes too long; it goes on in its stream.')
    throw error
  }
  if (whole.failure === undefined) response.json({ output: whole.output })
  else response.status(502).json({ error: whole.failure })
}

/** Aborts when the client is gone: it ends the reading and never the answer. */
function closedSignal(response: Response): AbortSignal {
  const controller = new AbortController()
  const close = (): void => controller.abort(new WireFailure('UNAVAILABLE', 'The connection is closed.'))
  if (response.closed) close()
  else response.once('close', close)
  return controller.signal
}

/** What a query says as a number; what is not one stays as it is, for the schema to refuse. */
function numberIn(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
}

function replyWithError(parts: RouteParts): ErrorRequestHandler {
  // Express takes a handler with four parameters for an error handler.
  return (error: unknown, request, response, _next) => {
    const wire = requestError(error) ?? toWireError(error, parts.log)
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (wire.retryAfterMs !== undefined) response.setHeader('Retry-After', String(Math.ceil(wire.retryAfterMs / 1000)))
    const isTutorial = request.path === withoutStreamPath
    response.status(httpStatusOf(wire.code)).json({ error: isTutorial ? wire.message : wire })
  }
}

/** What Express and its body parser find wrong with a request: they carry a status, and a `type` from a fixed list. */
function requestError(error: unknown): WireError | undefined {
  if (!(error instanceof Error) || error instanceof WireFailure) return undefined
  const { status, type } = error as { status?: unknown; type?: unknown }
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined
  if (status === 413) return wireError('TOO_LARGE', 'The body of the request is too large.')
  const what = typeof type === 'string' ? ` (${type})` : ''
  return wireError(
    'BAD_REQUEST',
    `the request: expected a valid path and a JSON body in UTF-8, came something else${what}`,
  )
}

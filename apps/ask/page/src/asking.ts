/**
 * Asking, both ways. A streamed question is sent with an ID of its own, again after every lost connection, and
 * is asked once all the same; a question without stream is one HTTP request that takes as long as the answer.
 */
import { OFFLINE, TIMEOUT, type Connection } from './connection.ts'
import { decodeError, decodeList, isAnswerId, type WireError } from './wire.ts'

export interface AskRequest {
  readonly requestId: string
  readonly topic: string
  readonly question: string
}

export type Outcome =
  | { readonly kind: 'asked'; readonly answer: string; readonly wholeMs?: number }
  | { readonly kind: 'refused'; readonly error: WireError }

const STOPPED: WireError = { code: 'STOPPED', message: 'Stopped before there was an answer.' }
const ATTEMPTS_MAX = 10
const ATTEMPT_MS = 1500
const WHOLE_TIMEOUT_MS = 15 * 60_000

export async function askStreaming(connection: Connection, request: AskRequest, signal: AbortSignal): Promise<Outcome> {
  let error = OFFLINE
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const reply = await connection.call('ask', request)
    if (reply.ok) {
      const { answer } = reply.payload
      if (isAnswerId(answer)) return { kind: 'asked', answer }
      return refused({ code: 'INTERNAL', message: 'The server took the question and gave no answer for it.' })
    }
    error = reply.error
    if (error.code !== OFFLINE.code && error.code !== TIMEOUT.code) break
    await pause(ATTEMPT_MS, signal)
    if (signal.aborted) return refused(STOPPED)
  }
  return refused(error)
}

export async function askWhole(connection: Connection, request: AskRequest, signal: AbortSignal): Promise<Outcome> {
  const beganAt = performance.now()
  const sinceMs = Date.now()
  const { topic, question } = request
  let response: Response
  let body: { output?: unknown; error?: unknown }
  try {
    response = await fetch(`${connection.backend}/askQuestionWithoutStream`, {
      method: 'POST',
      credentials: 'include',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ topic, topicQuestion: question }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(WHOLE_TIMEOUT_MS)]),
    })
    body = (await response.json()) as typeof body
  } catch {
    // Aborted, unreachable or not JSON: there is no more to say than that.
    return refused(signal.aborted ? STOPPED : OFFLINE)
  }
  const wholeMs = performance.now() - beganAt
  const header = response.headers.get('x-answer-id')
  const answer = isAnswerId(header) ? header : await findWhole(connection, { question, sinceMs })
  // A failed answer has its own entries, which say more than the sentence.
  if (answer !== undefined && response.status !== 429) {
    return response.ok ? { kind: 'asked', answer, wholeMs } : { kind: 'asked', answer }
  }
  return refused(typeof body.error === 'string' ? { code: 'REFUSED', message: body.error } : decodeError(body.error))
}

/** The answer to a question that was asked by HTTP, before the reply names it: the newest one of that wording. */
export async function findWhole(
  connection: Connection,
  asked: { readonly question: string; readonly sinceMs: number },
): Promise<string | undefined> {
  const reply = await connection.call('list', { count: 5 }, 3000)
  if (!reply.ok) return undefined
  const wording = asked.question.slice(0, 100)
  // Half a minute for clocks that differ.
  return decodeList(reply.payload).find(
    (each) => each.question.startsWith(wording) && each.askedAtMs > asked.sinceMs - 30_000,
  )?.answer
}

function refused(error: WireError): Outcome {
  return { kind: 'refused', error }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done)
  })
}

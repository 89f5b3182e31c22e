/** What went wrong, in a sentence each: for people who ask questions, not for who runs the server. */
import type { Interruption } from './answer-log.ts'
import type { WireError } from './wire.ts'

const FAILURES: Readonly<Record<string, string>> = {
  auth: 'The model’s provider refused the key that this server uses. Whoever runs the server has to set a valid one.',
  rate_limit: 'The model’s provider is receiving too many questions right now and asked us to wait.',
  context_too_long: 'The question is longer than the model can read. A shorter one will work.',
  content_filter: 'The model’s provider declined to answer this question.',
  timeout_connect: 'The model’s provider could not be reached in time.',
  timeout_first_token: 'The model did not begin to answer in time.',
  timeout_idle: 'The model fell silent in the middle of the answer.',
  timeout_total: 'The answer took longer than an answer may take.',
  provider_5xx: 'The model’s provider had an error of its own.',
  provider_unreachable: 'The model’s provider cannot be reached.',
  bad_request: 'The model’s provider did not accept the request.',
  cut: 'The connection to the model’s provider was cut in the middle of the answer.',
  too_many_attempts: 'The answer was begun several times and interrupted each time. It was given up.',
  internal: 'Something went wrong in the server.',
}

/** Why an answer failed. */
export function failureSentence(code: string): string {
  return own(FAILURES, code) ?? 'The answer failed.'
}

/** Whether the server's own words tell more than our sentence for the class does. */
export function messageTellsMore(code: string): boolean {
  return own(FAILURES, code) === undefined || ['bad_request', 'too_many_attempts'].includes(code)
}

const REASONS: Readonly<Record<string, string>> = {
  server_lost: 'The server that was answering stopped',
  server_stopping: 'The server that was answering was shut down',
  auth: 'The model’s provider refused the key',
  rate_limit: 'The model’s provider asked to slow down',
  timeout_connect: 'The model’s provider could not be reached in time',
  timeout_first_token: 'The model did not begin in time',
  timeout_idle: 'The model fell silent',
  timeout_total: 'The attempt took too long',
  provider_5xx: 'The model’s provider had an error',
  provider_unreachable: 'The model’s provider could not be reached',
  cut: 'The connection to the model was cut',
}

/** What happened in between: "The server that was answering stopped at entry X. Another took over after 1.4 s and goes on." */
export function interruptionSentence(each: Interruption): string {
  const isServer = each.reason === 'server_lost' || each.reason === 'server_stopping'
  const where = each.after === '' ? '' : ` at entry ${each.after}`
  const what = `${own(REASONS, each.reason) ?? 'The attempt before failed'}${where}.`
  const after = `after ${(each.gapMs / 1000).toFixed(1)} s`
  const who = !isServer ? `Attempt ${each.epoch} started` : each.sameServer ? 'It came back' : 'Another took over'
  return `${what} ${who} ${after} and ${each.keep > 0 ? 'goes on' : 'begins again'}.`
}

const REFUSALS: Readonly<Record<string, string>> = {
  OFFLINE: 'There is no connection to the server. The question is still in the box.',
  TIMEOUT: 'The server did not take the question in time.',
  TOO_LARGE: 'The question is too long.',
  ORIGIN_REFUSED: 'The server does not take questions from this page’s address.',
  UNAVAILABLE: 'The server cannot take questions at the moment.',
  INTERNAL: 'Something went wrong in the server.',
}

/** Why a question wasn't taken. Limits carry their own sentence. */
export function refusalSentence(error: WireError): string {
  return own(REFUSALS, error.code) ?? error.message
}

/** Why a stored answer can't be shown. */
export function troubleSentence(error: WireError): string {
  if (error.code === 'NOT_FOUND')
    return 'There is no such answer here: it has expired, or it belongs to another browser.'
  return `This answer cannot be read at the moment. ${error.message}`
}

/** Codes come from outside: 'constructor' is not one of ours. */
function own(sentences: Readonly<Record<string, string>>, code: string): string | undefined {
  return Object.hasOwn(sentences, code) ? sentences[code] : undefined
}

/** What ask() takes, checked field by field. */
import { RelayError } from './relay-error.ts'
import type { AskRequest } from './relay.ts'

export const QUESTION_BYTES_MAX = 16_384
const TOPIC_BYTES_MAX = 256

export function checkRequest(request: AskRequest): void {
  const { requestId, topic, question } = request
  if (typeof requestId !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(requestId)) {
    throw new RelayError('BAD_REQUEST', 'requestId: expected 1 to 64 of [A-Za-z0-9_-]')
  }
  checkText('topic', topic, TOPIC_BYTES_MAX)
  checkText('question', question, QUESTION_BYTES_MAX)
}

/** The owner comes from the server, not from the browser; a wrong one must not reach a key's name all the same. */
export function checkOwner(owner: string): void {
  if (typeof owner === 'string' && /^[A-Za-z0-9_-]{1,128}$/.test(owner)) return
  throw new RelayError('BAD_REQUEST', 'owner: expected 1 to 128 of [A-Za-z0-9_-]')
}

function checkText(name: string, text: unknown, bytesMax: number): void {
  if (typeof text !== 'string') throw new RelayError('BAD_REQUEST', `${name}: expected a text, got ${typeof text}`)
  if (text.trim() === '') throw new RelayError('BAD_REQUEST', `${name}: expected a text, got nothing but blanks`)
  const bytes = Buffer.byteLength(text)
  if (bytes <= bytesMax) return
  throw new RelayError('BAD_REQUEST', `${name}: expected at most ${bytesMax} bytes, got ${bytes}`)
}

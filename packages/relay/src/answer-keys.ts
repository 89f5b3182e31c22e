/**
 * Answer ids and the names of the relay's streams.
 *
 *   answer       one answer          <prefix>:<answer id>         on a Cluster  <prefix>:{a3}.<hex>
 *   questions    jobs, one group     <prefix>_QUESTIONS
 *   session      an owner's answers  <prefix>_SESSION:<owner>
 *
 * An answer's id is the first 128 bits of SHA-256(owner, request id): the same request again gives the same
 * answer, and nobody without the owner's name can guess it. On a Cluster one of eight hash tags is part of it
 * (`a3.<hex>`), so that the answers share eight slots and one blocking read serves all answers of a slot.
 */
import { createHash } from 'node:crypto'
import type { Backend } from 'millrace'
import { notFound, RelayError } from './relay-error.ts'

const SLOT_GROUPS = 8
const PLAIN_ID = /^[0-9a-f]{32}$/
const TAGGED_ID = /^a[0-7]\.[0-9a-f]{32}$/

/** On any backend: what comes from a stream may have been written beside another one. */
export function isAnswerId(text: string): boolean {
  return PLAIN_ID.test(text) || TAGGED_ID.test(text)
}

export class AnswerKeys {
  readonly questions: string
  readonly #prefix: string
  readonly #tagged: boolean

  constructor(prefix: string, kind: Backend['kind']) {
    if (!/^[A-Za-z0-9_.:-]{1,64}$/.test(prefix)) {
      throw new RelayError('BAD_REQUEST', `prefix: expected 1 to 64 of [A-Za-z0-9_.:-], got '${prefix.slice(0, 80)}'`)
    }
    this.#prefix = prefix
    this.#tagged = kind === 'cluster'
    this.questions = `${prefix}_QUESTIONS`
  }

  answerId(owner: string, requestId: string): string {
    const digest = createHash('sha256').update(owner).update('\0').update(requestId).digest()
    const hex = digest.toString('hex', 0, 16)
    return this.#tagged ? `a${digest[31]! % SLOT_GROUPS}.${hex}` : hex
  }

  /** The answer's stream; `NOT_FOUND` for what can't be an id of ours. */
  stream(answer: string): string {
    if (typeof answer !== 'string' || !(this.#tagged ? TAGGED_ID : PLAIN_ID).test(answer)) throw notFound()
    return this.#tagged ? `${this.#prefix}:{${answer.slice(0, 2)}}.${answer.slice(3)}` : `${this.#prefix}:${answer}`
  }

  /** Answers with the same slot group can be read by one command. */
  slotGroup(answer: string): string {
    return this.#tagged ? answer.slice(0, 2) : ''
  }

  session(owner: string): string {
    return `${this.#prefix}_SESSION:${owner}`
  }
}

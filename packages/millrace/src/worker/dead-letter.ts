/**
 * What is not tried again: one step copies it to the dead letters with the reason, and acknowledges it.
 *
 *   {orders}:dlq   json {…}              the value's own fields, and key, ordering key and headers as they were
 *                  mr:id 7-0             the message's ID                  mr:stream orders   mr:group g
 *                  mr:consumer w-1       who had it last                   mr:attempts 5
 *                  mr:reason failed      failed | fatal | worker-died | undecodable
 *                  mr:error …            the error's name and message, at most 1 KiB
 *                  mr:stack …            at most 4 KiB
 *
 * It keeps about 100,000, the newest.
 */
import type { Step } from '../backend.ts'
import { withEnvelopeFields } from '../envelope.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Lease } from './lease.ts'
import { concluding } from './retry.ts'
import type { DeadLetterReason } from './worker-event.ts'

export const DEAD_LETTERS_MAX = 100_000
const ERROR_LENGTH_MAX = 1024
const STACK_LENGTH_MAX = 4096

export function deadLetterStep(lease: Lease, reason: DeadLetterReason, error: unknown, lastConsumer?: string): Step {
  const { home, group, consumer } = lease.line
  const why = error instanceof Error && error.name === 'Failed' && error.cause instanceof Error ? error.cause : error
  const stack = why instanceof Error ? why.stack?.slice(0, STACK_LENGTH_MAX) : undefined
  const fields = withEnvelopeFields(lease.fields ?? [], {
    'mr:id': lease.id,
    'mr:stream': home,
    'mr:group': group,
    'mr:consumer': lastConsumer ?? consumer,
    'mr:reason': reason,
    'mr:error': textOf(why).slice(0, ERROR_LENGTH_MAX),
    'mr:stack': stack,
    'mr:attempts': String(lease.attempt),
  })
  const trim = { maxLen: DEAD_LETTERS_MAX, approximate: true }
  return concluding(lease, [{ kind: 'append', stream: siblingKey(home, 'dlq'), fields, trim }])
}

/** Whatever was thrown may refuse to become text. */
function textOf(error: unknown): string {
  try {
    return String(error)
  } catch {
    // A thrown object without a way to text: its type is all there is to say.
    return `a ${typeof error}`
  }
}

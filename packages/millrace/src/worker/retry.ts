/**
 * The next attempt of an entry that failed: one step copies it to where it waits, and acknowledges it.
 *
 *   orders 7-0 ──step──► {orders}:delayed   json, mr:id 7-0, mr:attempts 1, mr:delay 830, mr:to {orders}:retry:g
 *                          └──caretaker, when due──► {orders}:retry:g   json, mr:id 7-0, mr:attempts 1
 *
 * First the copy, then the acknowledgement: a memory that is full refuses both.
 */
import type { Step } from '../backend.ts'
import { withEnvelopeFields } from '../envelope.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Lease } from './lease.ts'

/** The stream of a group's entries that are to be tried again now. */
export function retryKey(stream: string, group: string): string {
  return siblingKey(stream, `retry:${group}`)
}

export function retryStep(lease: Lease, waitMs: number): Step {
  const { home, group } = lease.line
  const to = retryKey(home, group)
  const kept = { 'mr:id': lease.id, 'mr:attempts': String(lease.attempt) } as const
  const waits = waitMs > 0 ? { 'mr:delay': String(waitMs), 'mr:to': to } : {}
  const fields = withEnvelopeFields(lease.fields ?? [], { ...kept, ...waits })
  const stream = waitMs > 0 ? siblingKey(home, 'delayed') : to
  return concluding(lease, [{ kind: 'append', stream, fields }])
}

/** These actions and then the entry's acknowledgement, if it is still ours. */
export function concluding(lease: Pick<Lease, 'line' | 'copyId' | 'isGone'>, actions: Step['do']): Step {
  const { stream, group, consumer } = lease.line
  // Gone from its group: nobody else has it, and there is nothing to acknowledge.
  if (lease.isGone) return { do: actions }
  const ids = [lease.copyId]
  return {
    if: [{ kind: 'owns', stream, group, consumer, ids }],
    do: [...actions, { kind: 'acknowledge', stream, group, ids }],
  }
}

/**
 * What a handler may return or throw to say more than "done" or "failed".
 *
 *   return anything        acknowledged
 *   return ackWith([…])    acknowledged, and the actions happen, in one step
 *   retryAfter(ms)         again, not before `ms` have passed; the attempt counts
 *   fail(reason)           never again: a dead letter
 *   throw anything else    again, later and later (backoff.ts), then a dead letter
 */
import { BLOCK_MS_MAX, checkInteger, checkName } from '../arguments.ts'
import type { Action, EntryId, FieldValue } from '../backend.ts'
import { PREFIX } from '../envelope.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

/** Made by `retryAfter`. An error, so that throwing it is as good as returning it. */
export class RetryAfter extends Error {
  readonly afterMs: number

  constructor(afterMs: number, cause?: unknown) {
    super(`To be tried again after ${afterMs} ms`, cause === undefined ? undefined : { cause })
    this.name = 'RetryAfter'
    this.afterMs = afterMs
  }
}

/** Made by `fail`. */
export class Failed extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.name = 'Failed'
  }
}

/** Made by `ackWith`. */
export class AckWith {
  readonly actions: readonly Effect[]

  constructor(actions: readonly Effect[]) {
    this.actions = actions
  }
}

/** An effect that happens in the same step as the acknowledgement. Its key has to live in the stream's slot of a Cluster. */
export type Effect = Extract<Action, { readonly kind: 'append' | 'set' | 'increment' | 'remove' }>
export type Outcome = RetryAfter | Failed | AckWith

/** With the acknowledgement and the owner's check a step has 1,000 parts. */
const EFFECTS_MAX = 998
const KINDS = ['append', 'set', 'increment', 'remove']

/** Try again, not before `ms` milliseconds have passed (0 to 2^31-1). The attempt counts against `maxAttempts`. */
export function retryAfter(ms: number, cause?: unknown): RetryAfter {
  checkInteger('ms', ms, 0, BLOCK_MS_MAX)
  return new RetryAfter(ms, cause)
}

/** Do not try again: the entry goes to the dead letters with this reason at once. */
export function fail(reason: string | Error): Failed {
  return reason instanceof Error ? new Failed(reason.message, reason) : new Failed(String(reason))
}

/**
 * Acknowledge and do these, all in one step: who lost the entry meanwhile does none of it, and a repetition does not do it
 * twice. At most 998 appends, sets, increments and removals, of keys in the stream's slot. `BAD_ARGUMENT` otherwise.
 */
export function ackWith(actions: readonly Effect[]): AckWith {
  if (!Array.isArray(actions) || actions.length > EFFECTS_MAX) {
    const came = Array.isArray(actions) ? `${actions.length}` : typeof actions
    throw new StreamError('BAD_ARGUMENT', `Expected a list of at most ${EFFECTS_MAX} actions, got ${came}`)
  }
  for (const { kind } of actions) {
    if (KINDS.includes(kind)) continue
    throw new StreamError('BAD_ARGUMENT', `Expected actions of the kinds ${KINDS.join(', ')}, got '${String(kind)}'`)
  }
  return new AckWith(actions)
}

/** An action for `ackWith`: adds an entry to `stream` when it is due, after `delayMs` or at `atMs` (milliseconds since 1970). */
export function schedule(
  stream: string,
  fields: readonly FieldValue[],
  due: { readonly delayMs: number } | { readonly atMs: number },
): Effect {
  checkName('stream', stream)
  const [name, ms] = 'delayMs' in due ? ['delay', due.delayMs] : ['at', due.atMs]
  checkInteger(`${name}Ms`, ms, 0)
  const when = [`${PREFIX}${name}`, String(ms), `${PREFIX}to`, stream]
  return { kind: 'append', stream: siblingKey(stream, 'delayed'), fields: [...fields, ...when] }
}

export function isOutcome(value: unknown): value is Outcome {
  return value instanceof RetryAfter || value instanceof Failed || value instanceof AckWith
}

/** What a batch's handler may return: nothing (all done), one outcome for each entry in their order, or some by their IDs. */
export type BatchResult = void | undefined | readonly unknown[] | ReadonlyMap<EntryId, unknown>

/** The outcome of each entry of a batch. An `Error` counts as thrown. `BAD_ARGUMENT`: a list of another length. */
export function spread(result: unknown, ids: readonly EntryId[]): readonly unknown[] {
  if (result instanceof Map) return ids.map((id) => (result as ReadonlyMap<EntryId, unknown>).get(id))
  if (!Array.isArray(result)) return ids.map(() => (isOutcome(result) ? result : undefined))
  if (result.length === ids.length) return result
  const text = `Expected an outcome for each of ${ids.length} entries of the batch, got ${result.length}`
  throw new StreamError('BAD_ARGUMENT', text)
}

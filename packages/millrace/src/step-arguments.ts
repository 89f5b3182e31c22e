/** The checks of a step's arguments that every implementation of `Backend` makes before it sends or changes anything. */

import { checkFields, checkId, checkIds, checkInteger, checkName, checkTrimOfAdd, shown } from './arguments.ts'
import type { Action, Condition, FieldValue, Step } from './backend.ts'
import { StreamError } from './errors.ts'

/** Conditions and actions together. */
export const STEP_PARTS_MAX = 1000
/** IDs of one condition or action. */
export const STEP_IDS_MAX = 1000
/** As INCRBY on numbers that JavaScript can count. */
const BY_MAX = Number.MAX_SAFE_INTEGER

/** `BAD_ARGUMENT`, `BAD_ID`. */
export function checkStep(step: Step): void {
  if (typeof step !== 'object' || step === null || !Array.isArray(step.do) || step.do.length === 0) {
    throw new StreamError('BAD_ARGUMENT', `Expected a step with at least one action in 'do', got ${shown(step)}`)
  }
  const conditions = step.if ?? []
  if (!Array.isArray(conditions)) {
    throw new StreamError('BAD_ARGUMENT', `Expected the conditions of a step as a list, got ${shown(conditions)}`)
  }
  const parts = conditions.length + step.do.length
  if (parts > STEP_PARTS_MAX) {
    throw new StreamError('BAD_ARGUMENT', `Expected at most ${STEP_PARTS_MAX} conditions and actions, got ${parts}`)
  }
  for (const condition of conditions as readonly Condition[]) checkCondition(condition)
  for (const action of step.do) checkAction(action)
}

/** The keys of a step, each once; the first decides where it is taken. */
export function stepKeys(step: Step): string[] {
  const keys = new Set<string>()
  for (const part of [...(step.if ?? []), ...step.do]) {
    if ('stream' in part) keys.add(part.stream)
    else if ('key' in part) keys.add(part.key)
  }
  return [...keys]
}

function checkCondition(condition: Condition): void {
  switch (condition.kind) {
    case 'owns':
      checkName('stream', condition.stream)
      checkName('group', condition.group)
      checkName('consumer', condition.consumer)
      checkSomeIds(condition.ids)
      return
    case 'entry':
      checkName('stream', condition.stream)
      checkId(condition.id)
      return
    case 'value':
      checkKey(condition.key)
      if (!Array.isArray(condition.oneOf) || condition.oneOf.length === 0) {
        throw new StreamError('BAD_ARGUMENT', `Expected 'oneOf' to be a list of values, got ${shown(condition.oneOf)}`)
      }
      for (const value of condition.oneOf as readonly (FieldValue | undefined)[]) {
        if (value !== undefined) checkValue(value)
      }
      return
    default:
      throw new StreamError('BAD_ARGUMENT', `Expected a condition 'owns', 'entry' or 'value', got ${shown(condition)}`)
  }
}

function checkAction(action: Action): void {
  switch (action.kind) {
    case 'append':
      checkName('stream', action.stream)
      checkFields(action.fields)
      if (action.trim !== undefined) checkTrimOfAdd(action.trim)
      return
    case 'acknowledge':
      checkName('stream', action.stream)
      checkName('group', action.group)
      checkSomeIds(action.ids)
      return
    case 'delete':
      checkName('stream', action.stream)
      checkSomeIds(action.ids)
      return
    case 'set':
      checkKey(action.key)
      checkValue(action.value)
      if (action.expireMs !== undefined) checkInteger('expireMs', action.expireMs, 1)
      return
    case 'increment':
      checkKey(action.key)
      if (action.by !== undefined) checkInteger('by', action.by, -BY_MAX, BY_MAX)
      if (action.expireMs !== undefined) checkInteger('expireMs', action.expireMs, 1)
      return
    case 'remove':
    case 'get':
      checkKey(action.key)
      return
    case 'time':
      return
    default:
      throw new StreamError('BAD_ARGUMENT', `Expected an action that a step knows, got ${shown(action)}`)
  }
}

function checkSomeIds(ids: readonly unknown[]): void {
  checkIds(ids)
  if (ids.length > 0 && ids.length <= STEP_IDS_MAX) return
  throw new StreamError('BAD_ARGUMENT', `Expected 1 to ${STEP_IDS_MAX} entry IDs, got ${ids.length}`)
}

function checkKey(key: unknown): void {
  if (typeof key === 'string' && key !== '') return
  throw new StreamError('BAD_ARGUMENT', `Expected a key, a string that is not empty, got ${shown(key)}`)
}

function checkValue(value: unknown): void {
  if (typeof value === 'string' || value instanceof Uint8Array) return
  throw new StreamError('BAD_ARGUMENT', `Expected a value to be a string or bytes, got ${shown(value)}`)
}

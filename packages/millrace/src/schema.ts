/**
 * Checks values by any library that speaks Standard Schema (zod, valibot, arktype …): standardschema.dev.
 *
 *   add      value (the schema's input) ──check──► stored as it was given
 *   decode   stored value ──check──► the schema's output
 *
 * What is stored is the input, so that a schema that transforms is applied once, by each reader.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { StreamError } from './errors.ts'

const ISSUES_MAX = 5

/** The output; a promise of it when the schema is asynchronous. Throws (or rejects with) `INVALID_ENTRY`, which names each path. */
export function checkValue<T>(schema: StandardSchemaV1<unknown, T>, value: unknown, what: string): T | Promise<T> {
  const result = schema['~standard'].validate(value)
  return result instanceof Promise ? result.then((settled) => outputOf(settled, what)) : outputOf(result, what)
}

/** As `checkValue`, where nobody can wait: an asynchronous schema is `INVALID_ENTRY`. */
export function checkValueNow<T>(schema: StandardSchemaV1<unknown, T>, value: unknown, what: string): T {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
    result.catch(() => undefined) // Nobody waits for it: that it is a promise is the fault.
    throw new StreamError('INVALID_ENTRY', `${what}: an asynchronous schema can be checked when adding only`)
  }
  return outputOf(result, what)
}

function outputOf<T>(result: StandardSchemaV1.Result<T>, what: string): T {
  if (result.issues === undefined) return result.value
  const shown = result.issues.slice(0, ISSUES_MAX).map(({ path, message }) => `${pathOf(path)}: ${message}`)
  const more = result.issues.length > ISSUES_MAX ? ` (and ${result.issues.length - ISSUES_MAX} more)` : ''
  throw new StreamError('INVALID_ENTRY', `${what}: ${shown.join('; ')}${more}`)
}

/** `items[0].name`; of the whole value: `value`. */
function pathOf(path: StandardSchemaV1.Issue['path']): string {
  let text = ''
  for (const part of path ?? []) {
    const key = typeof part === 'object' ? part.key : part
    if (typeof key === 'number') text += `[${key}]`
    else text += text === '' ? String(key) : `.${String(key)}`
  }
  return text === '' ? 'value' : text
}

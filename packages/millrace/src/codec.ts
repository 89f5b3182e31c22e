/**
 * How a value becomes an entry's fields and back.
 *
 *   json<T>()   { item: 'tea' }  ◄──►  json: {"item":"tea"}     any JSON value, one field named `json` (the default)
 *   fields      { item: 'tea' }  ◄──►  item: tea                strings only, one field per property
 *   bytes       Uint8Array       ◄──►  bytes: (as they are)     one field named `bytes`
 */

import type { FieldValue } from './backend.ts'
import { StreamError } from './errors.ts'

export interface Codec<T> {
  /** Name, value, name, value, …; throws `BAD_ARGUMENT` for what it cannot express. */
  encode(value: T): readonly FieldValue[]
  /** Throws `BAD_ARGUMENT` for fields that it did not make. */
  decode(fields: readonly Uint8Array[]): T
}

const FIELD = 'json'

/** Any value that JSON can express, as one field. The type is a promise of the caller: nothing is checked on reading. */
export function json<T>(): Codec<T> {
  return {
    encode: (value) => {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined)
        throw new StreamError('BAD_ARGUMENT', `Expected a value that JSON can express, got a ${typeof value}`)
      return [FIELD, text]
    },
    decode: (encoded) => {
      for (let i = 0; i + 1 < encoded.length; i += 2) {
        if (text(encoded[i]!) === FIELD) return parse(text(encoded[i + 1]!)) as T
      }
      throw new StreamError(
        'BAD_ARGUMENT',
        `Expected an entry with a field '${FIELD}', got ${encoded.length / 2} others`,
      )
    },
  }
}

/** A record of strings, one field per property: what other clients of the stream can read and write easily. */
export const fields: Codec<Record<string, string>> = {
  encode: (value) => {
    const flat = Object.entries(value).flat()
    if (flat.length === 0) throw new StreamError('BAD_ARGUMENT', 'Expected a record of at least one string')
    return flat
  },
  decode: (encoded) => {
    const record: Record<string, string> = {}
    for (let i = 0; i + 1 < encoded.length; i += 2) {
      // Not by assignment: a field named __proto__ must stay a field.
      Object.defineProperty(record, text(encoded[i]!), {
        value: text(encoded[i + 1]!),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return record
  },
}

const BYTES = 'bytes'

/** Bytes as they are, in one field named `bytes`. */
export const bytes: Codec<Uint8Array> = {
  encode: (value) => {
    if (!(value instanceof Uint8Array))
      throw new StreamError('BAD_ARGUMENT', `Expected bytes (Uint8Array), got a ${typeof value}`)
    return [BYTES, value]
  },
  decode: (encoded) => {
    for (let i = 0; i + 1 < encoded.length; i += 2) if (text(encoded[i]!) === BYTES) return encoded[i + 1]!
    throw new StreamError('BAD_ARGUMENT', `Expected an entry with a field '${BYTES}', got ${encoded.length / 2} others`)
  },
}

function parse(encoded: string): unknown {
  try {
    return JSON.parse(encoded) as unknown
  } catch (cause) {
    throw new StreamError('BAD_ARGUMENT', `Expected JSON in the field '${FIELD}'`, { cause })
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

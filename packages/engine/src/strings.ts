/** GET and SET: what every other string command is made of. */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { checkExpiry } from './keys.ts'

/** GET: the bytes, to be read only; undefined when there is no such key. `WRONG_TYPE`: it is no string. */
export function getString(database: Database, key: string, nowMs: number): Uint8Array | undefined {
  const value = database.value(key, nowMs)
  if (value === undefined) return undefined
  if (value.type === 'string') return value.bytes
  throw new EngineError('WRONG_TYPE', `'${key}' holds a ${value.type}, not a string`)
}

export interface NewString {
  readonly key: string
  /** Copied. */
  readonly value: Uint8Array
  /** When the key expires; `keep`: as before. Default: not. */
  readonly expiresAtMs?: number | 'keep'
}

/** SET: replaces whatever the key holds. With an expiry that has passed the key is gone at once. */
export function setString(database: Database, { key, value, expiresAtMs: wanted }: NewString, nowMs: number): void {
  if (typeof wanted === 'number') checkExpiry(wanted)
  const before = database.value(key, nowMs)
  const expiresAtMs = wanted === 'keep' ? database.expiresAtMs(key) : wanted
  if (expiresAtMs === undefined || expiresAtMs > nowMs) database.commit({ kind: 'string-set', key, value, expiresAtMs })
  else if (before !== undefined) database.commit({ kind: 'key-removed', key, reason: 'deleted' })
}

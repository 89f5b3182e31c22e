/** Keys as a whole: remove, expire. */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'

/** DEL. Returns false when there was no such key. */
export function removeKey(database: Database, key: string, nowMs: number): boolean {
  if (database.find(key, nowMs) === undefined) return false
  database.commit({ kind: 'key-removed', key, reason: 'deleted' })
  return true
}

/** PEXPIREAT: the key is gone from `atMs` on, at once when that has passed. Returns false when there was no such key. */
export function expireAt(database: Database, key: string, atMs: number, nowMs: number): boolean {
  if (!Number.isSafeInteger(atMs))
    throw new EngineError('BAD_ARGUMENT', `An expiry time is a whole number, not ${atMs}`)
  if (database.find(key, nowMs) === undefined) return false
  if (atMs <= nowMs) database.commit({ kind: 'key-removed', key, reason: 'deleted' })
  else if (database.expiresAtMs(key) !== atMs) database.commit({ kind: 'expiry-set', key, atMs })
  return true
}

/** PERSIST: ends an expiry. Returns false when there was none. */
export function persist(database: Database, key: string, nowMs: number): boolean {
  if (database.find(key, nowMs) === undefined || database.expiresAtMs(key) === undefined) return false
  database.commit({ kind: 'expiry-set', key, atMs: undefined })
  return true
}

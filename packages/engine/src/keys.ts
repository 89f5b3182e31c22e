/** Keys as a whole, whatever they hold: remove, expire, rename, restore, list. */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { keyBytes } from './keyspace.ts'
import { readDump } from './rdb/dump-reader.ts'

/** DEL. Returns false when there was no such key. */
export function removeKey(database: Database, key: string, nowMs: number): boolean {
  if (database.value(key, nowMs) === undefined) return false
  database.commit({ kind: 'key-removed', key, reason: 'deleted' })
  return true
}

/** PEXPIREAT: the key is gone from `atMs` on, at once when that has passed. Returns false when there was no such key. */
export function expireAt(database: Database, key: string, atMs: number, nowMs: number): boolean {
  checkExpiry(atMs)
  if (database.value(key, nowMs) === undefined) return false
  if (atMs <= nowMs) database.commit({ kind: 'key-removed', key, reason: 'deleted' })
  // Also when it is the same time again: as in Redis, who watches the key is told.
  else database.commit({ kind: 'expiry-set', key, atMs })
  return true
}

/** PERSIST: ends an expiry. Returns false when there was none. */
export function persist(database: Database, key: string, nowMs: number): boolean {
  if (database.value(key, nowMs) === undefined || database.expiresAtMs(key) === undefined) return false
  database.commit({ kind: 'expiry-set', key, atMs: undefined })
  return true
}

/** RENAME: what is under `from`, with its expiry, replaces what is under `to`. `NO_SUCH_KEY`: there is nothing. */
export function renameKey(database: Database, from: string, to: string, nowMs: number): void {
  if (database.value(from, nowMs) === undefined) throw new EngineError('NO_SUCH_KEY', `There is no key '${from}'`)
  if (from === to) return
  // Expired, it goes for that reason and not for this one.
  database.value(to, nowMs)
  database.commit({ kind: 'key-renamed', key: from, to })
}

export interface RestoredKey {
  readonly key: string
  /** What DUMP gave. */
  readonly payload: Uint8Array
  /** When the key expires. Default: not. */
  readonly expiresAtMs?: number | undefined
}

/**
 * RESTORE: what the payload says replaces whatever the key holds; with an expiry that has passed the key is gone at once.
 * `CORRUPT`, `NEWER_FORMAT`, `WRONG_TYPE`: the payload cannot be read (`readDump`), and nothing has changed.
 */
export function restoreKey(database: Database, { key, payload, expiresAtMs }: RestoredKey, nowMs: number): void {
  if (expiresAtMs !== undefined) checkExpiry(expiresAtMs)
  const before = database.value(key, nowMs)
  // It is read where it is applied, and that only.
  if (expiresAtMs === undefined || expiresAtMs > nowMs) {
    database.commit({ kind: 'key-restored', key, payload, expiresAtMs })
    return
  }
  readDump(payload)
  if (before !== undefined) database.commit({ kind: 'key-removed', key, reason: 'deleted' })
}

/** RANDOMKEY: any key, each as likely as the other; `random` gives numbers from 0 (included) to 1 (excluded). */
export function randomKey(database: Database, random: () => number, nowMs: number): string | undefined {
  while (database.keyCount > 0) {
    const key = database.keyAt(Math.floor(random() * database.keyCount))
    // One that had expired is gone now: each turn leaves fewer.
    if (database.value(key, nowMs) !== undefined) return key
  }
  return undefined
}

export interface ScanResult {
  /** To go on with; 0: that was all. */
  readonly cursor: number
  readonly keys: readonly string[]
}

/**
 * SCAN: the next keys of a walk that begins and ends with cursor 0. Looks at no more than `countMax` keys, those included
 * that have expired. A key that is there during the whole walk is given at least once, whatever comes and goes meanwhile.
 */
export function scan(database: Database, cursor: number, countMax: number, nowMs: number): ScanResult {
  if (!Number.isSafeInteger(cursor) || cursor < 0) {
    throw new EngineError('BAD_ARGUMENT', `A cursor is a whole number from 0 up to 2^53, not ${cursor}`)
  }
  if (!Number.isSafeInteger(countMax) || countMax < 1) {
    throw new EngineError('BAD_ARGUMENT', `A scan looks at one key or more, not ${countMax}`)
  }
  const keys: string[] = []
  const start = cursor === 0 ? database.keyCount : Math.min(cursor, database.keyCount)
  const end = Math.max(start - countMax, 0)
  for (let place = start - 1; place >= end; place--) {
    const key = database.keyAt(place)
    // Removing an expired one brings the last key here, which the walk has seen.
    if (database.value(key, nowMs) !== undefined) keys.push(key)
  }
  return { cursor: end, keys }
}

/** FLUSHDB. Returns how many keys there were. */
export function flush(database: Database): number {
  const { keyCount } = database
  if (keyCount > 0) database.commit({ kind: 'flushed' })
  return keyCount
}

/** MEMORY USAGE: the bytes of a key and its value; undefined when there is no such key. */
export function keyMemoryBytes(database: Database, key: string, nowMs: number): number | undefined {
  const value = database.value(key, nowMs)
  return value === undefined ? undefined : keyBytes(key) + value.memoryBytes
}

export function checkExpiry(atMs: number): void {
  if (Number.isInteger(atMs)) return
  throw new EngineError('BAD_ARGUMENT', `An expiry time is a whole number, not ${atMs}`)
}

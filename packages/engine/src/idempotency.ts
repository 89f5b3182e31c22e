/**
 * Idempotent producers: XADD IDMP and IDMPAUTO, XCFGSET, XIDMPRECORD.
 *
 *   append, producer 'web', iid 'a'  ──► not known  ──► entry-added, iid-recorded ──► 1700-0
 *   append, producer 'web', iid 'a'  ──► known      ──► iid-repeated              ──► 1700-0, nothing added or trimmed
 *   …                                  100 s later  ──► iids-expired
 */
import { append, checkFields, checkTrim, packParts, type TrimRule } from './append.ts'
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { formatId, sameId, type StreamId } from './id.ts'
import { hashPairs } from './pairs-hash.ts'
import { IDEMPOTENCY_DEFAULT, type IdempotencySettings } from './producers.ts'
import type { Stream } from './stream.ts'

export interface IdempotentEntry {
  readonly key: string
  readonly fields: readonly Uint8Array[]
  readonly producer: string
  /** The producer's own ID of the entry (IDMP). Absent: made from the fields, whatever their order (IDMPAUTO). */
  readonly iid?: string
  readonly noMkStream?: boolean
  readonly trim?: TrimRule
}

export interface AppendedOnce {
  /** The entry's ID, which may have been deleted since when it is a duplicate. */
  readonly id: StreamId
  readonly isDuplicate: boolean
}

const DURATION_S_MAX = 86_400
const SIZE_MAX = 10_000

/** XADD with IDMP or IDMPAUTO, and `*`. Undefined only with `noMkStream` on a missing stream. */
export function appendOnce(database: Database, entry: IdempotentEntry, nowMs: number): AppendedOnce | undefined {
  const { key, fields, producer } = entry
  checkFields(packParts(database, fields))
  if (entry.trim !== undefined) checkTrim(entry.trim)
  checkName('producer', producer)
  if (entry.iid !== undefined) checkName('idempotent', entry.iid)
  const stream = database.find(key, nowMs)
  if (stream === undefined && entry.noMkStream === true) return undefined
  const iid = entry.iid ?? hashPairs(fields)
  if (stream !== undefined) forgetExpired(database, key, stream, nowMs)
  const known = stream?.producers?.find(producer, iid)
  if (known !== undefined && known.ms > expiredThrough(stream!, nowMs)) {
    database.commit({ kind: 'iid-repeated', key })
    return { id: known, isDuplicate: true }
  }
  const more = { ...(entry.noMkStream === true && { noMkStream: true }), ...(entry.trim && { trim: entry.trim }) }
  const id = append(database, { key, fields, ...more }, nowMs)!
  database.commit({ kind: 'iid-recorded', key, producer, iid, id })
  return { id, isDuplicate: false }
}

/** XCFGSET. What is absent stays; a change of either forgets all IDs, the same values none. */
export function setIdempotency(
  database: Database,
  key: string,
  wanted: Partial<IdempotencySettings>,
  nowMs: number,
): void {
  checkRange('durationS', wanted.durationS, DURATION_S_MAX)
  checkRange('sizeMax', wanted.sizeMax, SIZE_MAX)
  if (wanted.durationS === undefined && wanted.sizeMax === undefined) {
    throw new EngineError('BAD_ARGUMENT', 'Idempotency is set by durationS, sizeMax, or both')
  }
  const now = database.require(key, nowMs).producers?.settings ?? IDEMPOTENCY_DEFAULT
  const settings = { durationS: wanted.durationS ?? now.durationS, sizeMax: wanted.sizeMax ?? now.sizeMax }
  if (settings.durationS === now.durationS && settings.sizeMax === now.sizeMax) return
  database.commit({ kind: 'idempotency-set', key, settings })
}

/** XIDMPRECORD: remembers a producer's ID of an entry that is there, as if it had been appended with it. */
export function recordIid(
  database: Database,
  record: { readonly key: string; readonly producer: string; readonly iid: string; readonly id: StreamId },
  nowMs: number,
): void {
  const { key, producer, iid, id } = record
  checkName('producer', producer)
  checkName('idempotent', iid)
  const stream = database.require(key, nowMs)
  if (!stream.has(id)) throw new EngineError('NO_SUCH_ENTRY', `There is no entry ${formatId(id)} in '${key}'`)
  const known = stream.producers?.find(producer, iid)
  if (known === undefined) database.commit({ kind: 'iid-recorded', key, producer, iid, id })
  else if (!sameId(known, id)) {
    throw new EngineError('IID_TAKEN', `Producer '${producer}' has given '${iid}' to ${formatId(known)}`)
  }
}

/**
 * Forgets what has expired: a periodic duty. Looks at no more than so many streams, and next time at those after them.
 * Returns whether any IDs are left that can expire.
 */
export function expireIids(database: Database, nowMs: number, streamsMax = Infinity): boolean {
  const { idempotentKeys } = database
  const left: string[] = []
  let looked = 0
  for (const key of idempotentKeys) {
    if (looked++ >= streamsMax) break
    const stream = database.streamAt(key, nowMs)
    if (stream !== undefined) forgetExpired(database, key, stream, nowMs)
    idempotentKeys.delete(key)
    if ((stream?.producers?.tracked ?? 0) > 0) left.push(key)
  }
  for (const key of left) idempotentKeys.add(key)
  return idempotentKeys.size > 0
}

export interface IdempotencyInfo extends IdempotencySettings {
  readonly producersTracked: number
  readonly iidsTracked: number
  readonly iidsAdded: number
  readonly iidsDuplicates: number
}

/** What XINFO STREAM shows; forgets first what has expired. */
export function idempotencyInfo(database: Database, key: string, stream: Stream, nowMs: number): IdempotencyInfo {
  forgetExpired(database, key, stream, nowMs)
  const { producers } = stream
  return {
    ...(producers?.settings ?? IDEMPOTENCY_DEFAULT),
    producersTracked: producers?.producerCount ?? 0,
    iidsTracked: producers?.tracked ?? 0,
    iidsAdded: producers?.added ?? 0,
    iidsDuplicates: producers?.duplicates ?? 0,
  }
}

function forgetExpired(database: Database, key: string, stream: Stream, nowMs: number): void {
  if (stream.producers === undefined) return
  const throughMs = expiredThrough(stream, nowMs)
  if (stream.producers.hasThrough(throughMs)) database.commit({ kind: 'iids-expired', key, throughMs })
}

/** The latest time of an entry whose ID is forgotten by now. */
function expiredThrough(stream: Stream, nowMs: number): bigint {
  const { durationS } = stream.producers?.settings ?? IDEMPOTENCY_DEFAULT
  return BigInt(Math.trunc(nowMs) - durationS * 1000)
}

function checkName(what: 'producer' | 'idempotent', name: string): void {
  if (name === '') throw new EngineError('BAD_ARGUMENT', `The ${what} ID is empty`)
}

function checkRange(what: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= max)) return
  throw new EngineError('BAD_ARGUMENT', `${what} is a whole number from 1 to ${max}, not ${value}`)
}

/**
 * XADD, XTRIM, XDEL and XSETID: what changes the entries of a stream.
 *
 *   arguments ──► checks ──► the ID (here time becomes one) ──► entry-added ──► trimmed
 */
import type { Database } from './database.ts'
import { countBelow, idAtIndex } from './entry-ranks.ts'
import { EntrySeeker } from './entry-seeker.ts'
import { EngineError } from './errors.ts'
import {
  checkId,
  compareIds,
  formatId,
  ID_MAX,
  ID_ZERO,
  isZero,
  onceEach,
  sameId,
  type NewId,
  type StreamId,
} from './id.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { fieldBytes, type PackedFields } from './packed-fields.ts'
import { dropReferences, trimAcknowledged, type ReferenceRule } from './references.ts'
import type { Stream } from './stream.ts'

/** How to trim: to a number of entries, or everything below an ID. */
export interface TrimRule {
  readonly keep:
    | { readonly kind: 'max-len'; readonly entries: number }
    | { readonly kind: 'min-id'; readonly id: StreamId }
  /** `~`: whole logical nodes only. Default false. */
  readonly approximate?: boolean
  /** Only with `approximate`: at most so many entries, 0 = no limit. Default 100 nodes full of entries. */
  readonly limit?: number
  /** What happens to entries that groups still refer to. Default `keepref`. */
  readonly references?: ReferenceRule
}

export interface AppendOptions {
  /** Default `auto`. */
  readonly id?: NewId | undefined
  /** NOMKSTREAM: without a stream append nothing. */
  readonly noMkStream?: boolean | undefined
  /** Append only when this is the stream's last ID (0-0 also when there is no stream): else `LAST_ID_MISMATCH`. */
  readonly ifLastId?: StreamId | undefined
  readonly trim?: TrimRule | undefined
}

/** What an entry's names and values take at most. */
export const ENTRY_BYTES_MAX = 1 << 30
export const AUTO: NewId = { kind: 'auto' }
const NO_ID: NumberId = new IdCell()

/** The ID argument of a packed append; the plain kinds are for IDs whose parts are below 2^53, and take no bigint. */
export type PackedNewId =
  | NewId
  | { readonly kind: 'plain'; readonly ms: number; readonly seq: number }
  | { readonly kind: 'plain-auto-seq'; readonly ms: number }

export interface PackedAppend extends Omit<AppendOptions, 'id'> {
  readonly key: string
  readonly fields: PackedFields
  /** Default `auto`. */
  readonly id?: PackedNewId | undefined
}

/** XADD. Returns the new ID; undefined only with `noMkStream` on a missing stream. */
export function append(
  database: Database,
  entry: { readonly key: string; readonly fields: readonly (Uint8Array | string)[] } & AppendOptions,
  nowMs: number,
): StreamId | undefined {
  const { key, id, noMkStream, ifLastId, trim: rule } = entry
  const fields = packParts(database, entry.fields)
  // Written out: `{ ...entry, fields }` took a tenth of an append.
  return appendPacked(database, { key, fields, id, noMkStream, ifLastId, trim: rule }, nowMs)?.lastId
}

/**
 * XADD of fields that lie in one buffer. Returns the stream, whose `last` is the new ID then; undefined only with
 * `noMkStream` on a missing stream. Hot: nothing is allocated but the stream's own bytes.
 */
export function appendPacked(database: Database, entry: PackedAppend, nowMs: number): Stream | undefined {
  const { key, fields, id: wanted = AUTO } = entry
  checkFields(fields)
  if (entry.trim !== undefined) checkTrim(entry.trim)
  if (wanted.kind !== 'auto') checkNewId(key, wanted)
  const found = database.find(key, nowMs)
  if (found === undefined && entry.noMkStream === true) return undefined
  if (entry.ifLastId !== undefined) checkLastId(key, found, entry.ifLastId)
  const { scratch } = database
  chooseId({ key, wanted, last: found?.last ?? NO_ID }, nowMs, scratch.id)
  const stream = found ?? database.createStream(key)
  database.commit(scratch.added(key, fields, stream.nodes.startsNode(fields, database.limits)))
  if (entry.trim !== undefined) trimNow(database, key, stream, entry.trim)
  return stream
}

/** XTRIM. Returns how many entries went. */
export function trim(database: Database, key: string, rule: TrimRule, nowMs: number): number {
  checkTrim(rule)
  const stream = database.find(key, nowMs)
  return stream === undefined ? 0 : trimNow(database, key, stream, rule)
}

/** XDEL. Returns how many of the IDs were there. */
export function deleteEntries(database: Database, key: string, ids: readonly StreamId[], nowMs: number): number {
  const stream = database.find(key, nowMs)
  if (stream === undefined) return 0
  const present: StreamId[] = []
  const seeker = new EntrySeeker(stream)
  const cell = new IdCell()
  const isTaken = onceEach(ids)
  for (const id of ids) {
    cell.setId(id)
    if (seeker.seek(cell) && !isTaken(id)) present.push(id)
  }
  if (present.length > 0) database.commit({ kind: 'entries-deleted', key, ids: present })
  return present.length
}

export interface SetIdOptions {
  readonly entriesAdded?: number
  readonly maxDeletedId?: StreamId
}

/** XSETID. */
export function setLastId(
  database: Database,
  target: { readonly key: string; readonly lastId: StreamId } & SetIdOptions,
  nowMs: number,
): void {
  const { key, lastId, maxDeletedId } = target
  checkId(lastId)
  if (maxDeletedId !== undefined) checkId(maxDeletedId)
  if (maxDeletedId !== undefined && compareIds(lastId, maxDeletedId) < 0) {
    throw tooSmall('SET_ID_BELOW_MAX_DELETED', lastId, 'the highest deleted ID given', maxDeletedId)
  }
  const stream = database.require(key, nowMs)
  if (compareIds(lastId, stream.maxDeletedId) < 0) {
    throw tooSmall('SET_ID_BELOW_MAX_DELETED', lastId, 'the highest deleted ID', stream.maxDeletedId)
  }
  if (stream.length > 0 && compareIds(lastId, stream.lastEntryId) < 0) {
    throw tooSmall('SET_ID_BELOW_LAST_ENTRY', lastId, 'the last entry', stream.lastEntryId)
  }
  const entriesAdded = target.entriesAdded ?? stream.entriesAdded
  if (!Number.isSafeInteger(entriesAdded) || entriesAdded < 0) {
    throw new EngineError('BAD_ARGUMENT', `entriesAdded is a whole number of 0 and more, not ${entriesAdded}`)
  }
  if (stream.length > 0 && entriesAdded < stream.length) {
    throw new EngineError(
      'SET_ID_BELOW_LENGTH',
      `'${key}' holds ${stream.length} entries, more than ${entriesAdded} ever added`,
    )
  }
  // As Redis: a highest deleted ID of 0-0 leaves the one that is there.
  const isGiven = maxDeletedId !== undefined && !isZero(maxDeletedId)
  database.commit({
    kind: 'id-set',
    key,
    lastId,
    entriesAdded,
    maxDeletedId: isGiven ? maxDeletedId : stream.maxDeletedId,
  })
}

/** Fields that are apart, in one buffer; refused before anything is copied when they are too large together. */
export function packParts(database: Database, parts: readonly (Uint8Array | string)[]): PackedFields {
  let bytes = 0
  for (let i = 0; i < parts.length; i++) bytes += parts[i]!.length
  checkBytes(bytes)
  return database.scratch.packer.pack(parts)
}

export function checkFields(fields: PackedFields): void {
  checkPairs(fields.count)
  checkBytes(fieldBytes(fields))
}

export function checkPairs(parts: number): void {
  if (parts > 0 && parts % 2 === 0) return
  throw new EngineError('BAD_ARGUMENT', `Fields are pairs of a name and a value, at least one; got ${parts} parts`)
}

export function checkBytes(bytes: number): void {
  if (bytes <= ENTRY_BYTES_MAX) return
  throw new EngineError('ENTRY_TOO_LARGE', `An entry holds at most ${ENTRY_BYTES_MAX} bytes, not ${bytes}`)
}

function checkNewId(key: string, wanted: PackedNewId): void {
  if (wanted.kind === 'exact') checkId(wanted.id)
  if (wanted.kind === 'auto-seq') checkId({ ms: wanted.ms, seq: 0n })
  const isNothing =
    (wanted.kind === 'exact' && isZero(wanted.id)) || (wanted.kind === 'plain' && wanted.ms === 0 && wanted.seq === 0)
  if (isNothing) throw new EngineError('ID_ZERO', `An entry's ID is above 0-0, the ID given for '${key}'`)
}

function checkLastId(key: string, stream: Stream | undefined, expected: StreamId): void {
  const last = stream?.lastId ?? ID_ZERO
  if (sameId(expected, last)) return
  throw new EngineError(
    'LAST_ID_MISMATCH',
    `The last ID of '${key}' is ${formatId(last)}, not ${formatId(expected)}: nothing was appended`,
  )
}

export function checkTrim(rule: TrimRule): void {
  const { keep, limit } = rule
  if (keep.kind === 'max-len' && !(Number.isSafeInteger(keep.entries) && keep.entries >= 0)) {
    throw new EngineError('BAD_ARGUMENT', `A length to trim to is a whole number of 0 and more, not ${keep.entries}`)
  }
  if (limit === undefined) return
  if (!(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new EngineError('BAD_ARGUMENT', `The limit of a trim is a whole number of 0 and more, not ${limit}`)
  }
  if (rule.approximate !== true) throw new EngineError('BAD_ARGUMENT', 'Only an approximate trim takes a limit')
}

/** Leaves the new entry's ID in `into`. */
export function chooseId(
  ask: { readonly key: string; readonly wanted: PackedNewId; readonly last: NumberId },
  nowMs: number,
  into: IdCell,
): void {
  const { key, wanted, last } = ask
  if (last.wide !== undefined && sameId(last.wide, ID_MAX)) {
    throw new EngineError('IDS_EXHAUSTED', `'${key}' has used the highest possible ID`)
  }
  switch (wanted.kind) {
    case 'auto':
      if (nowMs >= last.ms + 1) into.setPlain(Math.trunc(nowMs), 0)
      else nextAfter(last, into)
      return
    case 'plain':
      into.setPlain(wanted.ms, wanted.seq)
      break
    case 'exact':
      into.setId(wanted.id)
      break
    default:
      chooseSeq(wanted, last, into)
  }
  if (compareNumberIds(into, last) <= 0) refuseId(key, wanted, last)
}

/** The next ID of a millisecond; one that is not above `last` where there is none. */
function chooseSeq(wanted: { readonly ms: number | bigint }, last: NumberId, into: IdCell): void {
  const ms = BigInt(wanted.ms)
  into.setId({ ms, seq: 0n })
  if (compareNumberIds(into, last) > 0) return
  nextAfter(last, into)
  if (toStreamId(into).ms !== ms) into.copy(last)
}

function nextAfter(last: NumberId, into: IdCell): void {
  into.copy(last)
  into.increment()
}

function refuseId(key: string, wanted: PackedNewId, last: NumberId): never {
  const id =
    wanted.kind === 'exact'
      ? formatId(wanted.id)
      : wanted.kind === 'plain'
        ? `${wanted.ms}-${wanted.seq}`
        : `${'ms' in wanted ? wanted.ms : ''}-*`
  throw new EngineError('ID_TOO_SMALL', `ID ${id} is not above ${formatId(toStreamId(last))}, the last ID of '${key}'`)
}

function tooSmall(
  code: 'SET_ID_BELOW_MAX_DELETED' | 'SET_ID_BELOW_LAST_ENTRY',
  id: StreamId,
  than: string,
  bound: StreamId,
) {
  return new EngineError(code, `ID ${formatId(id)} is below ${than}, ${formatId(bound)}`)
}

/** A trim of a stream that is there; returns how many entries went. */
export function trimNow(database: Database, key: string, stream: Stream, rule: TrimRule): number {
  const limit = limitOf(rule, database.limits.entriesMax)
  if (rule.references === 'acked' && stream.groupCount > 0) {
    return trimAcknowledged(database, key, stream, { ...rule, limit })
  }
  const { through, removed } = decideTrim(stream, rule, limit)
  if (through !== undefined && rule.references === 'delref') dropReferences(database, key, stream, through)
  if (through !== undefined) database.commit({ kind: 'trimmed', key, through, removed })
  return removed
}

// As Redis: without a LIMIT, `~` looks at 100 nodes' worth of entries, at most a million; 10,000 when nodes have no limit.
function limitOf(rule: TrimRule, nodeEntriesMax: number): number {
  if (rule.approximate !== true) return 0
  if (rule.limit !== undefined) return rule.limit
  return nodeEntriesMax > 0 ? Math.min(100 * nodeEntriesMax, 1_000_000) : 10_000
}

/** Walks the nodes from the front: whole ones go; in the first that cannot, an exact trim takes single entries. */
function decideTrim(stream: Stream, rule: TrimRule, limit: number): { through: StreamId | undefined; removed: number } {
  const { keep } = rule
  let length = stream.length
  // Nearly every append of a stream that is kept at a length finds nothing to trim.
  if (keep.kind === 'max-len' && length <= keep.entries) return { through: undefined, removed: 0 }
  const bound = keep.kind === 'min-id' ? IdCell.of(keep.id) : NO_ID
  let removed = 0
  let through: StreamId | undefined
  stream.nodes.walk((live, last) => {
    if (keep.kind === 'max-len' && length <= keep.entries) return false
    if (limit > 0 && removed + live > limit) return false
    const goesWhole = keep.kind === 'max-len' ? length - live >= keep.entries : compareNumberIds(last, bound) < 0
    if (goesWhole) {
      through = toStreamId(last)
      removed += live
      length -= live
      return true
    }
    const wanted = rule.approximate === true ? removed : wantedOf(stream, keep)
    if (wanted > removed) {
      removed = wanted
      through = idAtIndex(stream, wanted - 1)
    }
    return false
  })
  return { through, removed }
}

function wantedOf(stream: Stream, keep: TrimRule['keep']): number {
  return keep.kind === 'max-len' ? stream.length - keep.entries : countBelow(stream, keep.id)
}

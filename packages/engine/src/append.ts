/**
 * XADD, XTRIM, XDEL and XSETID: what changes the entries of a stream.
 *
 *   arguments ──► checks ──► the ID (here time becomes one) ──► entry-added ──► trimmed
 */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { checkId, compareIds, formatId, ID_MAX, isZero, nextId, sameId, type NewId, type StreamId } from './id.ts'
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
  readonly id?: NewId
  /** NOMKSTREAM: without a stream append nothing. */
  readonly noMkStream?: boolean
  /** Append only when this is the stream's last ID (0-0 also when there is no stream): else `LAST_ID_MISMATCH`. */
  readonly ifLastId?: StreamId
  readonly trim?: TrimRule
}

const ENTRY_BYTES_MAX = 1 << 30
const AUTO: NewId = { kind: 'auto' }

/** XADD. Returns the new ID; undefined only with `noMkStream` on a missing stream. */
export function append(
  database: Database,
  entry: { readonly key: string; readonly fields: readonly Uint8Array[] } & AppendOptions,
  nowMs: number,
): StreamId | undefined {
  const { key, fields, id: wanted = AUTO } = entry
  checkFields(fields)
  if (entry.trim !== undefined) checkTrim(entry.trim)
  if (wanted.kind !== 'auto') checkId(wanted.kind === 'exact' ? wanted.id : { ms: wanted.ms, seq: 0n })
  if (wanted.kind === 'exact' && isZero(wanted.id)) {
    throw new EngineError('ID_ZERO', `An entry's ID is above 0-0, the ID given for '${key}'`)
  }
  const stream = database.find(key, nowMs)
  if (stream === undefined && entry.noMkStream === true) return undefined
  const last = stream?.lastId ?? { ms: 0n, seq: 0n }
  if (entry.ifLastId !== undefined && !sameId(entry.ifLastId, last)) {
    throw new EngineError(
      'LAST_ID_MISMATCH',
      `The last ID of '${key}' is ${formatId(last)}, not ${formatId(entry.ifLastId)}: nothing was appended`,
    )
  }
  const id = chooseId(key, wanted, last, nowMs)
  const target = stream ?? database.createStream(key)
  const startsNode = target.nodes.startsNode(fields, database.limits)
  database.commit({ kind: 'entry-added', key, id, fields, startsNode })
  if (entry.trim !== undefined) trimNow(database, key, target, entry.trim)
  return id
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
  const taken = new Set<string>()
  for (const id of ids) {
    if (taken.has(formatId(id)) || !stream.has(id)) continue
    taken.add(formatId(id))
    present.push(id)
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

export function checkFields(fields: readonly Uint8Array[]): void {
  if (fields.length === 0 || fields.length % 2 === 1) {
    throw new EngineError(
      'BAD_ARGUMENT',
      `Fields are pairs of a name and a value, at least one; got ${fields.length} parts`,
    )
  }
  let bytes = 0
  for (let i = 0; i < fields.length; i++) bytes += fields[i]!.length
  if (bytes <= ENTRY_BYTES_MAX) return
  throw new EngineError('ENTRY_TOO_LARGE', `An entry holds at most ${ENTRY_BYTES_MAX} bytes, not ${bytes}`)
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

function chooseId(key: string, wanted: NewId, last: StreamId, nowMs: number): StreamId {
  if (sameId(last, ID_MAX)) throw new EngineError('IDS_EXHAUSTED', `'${key}' has used the highest possible ID`)
  if (wanted.kind === 'auto') {
    const ms = BigInt(Math.trunc(nowMs))
    return ms > last.ms ? { ms, seq: 0n } : nextId(last)!
  }
  if (wanted.kind === 'exact')
    return compareIds(wanted.id, last) > 0 ? wanted.id : refuseId(key, formatId(wanted.id), last)
  if (wanted.ms > last.ms) return { ms: wanted.ms, seq: 0n }
  const next = nextId(last)
  if (wanted.ms === last.ms && next !== undefined && next.ms === last.ms) return next
  return refuseId(key, `${wanted.ms}-*`, last)
}

function refuseId(key: string, id: string, last: StreamId): never {
  throw new EngineError('ID_TOO_SMALL', `ID ${id} is not above ${formatId(last)}, the last ID of '${key}'`)
}

function tooSmall(
  code: 'SET_ID_BELOW_MAX_DELETED' | 'SET_ID_BELOW_LAST_ENTRY',
  id: StreamId,
  than: string,
  bound: StreamId,
) {
  return new EngineError(code, `ID ${formatId(id)} is below ${than}, ${formatId(bound)}`)
}

function trimNow(database: Database, key: string, stream: Stream, rule: TrimRule): number {
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
  let removed = 0
  let through: StreamId | undefined
  stream.nodes.walk((live, last) => {
    if (keep.kind === 'max-len' && length <= keep.entries) return false
    if (limit > 0 && removed + live > limit) return false
    const goesWhole = keep.kind === 'max-len' ? length - live >= keep.entries : compareIds(last, keep.id) < 0
    if (goesWhole) {
      through = last
      removed += live
      length -= live
      return true
    }
    const wanted = rule.approximate === true ? removed : wantedOf(stream, keep)
    if (wanted > removed) {
      removed = wanted
      through = stream.idAtIndex(wanted - 1)
    }
    return false
  })
  return { through, removed }
}

function wantedOf(stream: Stream, keep: TrimRule['keep']): number {
  return keep.kind === 'max-len' ? stream.length - keep.entries : stream.countBelow(keep.id)
}

/**
 * Entries and the groups that refer to them: XDELEX, XACKDEL, and the trims that look before they cut.
 *
 *            stream            group g: read up to 3-0      group h: read up to 1-0
 *   1-0      acknowledged      ·                            ·                          free
 *   2-0      pending           pending for a                not read yet               referenced, twice
 *   4-0      new               not read yet                 not read yet               referenced
 *
 *   keepref  the entry goes, pending entries stay behind without it
 *   delref   the entry goes, and with it whatever is pending for it in any group
 *   acked    the entry goes only if no group refers to it: none has it pending, all have read it
 *
 * Without groups nothing is referenced (as Redis since 8.4.4; its documentation says otherwise).
 */
import type { TrimRule } from './append.ts'
import type { Database } from './database.ts'
import { EntryCursor } from './entry-cursor.ts'
import { EntrySeeker } from './entry-seeker.ts'
import type { Group } from './group.ts'
import type { GroupRef } from './group-commands.ts'
import { ID_MAX, ID_ZERO, onceEach, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import type { Stream } from './stream.ts'

export type ReferenceRule = 'keepref' | 'delref' | 'acked'

/** What became of an ID: -1 = not found, 1 = deleted, 2 = kept because a group still refers to it. */
export type DeleteOutcome = -1 | 1 | 2

export interface DeleteRequest {
  readonly ids: readonly StreamId[]
  /** Default `keepref`. */
  readonly references?: ReferenceRule
}

/** XDELEX. What became of each ID, in their order. */
export function deleteEntriesEx(
  database: Database,
  key: string,
  request: DeleteRequest,
  nowMs: number,
): DeleteOutcome[] {
  const { ids, references = 'keepref' } = request
  const stream = database.find(key, nowMs)
  if (stream === undefined) return ids.map(() => -1)
  const isTaken = onceEach(ids)
  const lookup = references === 'acked' ? new References(stream) : undefined
  const doomed: StreamId[] = []
  const outcomes = ids.map((id): DeleteOutcome => {
    if (!stream.has(id)) return -1
    if (lookup?.has(IdCell.of(id)) === true) return 2
    if (isTaken(id)) return -1
    doomed.push(id)
    return 1
  })
  // As Redis: what is left pending of an entry that is gone already goes too.
  if (references === 'delref') dropPending(database, key, stream, ids)
  if (doomed.length > 0) database.commit({ kind: 'entries-deleted', key, ids: doomed })
  return outcomes
}

/** XACKDEL. -1: not pending in this group; else it was acknowledged, and 1: is gone from the stream, 2: was kept. */
export function acknowledgeAndDelete(
  database: Database,
  ref: GroupRef,
  request: DeleteRequest,
  nowMs: number,
): DeleteOutcome[] {
  const { key } = ref
  const { ids, references = 'keepref' } = request
  const stream = database.find(key, nowMs)
  const group = stream?.group(ref.group)
  if (stream === undefined || group === undefined) return ids.map(() => -1)
  const isTaken = onceEach(ids)
  const lookup = references === 'acked' ? new References(stream, group) : undefined
  const acknowledged: StreamId[] = []
  const doomed: StreamId[] = []
  const outcomes = ids.map((id): DeleteOutcome => {
    if (group.pending.get(id) === undefined || isTaken(id)) return -1
    acknowledged.push(id)
    if (!stream.has(id)) return 1
    if (lookup?.has(IdCell.of(id)) === true) return 2
    doomed.push(id)
    return 1
  })
  if (acknowledged.length === 0) return outcomes
  database.commit({ kind: 'acknowledged', key, group: ref.group, ids: IdList.of(acknowledged) })
  if (references === 'delref') dropPending(database, key, stream, acknowledged)
  if (doomed.length > 0) database.commit({ kind: 'entries-deleted', key, ids: doomed })
  return outcomes
}

/** Before a trim with `delref`: ends the being pending of all entries that are there up to an ID. */
export function dropReferences(database: Database, key: string, stream: Stream, through: StreamId): void {
  const last = IdCell.of(through)
  for (const group of stream.groups()) {
    const ids = new IdList()
    const seeker = new EntrySeeker(stream)
    const id = new IdCell()
    // What is pending below the first entry was lost to earlier trims, and there may be very much of it.
    group.pending.scanRows(stream.firstId, (block, row) => {
      block.readId(row, id)
      if (compareNumberIds(id, last) > 0) return false
      if (seeker.seek(id)) ids.add(id)
      return true
    })
    if (ids.count > 0) database.commit({ kind: 'pending-dropped', key, group: group.name, ids })
  }
}

/** A trim with `acked`, of a stream with groups; `limit` 0 is none. Returns how many entries went. */
export function trimAcknowledged(
  database: Database,
  key: string,
  stream: Stream,
  rule: TrimRule & { readonly limit: number },
): number {
  const ids = new AcknowledgedTrim(stream, rule).decide()
  if (ids.length > 0) database.commit({ kind: 'entries-trimmed', key, ids })
  return ids.length
}

/** Which entries of a stream its groups refer to. */
class References {
  readonly #groups: readonly Group[]
  /** The smallest position of all groups: nothing above it has been read by everybody. */
  readonly readByAll: NumberId

  /** `without`: a group whose pending entries do not count, because they are being acknowledged. */
  constructor(stream: Stream, without?: Group) {
    const groups = stream.groups()
    const readByAll = IdCell.of(ID_MAX)
    for (const { last } of groups) if (compareNumberIds(last, readByAll) < 0) readByAll.copy(last)
    this.readByAll = readByAll
    this.#groups = groups.filter((group) => group !== without)
  }

  has(id: NumberId): boolean {
    if (compareNumberIds(id, this.readByAll) > 0) return true
    for (let i = 0; i < this.#groups.length; i++) if (this.#groups[i]!.pending.has(id)) return true
    return false
  }
}

/**
 * One trim in the making. Unlike the others it does not end at a node that cannot go whole: it takes what is free of
 * each node that the threshold reaches, and goes on until enough is gone or no entry has been read by everybody.
 */
class AcknowledgedTrim {
  readonly #stream: Stream
  readonly #rule: TrimRule & { readonly limit: number }
  readonly #references: References
  readonly #doomed: StreamId[] = []
  readonly #cursor = new EntryCursor()
  /** What is below it goes, when the rule says so. */
  readonly #minId = new IdCell()

  constructor(stream: Stream, rule: TrimRule & { readonly limit: number }) {
    this.#stream = stream
    this.#rule = rule
    this.#references = new References(stream)
    if (rule.keep.kind === 'min-id') this.#minId.setId(rule.keep.id)
  }

  decide(): readonly StreamId[] {
    const from = IdCell.of(ID_ZERO)
    if (this.#rule.approximate !== true) {
      this.#take(from, this.#references.readByAll)
      return this.#doomed
    }
    let isLast = false
    this.#stream.nodes.walk((live, last) => {
      // What nobody has read stays, however many nodes of it there are.
      if (isLast || compareNumberIds(from, this.#references.readByAll) > 0) return false
      if (!this.#reaches(live, last)) return false
      this.#take(from, last)
      from.copy(last)
      isLast = !from.increment()
      return true
    })
    return this.#doomed
  }

  /** Whether a node would go if nothing in it were referenced. */
  #reaches(live: number, last: NumberId): boolean {
    const { keep, limit } = this.#rule
    if (limit > 0 && this.#doomed.length + live > limit) return false
    if (keep.kind === 'min-id') return compareNumberIds(last, this.#minId) < 0
    const length = this.#stream.length - this.#doomed.length
    return length > keep.entries && length - live >= keep.entries
  }

  /**
   * Takes what is free from an ID up to another. Hot: where much is pending, each trim looks at all of it; 100,000 such
   * entries took 130 ms as objects, here 7 to 15 (Node 20).
   */
  #take(from: NumberId, to: NumberId): void {
    const { readByAll } = this.#references
    const cursor = this.#cursor
    cursor.forward(this.#stream, from, compareNumberIds(to, readByAll) < 0 ? to : readByAll, Infinity)
    while (cursor.next()) {
      const { id } = cursor.entry
      if (this.#isEnough(id)) return
      if (!this.#references.has(id)) this.#doomed.push(toStreamId(id))
    }
  }

  #isEnough(id: NumberId): boolean {
    const { keep } = this.#rule
    if (keep.kind === 'min-id') return compareNumberIds(id, this.#minId) >= 0
    return this.#stream.length - this.#doomed.length <= keep.entries
  }
}

/** Ends the being pending of these IDs in every group that has them. */
function dropPending(database: Database, key: string, stream: Stream, ids: readonly StreamId[]): void {
  for (const group of stream.groups()) {
    const isTaken = onceEach(ids)
    const pending = ids.filter((id) => group.pending.get(id) !== undefined && !isTaken(id))
    if (pending.length > 0)
      database.commit({ kind: 'pending-dropped', key, group: group.name, ids: IdList.of(pending) })
  }
}

/**
 * Many entries under IDs of the clock, in one step: XADD key * … once for each of them, at the same time.
 *
 *   entries ──► checks of all ──► the stream, once ──► batch packed ──► ID ──► entry-added ──► trimmed     for each entry
 *
 * Each entry is a change of its own, so that whoever listens, watches or waits learns of it as of any other. Those that are
 * alike and go into one node and one segment are applied together and then told (`Database.commitRun`): 160 ns an entry with
 * one value of 28 characters through the toolkit, where one by one they took 270 (Node 20).
 */
import { AUTO, checkBytes, checkPairs, checkTrim, chooseId, ENTRY_BYTES_MAX, trimNow, type TrimRule } from './append.ts'
import type { Database } from './database.ts'
import type { EntryParts } from './entry-batch.ts'
import type { IdList } from './id-list.ts'
import type { Stream } from './stream.ts'

/** A node takes 100 entries by default: what is looked at beyond is looked at again. */
const RUN_ENTRIES_MAX = 50

export interface AppendMany {
  readonly key: string
  /** Of each entry name, value, name, value, …; text is stored as UTF-8. */
  readonly entries: readonly EntryParts[]
  /** Done after each of them. */
  readonly trim?: TrimRule | undefined
}

/**
 * Appends the entries and adds their IDs to `ids`. What is refused (fields that are no pairs, or too large) is refused
 * before anything is appended; only `IDS_EXHAUSTED` leaves those that still got one.
 */
export function appendMany(database: Database, batch: AppendMany, nowMs: number, ids: IdList): void {
  const { key, entries, trim: rule } = batch
  for (let i = 0; i < entries.length; i++) checkParts(entries[i]!)
  if (rule !== undefined) checkTrim(rule)
  if (entries.length === 0) return
  const stream = database.find(key, nowMs) ?? database.createStream(key)
  const packed = database.scratch.batch
  for (let from = 0; from < entries.length; from += packed.size) {
    packed.pack(entries, from)
    appendPacks(database, { key, stream, rule, ids }, nowMs)
  }
}

interface Target {
  readonly key: string
  readonly stream: Stream
  readonly rule: TrimRule | undefined
  readonly ids: IdList
}

/** What the scratch batch holds. Hot. */
function appendPacks(database: Database, target: Target, nowMs: number): void {
  const { key, stream, rule, ids } = target
  const { scratch, limits } = database
  const { batch, id } = scratch
  const { fields } = batch
  const wanted = { key, wanted: AUTO, last: stream.last }
  const run = { id, fields, entries: 0 }
  let alikeEnd = 0
  for (let i = 0; i < batch.size;) {
    batch.select(i)
    chooseId(wanted, nowMs, id)
    if (rule === undefined && id.wide === undefined) {
      const { ms, seq } = id
      if (alikeEnd <= i) alikeEnd = i + batch.runFrom(i)
      run.entries = Math.min(alikeEnd - i, RUN_ENTRIES_MAX)
      const entries = database.commitRun(key, stream, run)
      if (entries > 0) {
        id.setPlain(ms, seq)
        ids.addRun(id, entries)
        i += entries
        continue
      }
    }
    database.commit(scratch.added(key, fields, stream.nodes.startsNode(fields, limits)))
    ids.add(id)
    if (rule !== undefined) trimNow(database, key, stream, rule)
    i++
  }
}

function checkParts(parts: EntryParts): void {
  checkPairs(parts.length)
  let length = 0
  for (let i = 0; i < parts.length; i++) length += parts[i]!.length
  // A character of a text takes three bytes at most (two of them, four).
  if (length <= ENTRY_BYTES_MAX / 3) return
  let bytes = 0
  for (const part of parts) bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.length
  checkBytes(bytes)
}

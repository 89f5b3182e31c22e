/**
 * Archive and stream as one: every entry once, in the order of IDs, wherever it is now.
 *
 *   a page of the stream, from the last one told on
 *     │ that one is still there: nothing behind it was trimmed ──► told ──► the next page … the end
 *     └ it is gone, or nothing was told yet ──► records with entries before the page ──► told ──► again
 *
 * An entry is trimmed only after its record is there. So when the page was read first and the records are looked at then, what
 * the page does not hold is in a record.
 */
import type { Backend, Entry, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { archiveFolder, archiveKey, compareIds, type Range, rangeOf } from './archive-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { readSegment } from './segment-file.ts'

export interface ReplayOptions {
  readonly store: ObjectStore
  /** From this ID on, itself included. Default: the oldest. */
  readonly from?: EntryId
  /** Up to this ID, itself included. Default: what is the newest when the end is reached. */
  readonly to?: EntryId
}

const PAGE = 500

/** `CORRUPT` for a damaged or missing segment, by its name: what follows it is not told as if nothing was missing. */
export async function* replayEntries(
  backend: Backend,
  stream: string,
  { store, from, to }: ReplayOptions,
): AsyncGenerator<Entry, void, undefined> {
  let after: EntryId | undefined
  const upTo = to === undefined ? {} : { to }
  for (;;) {
    const found = await backend.range(stream, { from: after ?? from ?? '-', count: PAGE, ...upTo })
    const isContinued = after !== undefined && found[0]?.id === after
    const page = isContinued ? found.slice(1) : found
    let told = 0
    if (!isContinued) {
      const gap = { after, from, to, first: page[0]?.id }
      for await (const entry of archived(store, stream, await recordsBehind(store, stream, after ?? from))) {
        if (!isIn(gap, entry.id)) continue
        yield entry
        after = entry.id
        told++
      }
    }
    // After what the archive told, the page may be old.
    if (told > 0) continue
    if (page.length === 0) return
    for (const entry of page) {
      yield entry
      after = entry.id
    }
  }
}

/** What lies between what was told and a page of the stream, within the wanted IDs. */
interface Gap {
  readonly after: EntryId | undefined
  readonly from: EntryId | undefined
  readonly to: EntryId | undefined
  readonly first: EntryId | undefined
}

function isIn({ after, from, to, first }: Gap, id: EntryId): boolean {
  return (
    (after === undefined || compareIds(id, after) > 0) &&
    (from === undefined || compareIds(id, from) >= 0) &&
    (to === undefined || compareIds(id, to) <= 0) &&
    (first === undefined || compareIds(id, first) < 0)
  )
}

/** The ranges that reach behind `after`, in the order of their first IDs. */
async function recordsBehind(store: ObjectStore, stream: string, after: EntryId | undefined): Promise<Range[]> {
  const folder = archiveFolder(stream)
  const ranges: Range[] = []
  let last = ''
  for (;;) {
    const keys = await store.list(folder, last)
    if (keys.length === 0) return ranges.toSorted((a, b) => compareIds(a.firstId, b.firstId))
    for (const key of keys) {
      const range = rangeOf(key)
      if (range !== undefined && (after === undefined || compareIds(range.lastId, after) >= 0)) ranges.push(range)
    }
    last = keys.at(-1)!
  }
}

/** The entries of overlapping segments, merged by ID, each once. Only segments whose ranges overlap are held at one time. */
async function* archived(
  store: ObjectStore,
  stream: string,
  ranges: readonly Range[],
): AsyncGenerator<Entry, void, undefined> {
  let told: EntryId | undefined
  let open: { readonly entries: readonly Entry[]; at: number }[] = []
  for (let i = 0; i < ranges.length || open.length > 0;) {
    const next = ranges[i]
    const least = open.map(({ entries, at }) => entries[at]!).toSorted((a, b) => compareIds(a.id, b.id))[0]
    if (next !== undefined && (least === undefined || compareIds(next.firstId, least.id) <= 0)) {
      open.push({ entries: await segment(store, stream, next), at: 0 })
      i++
      continue
    }
    if (least === undefined) return
    if (told === undefined || compareIds(least.id, told) > 0) {
      told = least.id
      yield least
    }
    for (const one of open) if (one.entries[one.at]?.id === least.id) one.at++
    open = open.filter(({ entries, at }) => at < entries.length)
  }
}

async function segment(store: ObjectStore, stream: string, range: Range): Promise<readonly Entry[]> {
  const key = archiveKey(stream, range, 'seg')
  const bytes = await store.get(key)
  if (bytes === undefined) throw new StreamError('CORRUPT', `The archive's object '${key}' is missing`)
  return await readSegment(key, bytes)
}

/**
 * Following one answer: pages of the log until there is no more, then what the hub brings, and the log again
 * whenever the reader was too slow for that.
 *
 *   cursor ─► page ─► page ─► (not full) ─► hub ─► hub ─► … ─► closing entry
 *               ▲                             │
 *               └────────── behind ───────────┘
 *
 * The reader's own pace rules: nothing is read from the log, and no more than a small bounded batch is kept by the
 * hub, before the reader asks for the next batch. Each entry must follow the one before by sequence number; where it
 * doesn't, the store has lost entries that this reader has seen, and the follow ends.
 */
import type { EntryId } from 'millrace'
import { type AnswerLog, PAGE_ENTRIES } from './answer-log.ts'
import type { AnswerEntry } from './entry.ts'
import { pause } from './pause.ts'
import type { ReaderHub } from './reader-hub.ts'
import { closedError, RelayError } from './relay-error.ts'
import type { Subscription } from './subscription.ts'
import { isClosing } from './text.ts'

const EMPTY_PAGE_PAUSE_MS = 50

/** One batch of a follow: entries in order, none missing, none twice. */
export interface FollowBatch {
  /** Empty only in a first batch, when there was nothing behind the offset yet. */
  readonly entries: readonly AnswerEntry[]
  /** True when nothing was waiting behind this batch as it was read: the reader is live. */
  readonly caughtUp: boolean
}

/** The last entry a reader has; `seq` -1 before the first. */
export interface Cursor {
  readonly id: EntryId
  readonly seq: number
}

export interface FollowedLog {
  readonly log: AnswerLog
  readonly hub: ReaderHub
  readonly slotGroup: string
}

/** Undefined: read the log. `closed`: the hub is. */
type Found = readonly AnswerEntry[] | undefined | 'closed'

export async function* followLog(from: FollowedLog, start: Cursor, signal: AbortSignal): AsyncGenerator<FollowBatch> {
  const { log, hub, slotGroup } = from
  let cursor = start
  let subscription: Subscription | undefined
  let isFirst = true
  let mustRead = true
  try {
    for (;;) {
      signal.throwIfAborted()
      if (!mustRead) subscription ??= hub.subscribe({ stream: log.stream, slotGroup, position: cursor.id }, signal)
      const live: boolean = !mustRead && subscription!.moveTo(cursor.id)
      const found: Found = live ? await orClosed(subscription!.next()) : await log.page(cursor.id)
      signal.throwIfAborted()
      if (found === 'closed') return yield* lastPage(log, cursor)
      mustRead = found === undefined || (!live && found.length === PAGE_ENTRIES)
      if (found === undefined) continue // Too slow for the hub: on with the log.
      cursor = advance(cursor, found)
      const last = found.at(-1)
      const isClosed = last !== undefined && isClosing(last)
      if (last !== undefined || isFirst) yield { entries: found, caughtUp: isClosed || !mustRead }
      // The hub has seen entries that the log doesn't have (any more): it will find out, but not in a busy loop.
      else await pause(EMPTY_PAGE_PAUSE_MS, signal)
      if (isClosed) return
      isFirst = false
    }
  } finally {
    subscription?.close()
  }
}

async function orClosed(next: Promise<Found>): Promise<Found> {
  try {
    return await next
  } catch (error) {
    if (error instanceof RelayError && error.code === 'CLOSED') return 'closed'
    throw error
  }
}

/**
 * The hub closes. What the log has already still belongs to the reader: a server that lets its answers finish writes
 * their ends just before.
 */
async function* lastPage(log: AnswerLog, cursor: Cursor): AsyncGenerator<FollowBatch> {
  const entries = await log.page(cursor.id)
  advance(cursor, entries)
  const last = entries.at(-1)
  const isClosed = last !== undefined && isClosing(last)
  if (last !== undefined) yield { entries, caughtUp: isClosed }
  if (!isClosed) throw closedError()
}

function advance(cursor: Cursor, entries: readonly AnswerEntry[]): Cursor {
  let { id, seq } = cursor
  for (const entry of entries) {
    if (entry.seq !== seq + 1) {
      const found = `after entry ${id} with seq ${seq} comes ${entry.id} with seq ${entry.seq}`
      throw new RelayError(
        'BAD_REQUEST',
        `The answer's log is not the one that was read: ${found}; follow from its first entry`,
      )
    }
    ;({ id, seq } = entry)
  }
  return { id, seq }
}

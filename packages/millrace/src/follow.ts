/**
 * All entries of one or many streams after a position, and then what is added, for as long as the loop runs.
 *
 *   position of each ──► read, waiting ──► entries ──► position of each …
 *        ▲                  └── UNAVAILABLE: wait for the line, look whether the streams are still as they were ──┐
 *        └────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 */
import { checkInteger } from './arguments.ts'
import type { Entry, EntryId } from './backend.ts'
import { compareIds } from './entry-id-order.ts'
import { StreamError } from './errors.ts'
import { backoffMs, pause } from './pause.ts'
import type { Site } from './site.ts'

export interface FollowOptions {
  /** Begin after this entry; `0-0` (default) is the beginning, `$` only what is added from now on. */
  readonly after?: EntryId | '$'
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal
  /** How long one read waits at the server before the next begins. Default 5,000. */
  readonly blockMs?: number
  /** At most so many entries in one read, of each stream. Default 100. */
  readonly count?: number
}

const BLOCK_MS = 5000
const BEGINNING = '0-0' as EntryId

export async function* follow(
  site: Site,
  streams: readonly string[],
  options: FollowOptions,
): AsyncGenerator<Entry, void, undefined> {
  const { signal, count, blockMs = BLOCK_MS } = options
  checkInteger('blockMs', blockMs, 1)
  const start = options.after ?? BEGINNING
  const after = new Map<string, EntryId | '$'>(streams.map((stream) => [stream, start]))
  const isOver = (): boolean => signal?.aborted === true
  const waiting = { blockMs, ...(signal === undefined ? {} : { signal }), ...(count === undefined ? {} : { count }) }
  let wasLost = false
  const forget = site.losses?.onReturn(() => (wasLost = true))
  try {
    for (let failures = 0; !isOver();) {
      let found: ReadonlyMap<string, readonly Entry[]>
      try {
        // `$` must become an ID before the first wait: it would mean a later moment after a lost connection.
        await resolveEnds(site, after)
        if (wasLost) await lookAgain(site, after)
        wasLost = false
        found = await site.backend.read(after as ReadonlyMap<string, EntryId>, waiting)
        failures = 0
      } catch (error) {
        if (isOver()) return
        if (!(error instanceof StreamError) || error.code !== 'UNAVAILABLE') throw error
        wasLost = true
        await untilReturn(site, backoffMs(failures++, site.clock), signal)
        continue
      }
      for (const [stream, entries] of found) {
        for (const entry of entries) {
          yield entry
          after.set(stream, entry.id)
        }
      }
    }
  } finally {
    forget?.()
  }
}

async function resolveEnds(site: Site, after: Map<string, EntryId | '$'>): Promise<void> {
  for (const [stream, position] of after) {
    if (position === '$') after.set(stream, (await site.backend.inspect(stream))?.lastId ?? BEGINNING)
  }
}

async function lookAgain(site: Site, after: Map<string, EntryId | '$'>): Promise<void> {
  for (const [stream, position] of after) after.set(stream, await stillThere(site, stream, position as EntryId))
}

/** Where to go on: at the same place, or where a stream that went back ends now. */
async function stillThere(site: Site, stream: string, after: EntryId): Promise<EntryId> {
  if (after === BEGINNING || site.losses === undefined) return after
  const lastId = (await site.backend.inspect(stream))?.lastId ?? BEGINNING
  if (compareIds(lastId, after) >= 0) return after
  site.losses.tell({ type: 'data-loss', stream, ids: [], from: lastId, to: after })
  return lastId
}

/** A growing wait, which ends when the line returns. */
async function untilReturn(site: Site, ms: number, signal: AbortSignal | undefined): Promise<void> {
  const returned = new AbortController()
  const forget = site.losses?.onReturn(() => returned.abort())
  const any = signal === undefined ? returned.signal : AbortSignal.any([signal, returned.signal])
  await pause(ms, any, site.clock)
  forget?.()
}

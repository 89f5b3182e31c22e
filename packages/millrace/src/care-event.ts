/** What a `Millrace` tells about the streams it looks after, and about what their backend lost. */

import type { EntryId } from './backend.ts'

export type CareEvent =
  /** A memory budget made unfinished entries go. All of them together are counted at `{stream}:lost`. */
  | { readonly type: 'trimmed-unfinished'; readonly stream: string; readonly count: number }
  /** A group has left entries unfinished for so long that they hold up the trimming. Told once, until it moves. */
  | { readonly type: 'retention-pinned'; readonly stream: string; readonly group: string; readonly oldestMs: number }
  /** A consumer that was long idle and owned nothing was removed. */
  | { readonly type: 'consumer-reaped'; readonly stream: string; readonly group: string; readonly consumer: string }
  /** Looking after a stream failed; it is tried again. Told once for a row of failures. */
  | { readonly type: 'care-failed'; readonly stream: string; readonly error: unknown }
  /**
   * The backend acknowledged entries that it has no more: a fail-over or a restart lost them. `ids` are the missing ones
   * that this process added (at most the last 10,000); a follower only knows the range.
   */
  | {
      readonly type: 'data-loss'
      readonly stream: string
      readonly ids: readonly EntryId[]
      readonly from: EntryId
      readonly to: EntryId
    }

/**
 * How long a stream keeps its entries. Only a memory budget may cross what a group has not finished.
 *
 *   'acked'   what every group has finished goes; without groups nothing (the default)
 *   'none'    nothing is trimmed
 *   limits    what is beyond a limit goes, if every group has finished it; without groups, all that is beyond
 */
import { checkOptionalInteger } from './arguments.ts'
import { StreamError } from './errors.ts'

export interface RetentionLimits {
  /** So many of the newest entries stay. */
  readonly maxLen?: number
  /** Entries stay for so long, in milliseconds by the backend's clock. */
  readonly maxAgeMs?: number
  /** About so many bytes of memory, as the backend reports them. */
  readonly maxBytes?: number
  /** A hard limit in bytes: what is beyond goes, finished or not, and is counted and told (`trimmed-unfinished`). */
  readonly memoryBudgetBytes?: number
  /** What happens at the budget: the oldest entries go (default), or adds are refused with `OUT_OF_MEMORY`. */
  readonly onBudget?: 'drop-oldest' | 'refuse'
}

export type Retention = 'acked' | 'none' | RetentionLimits

/** `BAD_ARGUMENT` for what is none. */
export function checkRetention(retention: Retention): void {
  if (retention === 'acked' || retention === 'none') return
  if (typeof retention !== 'object' || retention === null) {
    throw new StreamError(
      'BAD_ARGUMENT',
      `Expected retention to be 'acked', 'none' or limits, got '${String(retention)}'`,
    )
  }
  checkOptionalInteger('maxLen', retention.maxLen, 0)
  checkOptionalInteger('maxAgeMs', retention.maxAgeMs, 1)
  checkOptionalInteger('maxBytes', retention.maxBytes, 1)
  checkOptionalInteger('memoryBudgetBytes', retention.memoryBudgetBytes, 1)
  const { onBudget } = retention
  if (onBudget !== undefined && onBudget !== 'drop-oldest' && onBudget !== 'refuse') {
    throw new StreamError(
      'BAD_ARGUMENT',
      `Expected onBudget to be 'drop-oldest' or 'refuse', got '${String(onBudget)}'`,
    )
  }
}

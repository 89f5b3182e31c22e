/**
 * Fewer garbage collections for a process whose data lie outside of V8's heap.
 *
 *   heap   8 MB of objects          what V8 goes through
 *   data   10 GB of byte arrays     what it counts when it plans the next collection
 *
 * After a collection V8 lets the total grow by a share of the heap's size: with a heap of a few megabytes each 14 MB of new
 * entries bring the next one on, which finds nothing to free. While the heap is small that share is set to four times its
 * size; above, V8 plans as it always does, so that objects don't pile up. See docs/decisions/019-fewer-collections.md.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** Up to here a collection takes some ten milliseconds, and what is not collected yet is at most four times as much. */
const SMALL_HEAP_BYTES = 64 * 1024 * 1024
const GROWTH_PERCENT = 400
const LOOK_MS = 1000

/** From now on, for this process. The timer doesn't keep it running. */
export function spaceCollections(): NodeJS.Timeout {
  let isSpaced = false
  const look = (): void => {
    const isSmall = getHeapStatistics().used_heap_size <= SMALL_HEAP_BYTES
    if (isSmall === isSpaced) return
    isSpaced = isSmall
    // 0: V8's own plan.
    setFlagsFromString(`--heap-growing-percent=${isSmall ? GROWTH_PERCENT : 0}`)
  }
  look()
  return setInterval(look, LOOK_MS).unref()
}

/**
 * Fewer garbage collections for a process whose data lie outside of V8's heap.
 *
 *   heap   8 MB of objects          what V8 goes through
 *   data   10 GB of byte arrays     what it counts when it plans the next collection
 *
 * After a collection V8 lets the total grow by a share of the heap's size: with a heap of a few megabytes each 10 MB of new
 * entries bring the next one on, which finds nothing to free. While the heap is below 96 MB that share is set to what makes
 * some 96 MB; above, V8 plans as it always does. See docs/decisions/019-fewer-collections.md.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How much may come before the next collection, and how large a heap is that by V8's plan has as much. */
const GROWTH_BYTES = 96 * 1024 * 1024
/** With twice as much memory comes back so late that appends work on new pages: slower at pipeline 100. */
const GROWTH_PERCENT_MAX = 800
const LOOK_MS = 1000

/** From now on, for this process. The timer doesn't keep it running. */
export function spaceCollections(): NodeJS.Timeout {
  let percent = 0
  const look = (): void => {
    const wanted = growthPercent(getHeapStatistics().used_heap_size)
    if (wanted === percent) return
    percent = wanted
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  look()
  return setInterval(look, LOOK_MS).unref()
}

/** In whole hundreds; 0: V8's own plan. */
function growthPercent(heapBytes: number): number {
  return Math.min(Math.trunc(GROWTH_BYTES / heapBytes) * 100, GROWTH_PERCENT_MAX)
}

/** Has the garbage of this process collected, at once; undefined: this V8 doesn't do so on demand. */
export function collector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc')
  // A context that is made from now on has it.
  const collect: unknown = runInNewContext('gc')
  return typeof collect === 'function' ? () => void Reflect.apply(collect, undefined, []) : undefined
}

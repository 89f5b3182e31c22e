/**
 * Which partitions are whose: computed alike by every worker, from the same list of workers.
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998) with a limit: a partition goes to the worker that weighs most for it and has
 * not got its share yet. Shares differ by at most one; a worker that comes or goes moves few partitions of others.
 */
import { hash } from './partition.ts'

/** The partitions of `me`; none if it is not among `workers`. Takes partitions times workers steps. */
export function shareOf(me: string, partitions: readonly string[], workers: ReadonlySet<string>): Set<string> {
  const mine = new Set<string>()
  if (!workers.has(me)) return mine
  const least = Math.floor(partitions.length / workers.size)
  let extra = partitions.length % workers.size
  const counts = new Map([...workers].toSorted().map((worker) => [worker, 0]))
  for (const partition of partitions) {
    let best: string | undefined
    let bestWeight = -1
    for (const [worker, count] of counts) {
      if (count > least || (count === least && extra === 0)) continue
      const weight = hash(`${partition}\0${worker}`)
      if (weight <= bestWeight) continue
      best = worker
      bestWeight = weight
    }
    // There is always one left: the shares add up to all partitions.
    if (best === undefined) break
    const count = counts.get(best)! + 1
    counts.set(best, count)
    if (count > least) extra--
    if (best === me) mine.add(partition)
  }
  return mine
}

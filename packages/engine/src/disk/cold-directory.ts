/**
 * Where the segments are that are on disk only (cold-segments.ts), in a directory with a journal:
 *
 *   data/
 *     manifest-0  journal-000012  …     what the data are
 *     cold/cold-000001  …               a cache of them: emptied at each opening, by who has the directory's lock
 */
import { removeColdFiles } from './cold-files.ts'
import { ColdSegments, type ColdOptions } from './cold-segments.ts'
import type { Fs } from './files.ts'

const NAME = 'cold'

/** A budget for what is in memory. */
export type ColdBudget = Omit<ColdOptions, 'fs' | 'directory'>

/** Empties the place; without a budget nothing goes there. The directory's lock has to be held. */
export function openCold(fs: Fs, directory: string, budget: ColdBudget | undefined): ColdSegments | undefined {
  const place = `${directory}/${NAME}`
  if (budget !== undefined) return new ColdSegments({ ...budget, fs, directory: place })
  // Of one who had a budget, and ended without an end.
  if (fs.list(directory).includes(NAME)) removeColdFiles(fs, place)
  return undefined
}

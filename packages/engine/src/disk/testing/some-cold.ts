/** Little or no memory for segments, small ones, and small files on a disk that keeps no records: for random histories. */
import type { Seeded } from '../../seeded.ts'
import { ColdSegments } from '../cold-segments.ts'
import { SimFs } from './sim-fs.ts'

export function someCold(random: Seeded): ColdSegments {
  return new ColdSegments({
    fs: new SimFs(undefined, { isRecorded: false }),
    directory: '/cold',
    memoryBytes: random.below(3) === 0 ? 0 : random.below(2_000_000),
    cacheBytes: random.below(2) === 0 ? 0 : random.below(400_000),
    fileBytes: random.pick([100, 10_000, 1_000_000]),
    segmentBytesMin: random.below(2) === 0 ? 0 : 4096,
    segmentRowsMax: random.pick([4096, 4096, 1 + random.below(300), 1 + random.below(5)]),
  })
}

/**
 * Where a backend differs from the conformance suite, and why. A difference is checked (its case must fail), and
 * docs/compatibility.md is printed from this list.
 */

import type { Differences } from './conformance/conformance.ts'

const redis70: Differences = {
  'tells the lag again once the group has read past a deleted entry':
    'Redis 7.0 counts a deleted entry as not yet read: the lag stays one too high, also after further reads.',
}

export const knownDifferences: Readonly<Record<'embedded' | 'redis' | 'cluster', Differences>> = {
  embedded: {},
  redis: redis70,
  cluster: redis70,
}

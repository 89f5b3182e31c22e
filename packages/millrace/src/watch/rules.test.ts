/** Each rule fires when it should, for as long as it should, and is resolved; from samples that are made here. */
import { describe, expect, it } from 'vitest'
import { Alerts } from './alerts.ts'
import { findings, type Look, ruleDefaults, type RuleName, type Rules } from './rules.ts'
import type { ConsumerSample, GroupSample, StreamSample } from './sample.ts'

const quietGroup: GroupSample = {
  group: 'g',
  lag: 0,
  isLagEstimated: false,
  lagSeconds: 0,
  pending: 0,
  oldestPendingMs: 0,
  maxIdleMs: 0,
  deliveries: { 1: 0, 2: 0, 3: 0, 4: 0, more: 0 },
  maxDeliveries: 0,
  readPerSecond: 10,
  redelivered: 0,
  retries: 0,
  entriesRead: 100,
  consumers: [{ name: 'c', pending: 0, idleMs: 100, state: 'live' }],
}
const quiet: StreamSample = {
  stream: 's',
  atMs: 0,
  length: 10,
  entriesAdded: 100,
  addedPerSecond: 10,
  memoryBytes: 1000,
  backendMemoryBytes: 10_000,
  delayed: 0,
  deadLetters: 0,
  deadLettersAdded: 0,
  oldestDeadLetterMs: 0,
  groups: [quietGroup],
}
const nothing = { lost: 0, leasesLost: 0, pinned: [] }
const consumer = (name: string, more: Partial<ConsumerSample>): ConsumerSample => ({
  name,
  pending: 0,
  idleMs: 0,
  state: 'live',
  ...more,
})
const group = (more: Partial<GroupSample>): Partial<Look> => ({
  now: { ...quiet, groups: [{ ...quietGroup, ...more }] },
})

/** What makes each rule fire. */
const bad: Readonly<Record<RuleName, Partial<Look>>> = {
  'pending-high': group({ pending: 1601 }),
  'oldest-pending': group({ pending: 1, maxIdleMs: 60_001 }),
  'lag-high': group({ lag: 10_001 }),
  'lag-time': group({ lag: 1, lagSeconds: 301 }),
  'lag-growing': group({ lag: 5 }),
  'lag-unknown': group({ isLagEstimated: true }),
  'no-consumers': group({ pending: 1, consumers: [consumer('c', { state: 'dead', pending: 1 })] }),
  'consumer-silent': group({ lag: 1, consumers: [consumer('c', { idleMs: 300_001 })] }),
  'consumer-hoarding': group({
    pending: 100,
    consumers: [consumer('a', { pending: 81 }), consumer('b', { pending: 19 })],
  }),
  'redelivery-rate': group({ redelivered: 0.06 }),
  poison: group({ pending: 1, maxDeliveries: 4 }),
  'dead-letters': { now: { ...quiet, deadLettersAdded: 1 } },
  'dead-letters-old': { now: { ...quiet, oldestDeadLetterMs: 86_400_001 } },
  'data-loss': { seen: { ...nothing, lost: 3 } },
  memory: { now: { ...quiet, memoryBytes: 2001 } },
  'retention-pinned': { seen: { ...nothing, pinned: ['g'] } },
  'lease-pressure': { seen: { ...nothing, leasesLost: 1 } },
  'shard-skew': { now: { ...quiet, addedPerSecond: 100 }, siblings: [5, 5, 5] },
}

const rules: Rules = { ...ruleDefaults, memory: { threshold: 2000, forMs: 0 } }

function look(more: Partial<Look> = {}): Look {
  return { now: quiet, before: quiet, seen: nothing, siblings: [], ...more }
}

describe('the alert rules', () => {
  it('have nothing against a quiet stream', () => {
    expect(findings(look(), rules)).toEqual([])
    expect(findings(look({ before: undefined }), rules)).toEqual([])
  })

  it.each(Object.entries(bad) as [RuleName, Partial<Look>][])(
    '%s fires after its time, and is resolved',
    (rule, what) => {
      const only = Object.fromEntries(
        Object.entries(rules).map(([name, one]) => [name, name === rule ? one : undefined]),
      )
      const alerts = new Alerts(only as Rules)
      const { forMs, threshold } = rules[rule]!
      const take = (atMs: number, more: Partial<Look>): unknown[] =>
        alerts.take('s', findings(look(more), only as Rules), atMs)
      if (forMs > 0) {
        expect(take(1000, what)).toEqual([])
        expect(take(1000 + forMs - 1, what)).toEqual([])
      }
      const fired = take(1000 + forMs, what)
      expect(fired).toMatchObject([{ type: 'alert', rule, state: 'firing', stream: 's', threshold }])
      expect((fired[0] as { value: number }).value).toBeGreaterThan(threshold)
      // Told once.
      expect(take(2000 + forMs, what)).toEqual([])
      expect(alerts.firing).toHaveLength(1)
      expect(take(3000 + forMs, {})).toMatchObject([{ rule, state: 'resolved' }])
      expect(alerts.firing).toEqual([])
    },
  )

  it('begin to count again when it was not so for a moment', () => {
    const alerts = new Alerts(rules)
    const found = findings(look(bad['lag-high']), { ...rules, 'lag-growing': undefined })
    expect(alerts.take('s', found, 0)).toEqual([])
    expect(alerts.take('s', [], 200_000)).toEqual([])
    expect(alerts.take('s', found, 299_000)).toEqual([])
    expect(alerts.take('s', found, 310_000)).toEqual([])
    expect(alerts.take('other', [], 320_000)).toEqual([])
    expect(alerts.take('s', found, 599_000)).toMatchObject([{ rule: 'lag-high', sinceMs: 299_000 }])
  })
})

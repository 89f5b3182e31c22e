/**
 * The alert rules: each a question to the last samples of one stream. What it finds must hold for a while before it is told.
 *
 *   finding ──holds for forMs──► firing ──not found any more──► resolved
 *
 * Thresholds are the defaults of the columns below; each can be changed, and each rule be switched off.
 */
import type { GroupSample, StreamSample } from './sample.ts'

/** In milliseconds, entries, bytes, or a part from 0 to 1. */
export const ruleDefaults = {
  /** Pending entries, for 2 minutes. */
  'pending-high': { threshold: 1600, forMs: 120_000 },
  /** The longest time that a pending entry has gone without renewal: two leases, for a minute. Takeover does not run. */
  'oldest-pending': { threshold: 60_000, forMs: 60_000 },
  /** Entries not delivered, for 5 minutes. */
  'lag-high': { threshold: 10_000, forMs: 300_000 },
  /** Seconds that the first of them has waited, for a minute. */
  'lag-time': { threshold: 300, forMs: 60_000 },
  /** The lag has grown in every sample, for 15 minutes. */
  'lag-growing': { threshold: 0, forMs: 900_000 },
  /** The server cannot tell the lag, for 10 minutes. */
  'lag-unknown': { threshold: 0, forMs: 600_000 },
  /** Nobody is alive, though there is work, for a minute. */
  'no-consumers': { threshold: 0, forMs: 60_000 },
  /** Milliseconds that a consumer has been silent while there is lag. */
  'consumer-silent': { threshold: 300_000, forMs: 0 },
  /** The part of all pending entries that one of several consumers owns, for a minute; from 100 entries on. */
  'consumer-hoarding': { threshold: 0.8, forMs: 60_000 },
  /** The part of deliveries that were retries, for 5 minutes. */
  'redelivery-rate': { threshold: 0.05, forMs: 300_000 },
  /** Deliveries of one pending entry: one below the five attempts. */
  poison: { threshold: 4, forMs: 0 },
  /** New dead letters since the sample before. */
  'dead-letters': { threshold: 0, forMs: 0 },
  /** Milliseconds that a dead letter has been lying. */
  'dead-letters-old': { threshold: 86_400_000, forMs: 0 },
  /** Entries that were lost or trimmed before they were finished, as this process has seen. */
  'data-loss': { threshold: 0, forMs: 0 },
  /** Bytes of the stream; 80 % of its budget, once it has one (`budgetBytes`). */
  memory: { threshold: Infinity, forMs: 0 },
  /** A group that holds up the trimming, as this process's caretaker has seen. */
  'retention-pinned': { threshold: 0, forMs: 0 },
  /** Leases that this process's workers have lost since the sample before. */
  'lease-pressure': { threshold: 0, forMs: 0 },
  /** How many times the mean a partition's rate is, for 5 minutes; from 10 a second on. */
  'shard-skew': { threshold: 3, forMs: 300_000 },
} as const satisfies Record<string, Rule>

export interface Rule {
  /** Fires above it. */
  readonly threshold: number
  /** For how long it has to be so, in milliseconds. */
  readonly forMs: number
}

export type RuleName = keyof typeof ruleDefaults
export type Rules = Readonly<Record<RuleName, Rule | undefined>>

/** What cannot be watched, and why. */
export const notWatched: Readonly<Record<string, string>> = {
  durability:
    'whether a server writes to its disk and its replicas follow is told by INFO, which no verb of the backend asks for',
}

/** What this process has seen itself of one stream since the sample before. */
export interface Seen {
  readonly lost: number
  readonly leasesLost: number
  /** Groups that hold up the trimming. */
  readonly pinned: readonly string[]
}

export interface Look {
  readonly now: StreamSample
  readonly before: StreamSample | undefined
  readonly seen: Seen
  /** Of the other partitions of the same stream, added a second. */
  readonly siblings: readonly number[]
}

export interface Finding {
  readonly rule: RuleName
  readonly group?: string
  readonly consumer?: string
  readonly value: number
  readonly message: string
}

/** What is so now; how long it has been so is alerts.ts's. */
export function findings(look: Look, rules: Rules): Finding[] {
  const found: Finding[] = []
  const above = (rule: RuleName, value: number | undefined, rest: Omit<Finding, 'rule' | 'value'>): void => {
    const chosen = rules[rule]
    if (chosen !== undefined && value !== undefined && value > chosen.threshold) found.push({ rule, value, ...rest })
  }
  const { now, before, seen } = look
  const { stream } = now
  above('dead-letters', before && now.deadLettersAdded - before.deadLettersAdded, {
    message: `'${stream}' has new dead letters`,
  })
  above('dead-letters-old', now.oldestDeadLetterMs, { message: `A dead letter of '${stream}' has been lying for long` })
  above('data-loss', seen.lost, { message: `Entries of '${stream}' were lost before they were finished` })
  above('memory', now.memoryBytes, { message: `'${stream}' takes ${now.memoryBytes} bytes` })
  above('lease-pressure', seen.leasesLost, {
    message: `Leases on '${stream}' were lost while their entries were in hand`,
  })
  for (const group of seen.pinned) {
    above('retention-pinned', 1, { group, message: `Group '${group}' of '${stream}' holds up the trimming` })
  }
  above('shard-skew', skew(look), { message: `Partition '${stream}' gets far more than the others` })
  for (const group of now.groups)
    aboutGroup(
      stream,
      group,
      before?.groups.find((one) => one.group === group.group),
      above,
    )
  return found
}

type Above = (rule: RuleName, value: number | undefined, rest: Omit<Finding, 'rule' | 'value'>) => void

function aboutGroup(stream: string, now: GroupSample, before: GroupSample | undefined, above: Above): void {
  const { group, lag, pending, consumers } = now
  const where = `Group '${group}' of '${stream}'`
  const hasWork = lag > 0 || pending > 0
  above('pending-high', pending, { group, message: `${where} has ${pending} entries pending` })
  above('oldest-pending', now.maxIdleMs, {
    group,
    message: `${where}: an entry is pending, and nobody renews or takes it`,
  })
  above('lag-high', lag, { group, message: `${where} is ${lag} entries behind` })
  above('lag-time', now.lagSeconds, { group, message: `${where} is ${Math.round(now.lagSeconds)} s behind` })
  above('lag-growing', before && lag - before.lag, { group, message: `${where} falls back further and further` })
  above('lag-unknown', now.isLagEstimated ? 1 : 0, { group, message: `${where}: the server cannot tell the lag` })
  const living = consumers.filter(({ state }) => state !== 'dead').length
  above('no-consumers', hasWork && living === 0 ? 1 : 0, {
    group,
    message: `${where} has work, and nobody who does it`,
  })
  for (const { name: consumer, idleMs, pending: own } of consumers) {
    above('consumer-silent', lag > 0 ? idleMs : 0, { group, consumer, message: `${where}: '${consumer}' is silent` })
    const share = consumers.length > 1 && pending >= 100 ? own / pending : 0
    above('consumer-hoarding', share, {
      group,
      consumer,
      message: `${where}: '${consumer}' owns nearly all that is pending`,
    })
  }
  above('redelivery-rate', now.redelivered, { group, message: `${where}: much of what it is given are retries` })
  // At the threshold itself: one delivery before the last.
  above('poison', now.maxDeliveries + 0.5, {
    group,
    message: `${where}: an entry was delivered ${now.maxDeliveries} times`,
  })
}

function skew({ now, siblings }: Look): number | undefined {
  const own = now.addedPerSecond
  if (own === undefined || own < 10 || siblings.length === 0) return undefined
  const mean = (siblings.reduce((sum, rate) => sum + rate, 0) + own) / (siblings.length + 1)
  return own / mean
}

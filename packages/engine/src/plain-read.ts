/** The plain model's XREAD and XREADGROUP, with CLAIM, MAXCOUNT and MAXSIZE. For tests only. */
import { advance } from './plain-lag.ts'
import { consumerOf, fieldsOf, more, show, sorted, type Id, type PlainGroup, type PlainStream } from './plain-stream.ts'

export interface PlainLimits {
  count: number
  total?: number | undefined
  size?: number | undefined
}

/** What a key and an entry add to a reply, in the tests. */
export const KEY_SIZE = 10
export const entrySize = (fields: readonly string[] | undefined): number =>
  5 + (fields ?? []).reduce((sum, field) => sum + field.length, 0)

/** Everything that was taken so far, of all streams. */
export class PlainBudget {
  readonly #limits: PlainLimits
  #taken = 0
  #size = 0

  constructor(limits: PlainLimits) {
    this.#limits = limits
  }

  get isOver(): boolean {
    const { total = Infinity, size = Infinity } = this.#limits
    return this.#taken >= total || (this.#taken > 0 && this.#size >= size)
  }

  /** The entries of a stream that are still within the limits, one after the other. */
  within<T extends { fields: string[] | undefined }>(entries: readonly T[]): T[] {
    const found: T[] = []
    for (const entry of entries.slice(0, this.#limits.count)) {
      if (this.isOver) break
      this.#size += (found.length === 0 ? KEY_SIZE : 0) + entrySize(entry.fields)
      this.#taken++
      found.push(entry)
    }
    return found
  }
}

export function plainRead(
  positions: readonly { key: string; stream: PlainStream | undefined; from: Id | '$' | '+' }[],
  limits: PlainLimits,
): unknown[] {
  const budget = new PlainBudget(limits)
  const result: unknown[] = []
  for (const { key, stream, from } of positions) {
    if (stream === undefined || from === '$') continue
    const wanted = from === '+' ? stream.entries.slice(-1) : stream.entries.filter(({ id }) => id > from)
    const entries = budget.within(wanted)
    if (entries.length > 0) result.push({ key, entries: entries.map(({ id, fields }) => ({ id: show(id), fields })) })
  }
  return result
}

export interface PlainReader {
  consumer: string
  noAck: boolean
  claim?: number | undefined
}

export function plainReadGroup(
  positions: readonly { key: string; from: Id | '>'; stream: PlainStream; group: PlainGroup }[],
  reader: PlainReader & PlainLimits,
  now: number,
): unknown[] {
  const budget = new PlainBudget(reader)
  const result: unknown[] = []
  for (const { key, from, stream, group } of positions) {
    if (budget.isOver) break
    const consumer = consumerOf(group, reader.consumer, now)
    consumer.seen = now
    const entries =
      from === '>'
        ? readNew(stream, group, reader, { budget, now })
        : history(stream, group, reader.consumer, { from, budget, now })
    if (from !== '>' || entries.length > 0) result.push({ key, entries })
  }
  return result
}

function readNew(
  stream: PlainStream,
  group: PlainGroup,
  reader: PlainReader,
  { budget, now }: { budget: PlainBudget; now: number },
): unknown[] {
  const isClaiming = reader.claim !== undefined
  const idle = isClaiming ? idleOf(stream, group, now - reader.claim!) : []
  const fresh = stream.entries.filter(({ id }) => id > group.last)
  const taken = budget.within([
    ...idle.map((id) => ({ id, fields: fieldsOf(stream, id), isNew: false })),
    ...fresh.map((entry) => ({ ...entry, isNew: true })),
  ])
  const consumer = consumerOf(group, reader.consumer, now)
  return taken.map(({ id, fields, isNew }) => {
    const before = group.pending.get(id)
    const count = isNew ? 1n : more(before!.count)
    const told = isNew
      ? { idleMs: 0, deliveriesBefore: '0' }
      : { idleMs: now - before!.time, deliveriesBefore: `${before!.count}` }
    if (isNew) advance(stream, group, id)
    if (!isNew || !reader.noAck) {
      group.pending.set(id, { owner: reader.consumer, time: now, count, nackedAt: undefined })
      consumer.active = now
    }
    return { id: show(id), fields, ...(isClaiming ? told : {}) }
  })
}

/** What can be claimed: first what was given back, first given first; then the longest idle, by ID where equal. */
function idleOf(stream: PlainStream, group: PlainGroup, timeMax: number): Id[] {
  const there = sorted(group).filter(([id]) => fieldsOf(stream, id) !== undefined)
  const nacked = there.filter(([, { owner }]) => owner === undefined).sort(([, a], [, b]) => a.nackedAt! - b.nackedAt!)
  const idle = there
    .filter(([, { owner, time }]) => owner !== undefined && time <= timeMax)
    .sort(([, a], [, b]) => a.time - b.time)
  return [...nacked, ...idle].map(([id]) => id)
}

function history(
  stream: PlainStream,
  group: PlainGroup,
  consumer: string,
  { from, budget, now }: { from: Id; budget: PlainBudget; now: number },
): unknown[] {
  const mine = sorted(group).filter(([id, { owner }]) => id > from && owner === consumer)
  const entries = budget.within(mine.map(([id, pending]) => ({ id, pending, fields: fieldsOf(stream, id) })))
  return entries.map(({ id, pending, fields }) => {
    if (fields !== undefined) pending.count = more(pending.count)
    if (fields !== undefined) pending.time = now
    return { id: show(id), fields }
  })
}

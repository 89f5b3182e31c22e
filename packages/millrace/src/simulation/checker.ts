/**
 * Judges a history: ten properties, each a look at the events, in time about linear in their number.
 *
 *   C1 no loss     C2 no ghosts      C3 real-time order   C4 whole reads   C5 one delivery, claims counted
 *   C6 one ack     C7 explained duplicates, effects once   C8 durable       C9 done in time  C10 order by key
 *
 * Sources of the kind of check: Elle (Kingsbury and Alvaro, 2020), where an operation's own answer is the witness; linearizability
 * (Herlihy and Wing, 1990) for C3.
 */
import { compareIds } from '../entry-id-order.ts'
import type { EntryId } from '../backend.ts'
import type { History, HistoryEvent } from './history.ts'

export type Property = 'C1' | 'C2' | 'C3' | 'C4' | 'C5' | 'C6' | 'C7' | 'C8' | 'C9' | 'C10'

export interface Violation {
  readonly property: Property
  readonly text: string
}

type Of<K extends HistoryEvent['kind']> = Extract<HistoryEvent, { kind: K }>

/** Empty: nothing is wrong. At most 100 violations of each property. */
export function check(history: History): Violation[] {
  const checks: [Property, (history: History) => Iterable<string>][] = [
    ['C1', noLoss],
    ['C2', noGhosts],
    ['C3', realTimeOrder],
    ['C4', wholeReads],
    ['C5', oneDelivery],
    ['C6', oneAcknowledgement],
    ['C7', explainedDuplicates],
    ['C8', durable],
    ['C9', inTime],
    ['C10', orderByKey],
  ]
  const violations: Violation[] = []
  for (const [property, find] of checks) {
    let count = 0
    for (const text of find(history)) {
      violations.push({ property, text })
      if (++count === 100) break
    }
  }
  return violations
}

function of<K extends HistoryEvent['kind']>(history: History, kind: K): Of<K>[] {
  return history.filter((event): event is Of<K> => event.kind === kind)
}

function order(a: string, b: string): number {
  return compareIds(a as EntryId, b as EntryId)
}

/** Each group that was given anything of a stream owes every message of it whose send was acknowledged. */
function* noLoss(history: History): Iterable<string> {
  const streams = new Map<number, string>()
  for (const { n, stream } of of(history, 'send')) streams.set(n, stream)
  const accounted = new Set<string>()
  const groups = new Map<string, Set<string>>()
  for (const event of history) {
    if (event.kind !== 'handled' && event.kind !== 'done' && event.kind !== 'dead' && event.kind !== 'left') continue
    const stream = streams.get(event.n) ?? ''
    groups.set(stream, (groups.get(stream) ?? new Set()).add(event.group))
    if (event.kind !== 'handled') accounted.add(`${event.group}/${event.n}`)
  }
  for (const { n, outcome, stream } of of(history, 'send')) {
    if (outcome !== 'ok') continue
    for (const group of groups.get(stream) ?? []) {
      if (!accounted.has(`${group}/${n}`)) yield `message ${n} was sent, and group ${group} neither did nor has it`
    }
  }
}

function* noGhosts(history: History): Iterable<string> {
  const sent = new Map<number, string | undefined>()
  for (const { n, outcome, hash } of of(history, 'send')) if (outcome !== 'refused') sent.set(n, hash)
  for (const { n, hash, group } of of(history, 'handled')) {
    if (!sent.has(n)) yield `message ${n} was handled by ${group}, and never sent`
    else if (hash !== undefined && sent.get(n) !== undefined && sent.get(n) !== hash) {
      yield `message ${n} came with ${hash}, and was sent with ${sent.get(n)}`
    }
  }
}

function* realTimeOrder(history: History): Iterable<string> {
  const streams = new Map<string, Of<'send'>[]>()
  const messages = new Map<string, number>()
  for (const send of of(history, 'send')) {
    const { stream, id, n, outcome, isDelayed } = send
    if (outcome !== 'ok' || id === undefined) continue
    const name = `${stream} ${isDelayed === true ? 'delayed ' : ''}${id}`
    const other = messages.get(name)
    if (other !== undefined && other !== n) yield `messages ${other} and ${n} both have ${name}`
    messages.set(name, n)
    if (isDelayed !== true) streams.set(stream, [...(streams.get(stream) ?? []), send])
  }
  for (const sends of streams.values()) {
    // In the order of their beginnings: the highest ID of all that had ended before must be below.
    const ended = sends.toSorted((a, b) => a.endedMs - b.endedMs)
    let highest: Of<'send'> | undefined
    let next = 0
    for (const send of sends.toSorted((a, b) => a.beganMs - b.beganMs)) {
      for (; next < ended.length && ended[next]!.endedMs < send.beganMs; next++) {
        const one = ended[next]!
        if (highest === undefined || order(one.id!, highest.id!) > 0) highest = one
      }
      if (highest !== undefined && highest.n !== send.n && order(highest.id!, send.id!) >= 0) {
        yield `message ${send.n} began after ${highest.n} had ended, and has ${send.id}, not above ${highest.id}`
      }
    }
  }
}

/** What was read twice over must agree: between the first and the last ID of one read, it has all that any other read has seen. */
function* wholeReads(history: History): Iterable<string> {
  const known = new Map<string, Set<string>>()
  for (const { stream, ids } of of(history, 'read')) {
    known.set(stream, new Set([...(known.get(stream) ?? []), ...ids]))
  }
  for (const { stream, ids } of of(history, 'read')) {
    for (let i = 1; i < ids.length; i++) {
      if (order(ids[i - 1]!, ids[i]!) >= 0) yield `a read of ${stream} had ${ids[i]} behind ${ids[i - 1]}`
    }
    const [first, last] = [ids[0], ids.at(-1)]
    if (first === undefined || last === undefined) continue
    const own = new Set(ids)
    for (const id of known.get(stream)!) {
      const isInside = order(first, id) < 0 && order(id, last) < 0
      if (isInside && !own.has(id)) yield `a read of ${stream} from ${first} to ${last} lacks ${id}`
    }
  }
}

function* oneDelivery(history: History): Iterable<string> {
  const counts = new Map<string, number>()
  for (const event of history) {
    if (event.kind === 'group') forget(counts, `${event.stream}/${event.group}/`)
    if (event.kind !== 'delivered') continue
    const name = `${event.stream}/${event.group}/${event.id}`
    const before = counts.get(name)
    if (event.how === 'new') {
      if (before !== undefined) yield `${name} was given as new to ${event.consumer}, and had been given before`
      counts.set(name, 1)
    } else if (event.deliveries !== undefined) {
      if (before !== undefined && event.deliveries > before + 1) {
        yield `${name} was claimed by ${event.consumer} as delivery ${event.deliveries}, after ${before}`
      }
      counts.set(name, event.deliveries)
    }
  }
}

function* oneAcknowledgement(history: History): Iterable<string> {
  const owners = new Map<string, string>()
  const acknowledged = new Set<string>()
  for (const event of history) {
    if (event.kind === 'group') {
      forget(owners, `${event.stream}/${event.group}/`)
      forget(acknowledged, `${event.stream}/${event.group}/`)
    }
    if (event.kind === 'delivered') owners.set(`${event.stream}/${event.group}/${event.id}`, event.consumer)
    if (event.kind !== 'acknowledged') continue
    const name = `${event.stream}/${event.group}/${event.id}`
    if (acknowledged.has(name)) yield `${name} was acknowledged twice, the second time for ${event.consumer}`
    acknowledged.add(name)
    const owner = owners.get(name)
    if (owner !== undefined && owner !== event.consumer) {
      yield `${name} was acknowledged for ${event.consumer}, while ${owner} owned it`
    }
  }
}

function* explainedDuplicates(history: History): Iterable<string> {
  const faults = of(history, 'fault').length
  const effects = new Set<string>()
  const promised = new Set(of(history, 'promise').map(({ group }) => group))
  const dead = new Set(of(history, 'dead').map(({ group, n }) => `${group}/${n}`))
  for (const { group, n } of of(history, 'effect')) {
    if (effects.has(`${group}/${n}`)) yield `the effect of message ${n} was applied twice for group ${group}`
    effects.add(`${group}/${n}`)
  }
  const done = new Map<string, number>()
  for (const { group, n } of of(history, 'done')) {
    const times = (done.get(`${group}/${n}`) ?? 0) + 1
    done.set(`${group}/${n}`, times)
    if (times === 1 && promised.has(group) && !effects.has(`${group}/${n}`) && !dead.has(`${group}/${n}`)) {
      yield `message ${n} was done by group ${group}, and its effect is not there`
    }
    if (times > 1 + faults) yield `message ${n} was done ${times} times by group ${group}, with ${faults} faults`
  }
}

function* durable(history: History): Iterable<string> {
  for (const [place, event] of history.entries()) {
    if (event.kind !== 'survived') continue
    const there = new Set(event.ids)
    for (const send of history.slice(0, place)) {
      if (send.kind !== 'send' || send.outcome !== 'ok' || send.stream !== event.stream) continue
      if (send.id === undefined || send.isDelayed === true || there.has(send.id)) continue
      const isCut = event.cutBelow !== undefined && order(send.id, event.cutBelow) < 0
      if (!isCut) yield `message ${send.n} was acknowledged as ${send.id} of ${event.stream}, and did not survive`
    }
  }
}

function* inTime(history: History): Iterable<string> {
  const end = of(history, 'end')
  if (end.length === 0) yield 'the run has no end'
  for (const { isDrained, tookMs } of end) {
    if (!isDrained) yield `not all was done ${tookMs} ms after the last fault`
  }
  for (const { stream, group, id } of of(history, 'pending'))
    yield `${id} of ${stream} is pending for ${group} at the end`
  for (const { group, n } of of(history, 'left')) yield `message ${n} is still to be done by group ${group}`
}

/** By the order of IDs: of two messages of one key, the one that came first is done first, for the first time. */
function* orderByKey(history: History): Iterable<string> {
  const sends = new Map<number, Of<'send'>>()
  for (const send of of(history, 'send')) if (send.outcome === 'ok') sends.set(send.n, send)
  const dead = new Set(of(history, 'dead').map(({ group, n }) => `${group}/${n}`))
  const seen = new Set<string>()
  const last = new Map<string, Of<'send'>>()
  for (const { group, n } of of(history, 'done')) {
    const send = sends.get(n)
    if (send?.orderingKey === undefined || send.id === undefined || seen.has(`${group}/${n}`)) continue
    seen.add(`${group}/${n}`)
    if (dead.has(`${group}/${n}`)) continue
    const lane = `${group}/${send.stream}/${send.orderingKey}`
    const before = last.get(lane)
    if (before !== undefined && order(before.id!, send.id) > 0) {
      yield `message ${n} of key '${send.orderingKey}' was done by ${group} after ${before.n}, which came later`
    } else last.set(lane, send)
  }
}

function forget(names: { delete(name: string): boolean; keys(): Iterable<string> }, prefix: string): void {
  for (const name of names.keys()) if (name.startsWith(prefix)) names.delete(name)
}

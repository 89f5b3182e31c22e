/** The checker on histories that are good, and on bad ones, each of which it must name by its property. */
import { describe, expect, it } from 'vitest'
import { check, type Property } from './checker.ts'
import type { History, HistoryEvent } from './history.ts'

const send = (n: number, more: Partial<Extract<HistoryEvent, { kind: 'send' }>> = {}): HistoryEvent => ({
  kind: 'send',
  n,
  stream: 's',
  beganMs: n * 10,
  endedMs: n * 10 + 5,
  outcome: 'ok',
  id: `${n}-0`,
  hash: `h${n}`,
  ...more,
})
const at = { stream: 's', group: 'g' }
const fresh = (id: string, consumer = 'a'): HistoryEvent => ({ kind: 'delivered', ...at, id, consumer, how: 'new' })
const claimed = (id: string, consumer: string, deliveries?: number): HistoryEvent => ({
  kind: 'delivered',
  ...at,
  id,
  consumer,
  how: 'claimed',
  ...(deliveries !== undefined && { deliveries }),
})
const handled = (n: number, hash = `h${n}`): HistoryEvent => ({ kind: 'handled', group: 'g', n, hash, consumer: 'a' })
const done = (n: number, group = 'g'): HistoryEvent => ({ kind: 'done', group, n, consumer: 'a' })
const acked = (id: string, consumer = 'a'): HistoryEvent => ({ kind: 'acknowledged', ...at, id, consumer })
const fault: HistoryEvent = { kind: 'fault', what: 'kill', atMs: 0 }
const end: HistoryEvent = { kind: 'end', isDrained: true, tookMs: 10 }
const read = (...ids: string[]): HistoryEvent => ({ kind: 'read', stream: 's', ids })
const keyed = (n: number): HistoryEvent => send(n, { orderingKey: 'k' })

const bad: readonly (readonly [string, Property, History])[] = [
  ['a message that nobody did', 'C1', [send(1), send(2), handled(1), done(1), end]],
  ['a message that was handled and then forgotten', 'C1', [send(1), handled(1), end]],
  [
    'a message that one of two groups never had',
    'C1',
    [send(1), done(1), handled(2), send(2), done(2), done(2, 'h'), end],
  ],
  ['a message that nobody sent', 'C2', [send(1), handled(1), done(1), handled(9), end]],
  ['a message that was refused and came all the same', 'C2', [send(1, { outcome: 'refused' }), handled(1), end]],
  ['a message that came with another text', 'C2', [send(1), handled(1, 'other'), done(1), end]],
  ['a later message with a smaller ID', 'C3', [send(1, { id: '5-0' }), send(2, { id: '4-0' }), done(1), done(2), end]],
  ['two messages with one ID', 'C3', [send(1, { id: '5-0' }), send(2, { id: '5-0' }), done(1), done(2), end]],
  [
    'an ID that was used again after a restart',
    'C3',
    [send(7), { ...send(8), id: '7-0' } as HistoryEvent, done(7), done(8), end],
  ],
  ['a read with a hole', 'C4', [read('1-0', '2-0', '3-0'), read('1-0', '3-0'), end]],
  ['a read in another order', 'C4', [read('2-0', '1-0'), end]],
  ['an entry twice in a read', 'C4', [read('1-0', '1-0'), end]],
  ['an entry given as new to two', 'C5', [fresh('1-0'), fresh('1-0', 'b'), end]],
  ['a claim that counts two at once', 'C5', [fresh('1-0'), claimed('1-0', 'b', 3), end]],
  ['two acknowledgements', 'C6', [fresh('1-0'), acked('1-0'), acked('1-0'), end]],
  ["a zombie's acknowledgement", 'C6', [fresh('1-0'), claimed('1-0', 'b', 2), acked('1-0', 'a'), end]],
  ['a message done twice without a fault', 'C7', [send(1), handled(1), done(1), done(1), end]],
  ['more repetitions than faults', 'C7', [fault, send(1), done(1), done(1), done(1), end]],
  [
    'an effect applied twice',
    'C7',
    [fault, { kind: 'effect', group: 'g', n: 1 }, { kind: 'effect', group: 'g', n: 1 }, end],
  ],
  ['a promised effect that is not there', 'C7', [send(1), done(1), { kind: 'promise', group: 'g' }, end]],
  ['an entry that nobody acknowledged', 'C9', [send(1), done(1), { kind: 'pending', ...at, id: '1-0' }, end]],
  [
    'an acknowledged entry that did not survive',
    'C8',
    [send(1), { kind: 'survived', stream: 's', ids: [] }, done(1), end],
  ],
  ['work that is never done', 'C9', [send(1), { kind: 'left', group: 'g', n: 1 }, end]],
  ['a run that did not come to its end', 'C9', [send(1), done(1)]],
  ['a run that took too long', 'C9', [{ kind: 'end', isDrained: false, tookMs: 60_000 }]],
  ['a key out of order', 'C10', [keyed(1), keyed(2), done(2), done(1), end]],
  [
    'a key out of order behind a repetition',
    'C10',
    [fault, keyed(1), keyed(2), keyed(3), done(1), done(3), done(1), done(2), end],
  ],
]

const good: readonly (readonly [string, History])[] = [
  ['each once', [send(1), fresh('1-0'), handled(1), done(1), acked('1-0'), end]],
  ['an unknown send that never came', [send(1, { outcome: 'unknown' }), end]],
  ['an unknown send that came', [send(1, { outcome: 'unknown' }), handled(1), done(1), end]],
  [
    'a takeover after a kill',
    [send(1), fresh('1-0'), handled(1), fault, claimed('1-0', 'b', 2), done(1), acked('1-0', 'b'), end],
  ],
  ['a repetition that a fault explains', [send(1), handled(1), done(1), fault, handled(1), done(1), end]],
  ['a dead letter', [send(1), handled(1), { kind: 'dead', group: 'g', n: 1 }, end]],
  ['a group that begins again', [send(1), fresh('1-0'), { kind: 'group', ...at }, fresh('1-0'), done(1), end]],
  [
    'what was cut on purpose',
    [send(1), send(2), { kind: 'survived', stream: 's', ids: ['2-0'], cutBelow: '2-0' }, done(1), done(2), end],
  ],
  ['keys that overtake each other', [keyed(1), send(2), done(2), done(1), end]],
  ['a repetition in order', [fault, keyed(1), keyed(2), done(1), done(2), done(1), end]],
  [
    'sends at one time in any order',
    [
      send(1, { beganMs: 0, endedMs: 9, id: '5-0' }),
      send(2, { beganMs: 3, endedMs: 8, id: '4-0' }),
      done(1),
      done(2),
      end,
    ],
  ],
  ['reads of what grows', [read('1-0', '2-0'), read('1-0', '2-0', '3-0'), read('2-0', '3-0'), end]],
]

describe('the history checker', () => {
  it.each(bad)('finds %s (%s)', (_name, property, history) => {
    expect(new Set(check(history).map((violation) => violation.property))).toContain(property)
  })

  it.each(good)('has nothing against %s', (_name, history) => {
    expect(check(history)).toEqual([])
  })
})

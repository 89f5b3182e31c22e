/**
 * Random schedules: readers that block, and everything that may wake them, end them or take their stream away.
 *
 *   readers 0 … 3     writer 4, now and then another one
 *
 * Entries get rising IDs, so that no clock is needed. BLOCK 0 nearly everywhere; a short BLOCK is followed by the wait for
 * its reply.
 *
 * Since 7.2 Redis runs a blocked command again, whole; 7.0 served what was ready, even when that was gone by then. So that
 * the two agree, a schedule has one of four tempers: readers of two streams; these, and transactions, which part the servers
 * where one wakes a group's reader by two streams; entries deleted, and nothing that wakes readers otherwise; or streams that
 * move, go and lose their groups.
 */
import type { Args } from './differential-grammar.ts'
import type { Random, Weighted } from './differential-random.ts'
import { CONNECTIONS } from './differential-schedules.ts'
import type { Step } from './differential-step.ts'

const STEPS_MAX = 16
const WRITER = CONNECTIONS - 1

const key = (random: Random): string =>
  random.weighted([
    [80, 's'],
    [20, 't'],
  ])
const group = (random: Random): string =>
  random.weighted([
    [80, 'g'],
    [20, 'h'],
  ])
const consumer = (random: Random): string => random.pick(['a', 'b', 'c'])
const command = (connection: number, ...args: string[]): Step => ({ kind: 'command', connection, args })
const quietly = (...args: string[]): Step => ({ kind: 'quiet command', connection: WRITER, args })

export function schedule(random: Random): Step[] {
  if (random.chance(0.1)) return crowd(random)
  const temper = random.pick(tempers)
  const steps: Step[] = setUp(random)
  const count = steps.length + 3 + random.below(STEPS_MAX)
  while (steps.length < count) steps.push(...random.weighted(moves)(random, temper))
  return steps
}

interface Temper {
  /** Of a hundred readers, so many read both streams. */
  readonly ofTwo: number
  readonly transactions: boolean
  readonly writes: Weighted<(random: Random) => Args>
}

/**
 * Three or four readers of one group that wait in turn for one stream: whoever is asked in vain keeps its place among those
 * who are, and who comes again is the last.
 */
function crowd(random: Random): Step[] {
  const steps = groupMade('s', 'g', '$')
  const waits = (connection: number): Step[] => {
    const count = random.chance(0.5) ? ['COUNT', String(1 + random.below(2))] : []
    const args = ['XREADGROUP', 'GROUP', 'g', consumer(random), 'BLOCK', '0', ...count, 'STREAMS', 's', '>']
    return [{ kind: 'command', connection, args }]
  }
  for (const connection of random.shuffle([0, 1, 2, 3]).slice(random.below(2))) steps.push(...waits(connection))
  let entries = 0
  for (let left = 6 + random.below(6); left > 0; left--) {
    if (entries === 0 || random.chance(0.6)) steps.push(command(WRITER, 'XADD', 's', '5-*', 'f', String(entries++)))
    else steps.push(...waits(reader(random)))
  }
  return steps
}

function setUp(random: Random): Step[] {
  const steps: Step[] = []
  if (random.chance(0.5)) steps.push(command(WRITER, 'XADD', 's', '1-*', 'f', 'first'))
  for (const [stream, name] of [
    ['s', 'g'],
    ['s', 'h'],
    ['t', 'g'],
    ['t', 'h'],
  ] as const) {
    if (random.chance(0.75)) steps.push(...groupMade(stream, name, '$'))
  }
  return steps
}

/** A group and all its consumers, which 7.0 makes only when they get something. */
function groupMade(stream: string, name: string, from: string): Step[] {
  const consumers = ['a', 'b', 'c'].map((who) => quietly('XGROUP', 'createConsumer', stream, name, who))
  return [command(WRITER, 'XGROUP', 'CREATE', stream, name, from, 'MKSTREAM'), ...consumers]
}

/** Nearly always the writer, which is not blocked. */
const anyone = (random: Random): number => (random.chance(0.95) ? WRITER : random.below(CONNECTIONS))
const reader = (random: Random): number => random.below(WRITER)

const moves: Weighted<(random: Random, temper: Temper) => Step[]> = [
  [22, blockedGroupRead],
  [
    12,
    (random, temper) => [{ kind: 'command', connection: reader(random), args: read(random, { block: '0', temper }) }],
  ],
  [28, (random) => [command(anyone(random), ...add(random))]],
  [14, (random, temper) => [command(anyone(random), ...random.weighted(temper.writes)(random))]],
  [5, (random) => groupMade(key(random), group(random), random.pick(['0', '$']))],
  [6, transaction],
  [2, watched],
  [3, (random) => [{ kind: 'close', connection: reader(random) }]],
  [4, (random) => [command(WRITER, 'CLIENT', 'UNBLOCK', `{client:${reader(random)}}`, ...unblockHow(random))]],
  [1, shortBlock],
]

interface Reading {
  readonly block: string
  readonly temper: Temper
}

/** And then its consumer is made, which 7.0 makes only when it gets something. */
function blockedGroupRead(random: Random, temper: Temper): Step[] {
  const args = groupRead(random, { block: '0', temper })
  return [{ kind: 'command', connection: reader(random), args }, ...consumersMade(args)]
}

function consumersMade(args: Args): Step[] {
  const [name, who] = args.slice(args.indexOf('GROUP') + 1)
  const streams = args.slice(args.indexOf('STREAMS') + 1)
  const keys = streams.slice(0, streams.length / 2)
  return keys.map((stream) => quietly('XGROUP', 'createConsumer', stream, name!, who!))
}

function groupRead(random: Random, { block, temper }: Reading): Args {
  // A reader that was asked in vain about one stream is, since 7.2, the last in the queues of both: those of two streams
  // have a group to themselves, where that changes nothing.
  const isOfTwo = random.chance(temper.ofTwo / 100)
  const name = temper.ofTwo === 0 ? group(random) : isOfTwo ? 'h' : 'g'
  const options: string[][] = [
    ['GROUP', name, consumer(random)],
    ['BLOCK', block],
  ]
  if (random.chance(0.4)) options.push(['COUNT', String(1 + random.below(3))])
  if (random.chance(0.1)) options.push(['NOACK'])
  const streams = isOfTwo ? ['s', 't', '>', '>'] : [key(random), random.chance(0.95) ? '>' : '0']
  return ['XREADGROUP', ...random.shuffle(options).flat(), 'STREAMS', ...streams]
}

function read(random: Random, { block, temper }: Reading): Args {
  const options: string[][] = [['BLOCK', block]]
  if (random.chance(0.4)) options.push(['COUNT', String(1 + random.below(3))])
  const from = (): string =>
    random.weighted([
      [80, '$'],
      [10, '3'],
      [10, '7-1'],
    ])
  const streams = random.chance(temper.ofTwo / 100) ? ['s', 't', from(), from()] : [key(random), from()]
  return ['XREAD', ...random.shuffle(options).flat(), 'STREAMS', ...streams]
}

function add(random: Random): Args {
  const trim = random.chance(0.05) ? ['MAXLEN', String(1 + random.below(2))] : []
  return ['XADD', key(random), ...trim, `${2 + random.below(7)}-*`, 'f', String(random.below(100))]
}

const quiet: Weighted<(random: Random) => Args> = [
  [4, (random) => ['XACK', key(random), group(random), `${2 + random.below(7)}-0`]],
  [2, (random) => ['EXPIRE', key(random), '1000']],
  [2, (random) => ['XGROUP', 'SETID', key(random), group(random), '$']],
]
const deleting: Weighted<(random: Random) => Args> = [
  [4, (random) => ['XDEL', key(random), `${2 + random.below(7)}-0`, `${2 + random.below(7)}-1`]],
  [3, (random) => ['XTRIM', key(random), 'MAXLEN', String(random.below(2))]],
]
const vanishing: Weighted<(random: Random) => Args> = [
  [14, (random) => ['DEL', key(random)]],
  [6, (random) => ['SET', key(random), 'text']],
  [8, (random) => ['XGROUP', 'DESTROY', key(random), group(random)]],
  [3, () => ['FLUSHALL']],
  [1, () => ['FLUSHDB']],
  [4, (random) => ['EXPIRE', key(random), random.pick(['0', '-1'])]],
  [4, (random) => ['RENAME', ...random.shuffle(['s', 't'])]],
  [2, (random) => ['COPY', ...random.shuffle(['s', 't']), 'REPLACE']],
  [2, () => ['SWAPDB', '0', '1']],
]

const tempers: readonly Temper[] = [
  { ofTwo: 30, transactions: false, writes: quiet },
  { ofTwo: 40, transactions: true, writes: quiet },
  { ofTwo: 0, transactions: false, writes: [...quiet, ...deleting] },
  { ofTwo: 0, transactions: true, writes: [...quiet, ...vanishing] },
]

function transaction(random: Random, temper: Temper): Step[] {
  if (!temper.transactions) return []
  const connection = anyone(random)
  const inside = Array.from({ length: 1 + random.below(4) }, () =>
    random.weighted<(random: Random) => Args>([
      [50, add],
      [30, (chosen) => chosen.weighted(temper.writes)(chosen)],
      [10, (chosen) => groupRead(chosen, { block: '0', temper })],
      [10, (chosen) => read(chosen, { block: '0', temper })],
    ])(random),
  )
  const end = random.chance(0.9) ? 'EXEC' : 'DISCARD'
  const steps = [['MULTI'], ...inside, [end]].map((args) => command(connection, ...args))
  return [...steps, ...inside.filter(([name]) => name === 'XREADGROUP').flatMap(consumersMade)]
}

/** A transaction that EXEC runs only if nobody has touched a key, which somebody may. */
function watched(random: Random, temper: Temper): Step[] {
  const connection = reader(random)
  const between = random.chance(0.6) ? [command(WRITER, ...random.weighted(temper.writes)(random))] : []
  return [
    command(connection, 'WATCH', key(random)),
    ...between,
    command(connection, 'MULTI'),
    command(connection, ...add(random)),
    command(connection, 'EXEC'),
  ]
}

function unblockHow(random: Random): string[] {
  return random.weighted([
    [50, []],
    [25, ['TIMEOUT']],
    [20, ['ERROR']],
    [5, ['FOO']],
  ])
}

function shortBlock(random: Random, temper: Temper): Step[] {
  const connection = reader(random)
  const args = random.chance(0.5) ? groupRead(random, { block: '2', temper }) : read(random, { block: '2', temper })
  return [
    { kind: 'close', connection },
    { kind: 'timeout', connection, args },
    ...(args[0] === 'XREADGROUP' ? consumersMade(args) : []),
  ]
}

/**
 * Random commands over the stream grammar of Redis 7.0: few keys, groups, consumers and IDs, so that they meet; hostile IDs
 * and counts; options in any order and twice; cases mixed; arguments missing or too many.
 *
 *   keys        s v: streams, for everything        t: one from which nothing is deleted, so that 7.0 and 8.x count alike
 *               u: one for XSETID, without XDEL     f: one far in the future, where `*` gives the same ID everywhere
 *               w: mostly a string                 c: one whose IDs the clock gives
 *   IDs         a grid of 12 × 4, hostile ones now and then; entries are added along it, so that most of them are
 *               accepted, and at its end the streams begin anew
 *
 * Nothing here depends on the clock but what says so: idle times are 0 or long, so that no few milliseconds decide, and IDs
 * that the clock gives are compared by what passed between them. Their nodes are not: an ID of more digits takes more bytes.
 */
import type { Random, Weighted } from './differential-random.ts'
import { consumer, count, fields, group, hostileCounts, id, idle, key } from './differential-values.ts'

export type Args = readonly string[]

/** A key from which entries may go: on `t` the rules of 7.0 and of 8.x for counts are the same as long as none does. */
function anyKey(random: Random): string {
  const chosen = key(random)
  return chosen === 't' ? 's' : chosen
}

function deletable(random: Random): string {
  const chosen = anyKey(random)
  return chosen === 'u' || chosen === 'none' ? 'v' : chosen
}

function trimming(random: Random): string[] {
  const isLength = random.chance(0.6)
  const made = [isLength ? 'MAXLEN' : 'MINID']
  if (random.chance(0.6)) made.push(random.pick(['~', '~', '~', '=']))
  made.push(isLength ? (random.chance(0.1) ? random.pick(hostileCounts) : String(random.below(30))) : id(random))
  if (random.chance(0.3)) made.push('LIMIT', random.chance(0.3) ? random.pick(hostileCounts) : String(random.below(12)))
  return made
}

/** A future ID first: on a stream whose last ID lies in the future `*` means the next one, whatever the clock says. */
const farFuture = ['XADD', 'f', '99999999999999-1', 'f', 'v']

function xadd(random: Random, ms: number): Args[] {
  if (random.chance(0.05)) return [farFuture, ['XADD', 'f', ...xaddOptions(random), '*', ...fields(random)]]
  const made = random.weighted([
    [60, `${ms}-*`],
    [20, `${ms}-${random.below(4)}`],
    [5, `${random.below(12)}-${random.below(4)}`],
    [3, id(random)],
  ])
  // A bare `*` would be the clock's, after which no ID of the grid is taken: that is for the key `c`.
  const newest = made === '*' || made === '\0' ? '11-*' : made
  const target = key(random)
  const options = xaddOptions(random)
  const isTrimmed = options.some((option) => option.startsWith('M'))
  return [['XADD', target === 't' && isTrimmed ? 's' : target, ...options, newest, ...fields(random)]]
}

/** What is said of a stream whose IDs the clock gives, and nothing that asks for one of them. */
function clocked(random: Random): Args[] {
  const [name, reader] = [group(random), consumer(random)]
  const count = random.chance(0.4) ? ['COUNT', String(1 + random.below(5))] : []
  const trim = random.chance(0.2) ? ['MAXLEN', String(random.below(9))] : []
  const seen = consumerSeen('c', name, reader)
  return random.weighted<Args[]>([
    [40, [['XADD', 'c', ...(random.chance(0.1) ? ['NOMKSTREAM'] : []), ...trim, '*', ...fields(random)]]],
    [
      6,
      [
        ['XADD', 'c', '*', 'f', 'v'],
        ['XADD', 'c', '*', 'f', 'v'],
      ],
    ],
    [8, [['XRANGE', 'c', random.pick(['-', '(0']), '+', ...count]]],
    [5, [['XREVRANGE', 'c', '+', '1', ...count]]],
    [5, [['XREAD', ...count, 'STREAMS', 'c', random.pick(['0', '$', '5-1'])]]],
    [14, [['XREADGROUP', 'GROUP', name, reader, ...count, 'STREAMS', 'c', random.pick(['>', '>', '0'])], seen]],
    [5, [['XGROUP', 'CREATE', 'c', name, random.pick(['0', '$']), 'MKSTREAM']]],
    [3, [['XGROUP', 'SETID', 'c', name, random.pick(['0', '$'])]]],
    [6, [['XPENDING', 'c', name, ...(random.chance(0.5) ? ['-', '+', '9'] : [])]]],
    [6, [['XAUTOCLAIM', 'c', name, reader, '0', '0', ...count, ...(random.chance(0.3) ? ['JUSTID'] : [])], seen]],
    [3, [['XTRIM', 'c', random.pick(['MAXLEN', 'MINID']), String(random.below(9))]]],
    [4, [['XINFO', random.pick(['GROUPS', 'GROUPS', 'CONSUMERS']), 'c', name].slice(0, 3 + random.below(2))]],
    [2, [['DEL', 'c']]],
  ])
}

function xaddOptions(random: Random): string[] {
  const options: string[][] = []
  if (random.chance(0.1)) options.push(['NOMKSTREAM'])
  if (random.chance(0.2)) options.push(trimming(random))
  if (random.chance(0.02)) options.push(trimming(random))
  if (random.chance(0.01)) options.push([random.pick(['LIMIT', 'FOO', 'MAXLEN', '~'])])
  return random.shuffle(options).flat()
}

/** Many entries at once, so that nodes fill. */
function burst(random: Random, ms: number): Args[] {
  const target = random.pick(['s', 's', 't'])
  return Array.from({ length: 2 + random.below(9) }, () => ['XADD', target, `${ms}-*`, 'f', String(random.below(100))])
}

function range(random: Random): Args[] {
  const name = random.chance(0.6) ? 'XRANGE' : 'XREVRANGE'
  const ends = random.chance(0.4) ? ['-', '+'] : [id(random), id(random)]
  if (name === 'XREVRANGE') ends.reverse()
  return [
    [name, key(random), ...ends, ...(random.chance(0.4) ? ['COUNT', count(random)] : []), ...extra(random, 'COUNT')],
  ]
}

/** Now and then an option that does not belong here, or an unfinished one. */
function extra(random: Random, word: string): string[] {
  return random.chance(0.02) ? random.pick([[word], ['FOO'], [word, '1', word, '2'], ['FOO', 'BAR']]) : []
}

function ids(random: Random): string[] {
  return Array.from({ length: 1 + random.below(4) }, () => id(random))
}

function read(random: Random): Args[] {
  const streams = readStreams(random, ['$', '0', '0-0', '+'])
  const options: string[][] = []
  if (random.chance(0.5)) options.push(['COUNT', count(random)])
  if (random.chance(0.01)) options.push(['BLOCK', random.pick(['x', '-1', '9223372036854775808', '1'])])
  if (random.chance(0.01)) options.push([random.pick(['NOACK', 'FOO', 'COUNT'])])
  if (random.chance(0.01)) options.push(['GROUP', 'g', 'alice'])
  return [['XREAD', ...random.shuffle(options).flat(), 'STREAMS', ...streams]]
}

function readStreams(random: Random, words: readonly string[]): string[] {
  const number = random.weighted([
    [80, 1],
    [15, 2],
    [5, 3],
  ])
  const keys = Array.from({ length: number }, () => key(random))
  const from = Array.from({ length: number }, () => (random.chance(0.7) ? random.pick(words) : id(random)))
  if (random.chance(0.01)) from.pop()
  return [...keys, ...from]
}

function readGroup(random: Random): Args[] {
  const streams = readStreams(random, ['>', '>', '>', '>', '0', '0-0'])
  const options: string[][] = []
  const [name, reader] = [group(random), consumer(random)]
  if (random.chance(0.98)) options.push(['GROUP', name, reader])
  if (random.chance(0.7)) options.push(['COUNT', count(random)])
  if (random.chance(0.1)) options.push(['NOACK'])
  if (random.chance(0.01)) options.push(['BLOCK', random.pick(['x', '-1', '9223372036854775808', '1'])])
  if (random.chance(0.01)) options.push([random.pick(['FOO', 'COUNT', 'GROUP'])])
  const made = ['XREADGROUP', ...random.shuffle(options).flat(), 'STREAMS', ...streams]
  return [made, ...streams.slice(0, streams.length / 2).map((stream) => consumerSeen(stream, name, reader))]
}

/** No entry comes after it. */
const AFTER_ALL = '18446744073709551615-18446744073709551614'

/**
 * What follows a command that may have found nothing for its consumer: 7.0 has neither made it then nor seen it, which a
 * read of its history does. See `consumers that get nothing`.
 */
export function consumerSeen(stream: string, name: string, reader: string): Args {
  return ['XREADGROUP', 'GROUP', name, reader, 'STREAMS', stream, AFTER_ALL]
}

/** Whether a command is there to make up for what the one before it does otherwise on 7.0. */
export function isMakeUp(args: Args | undefined): boolean {
  return args?.at(-1) === AFTER_ALL
}

function groupCommand(random: Random): Args[] {
  const stream = key(random)
  const base = [stream, group(random)]
  const from = random.weighted([
    [30, '$'],
    [40, '0'],
    [30, id(random)],
  ])
  const entriesRead =
    stream !== 't' && random.chance(0.2) ? ['ENTRIESREAD', random.chance(0.5) ? count(random) : '-1'] : []
  const sub = random.weighted<Args>([
    [45, ['CREATE', ...base, from, ...random.shuffle([random.chance(0.5) ? ['MKSTREAM'] : [], entriesRead]).flat()]],
    [20, ['SETID', ...base, from, ...entriesRead]],
    [6, ['DESTROY', ...base]],
    [15, ['CREATECONSUMER', ...base, consumer(random)]],
    [8, ['DELCONSUMER', ...base, consumer(random)]],
    [0.2, ['HELP']],
    [0.5, [random.pick(['FOO', 'CREATE', 'SETID', 'HELP', 'DESTROY']), ...base.slice(random.below(3))]],
  ])
  return [['XGROUP', ...sub, ...extra(random, 'MKSTREAM')]]
}

function pending(random: Random): Args[] {
  const summary = ['XPENDING', key(random), group(random)]
  if (random.chance(0.35)) return [summary]
  const idleFor = random.chance(0.25) ? ['IDLE', idle(random)] : []
  const ends = random.chance(0.6) ? ['-', '+'] : [id(random), id(random)]
  const who = random.chance(0.3) ? [consumer(random)] : []
  const whole = [...summary, ...idleFor, ...ends, count(random), ...who]
  return [random.chance(0.03) ? whole.slice(0, 3 + random.below(4)) : whole]
}

function claim(random: Random): Args[] {
  const options: string[][] = []
  if (random.chance(0.15)) options.push(['IDLE', random.pick(['0', '100000', '20000000', random.pick(hostileCounts)])])
  if (random.chance(0.1)) options.push(['TIME', random.pick(['1000', '1', '0', '-1', 'x', '99999999999999'])])
  if (random.chance(0.2)) options.push(['RETRYCOUNT', count(random)])
  if (random.chance(0.3)) options.push(['FORCE'])
  if (random.chance(0.3)) options.push(['JUSTID'])
  if (random.chance(0.15)) options.push(['LASTID', id(random)])
  if (random.chance(0.02)) options.push([random.pick(['FOO', 'IDLE', 'TIME', 'RETRYCOUNT', 'LASTID', 'a\r\nb'])])
  const [stream, name, reader] = [key(random), group(random), consumer(random)]
  const made = ['XCLAIM', stream, name, reader, idle(random), ...ids(random), ...random.shuffle(options).flat()]
  return [made, consumerSeen(stream, name, reader)]
}

function autoClaim(random: Random): Args[] {
  const options: string[][] = []
  if (random.chance(0.5)) options.push(['COUNT', count(random)])
  if (random.chance(0.3)) options.push(['JUSTID'])
  const [stream, name, reader] = [key(random), group(random), consumer(random)]
  const start = random.chance(0.6) ? random.pick(['0', '-', '0-0']) : id(random)
  const given = [...random.shuffle(options).flat(), ...extra(random, 'COUNT')]
  return [['XAUTOCLAIM', stream, name, reader, idle(random), start, ...given], consumerSeen(stream, name, reader)]
}

function info(random: Random): Args[] {
  const full = random.chance(0.4) ? ['FULL', ...(random.chance(0.4) ? ['COUNT', count(random)] : [])] : []
  const sub = random.weighted<Args>([
    [45, ['STREAM', key(random), ...full, ...extra(random, 'FULL')]],
    [30, ['GROUPS', key(random)]],
    [20, ['CONSUMERS', key(random), group(random)]],
    [0.2, ['HELP']],
    [0.5, [random.pick(['FOO', 'STREAM', 'CONSUMERS', 'HELP']), ...[key(random), 'x', 'y'].slice(random.below(4))]],
  ])
  return [['XINFO', ...sub]]
}

function setId(random: Random): Args[] {
  // Where entries are deleted 8.x may refuse what 7.0 does not: then they begin anew.
  const target = random.pick(['u', 'u', 'u', 'none', 's', 'v', 'f'])
  const after: Args[] = target === 'u' || target === 'none' ? [] : [['DEL', target]]
  const options: string[][] = []
  if (random.chance(0.4)) options.push(['ENTRIESADDED', count(random)])
  const deleted = after.length > 0 ? id(random) : random.pick(['0', '0-0', 'x', '5-', '>', ''])
  if (random.chance(0.3)) options.push(['MAXDELETEDID', deleted])
  const isRefused = random.chance(0.1)
  // Cut short, as some commands are, it is not.
  if (isRefused) return [['XSETID', target, '3-1', 'ENTRIESADDED', '9', 'MAXDELETEDID', '9-1'], ...after]
  return [['XSETID', target, id(random), ...random.shuffle(options).flat()], ...after]
}

const other = (random: Random): string => random.pick(['s', 'v', 'w'])
const keyCommands: Weighted<(random: Random) => Args> = [
  [20, (random) => ['DEL', key(random)]],
  [4, (random) => ['UNLINK', key(random), key(random)]],
  [10, (random) => ['SET', 'w', random.pick(['5', 'text'])]],
  [2, (random) => ['SET', random.pick(['s', 'u', 'v']), 'text']],
  [4, (random) => [random.pick(['GET', 'INCR', 'STRLEN']), key(random)]],
  [6, (random) => ['EXISTS', key(random), key(random)]],
  [6, (random) => ['TYPE', key(random)]],
  [4, (random) => ['EXPIRE', key(random), random.pick(['100000', '100000', '0', '-1', 'x', '9223370000000'])]],
  [1, (random) => ['PEXPIREAT', key(random), random.pick(['9007199254740993', '9223372036854775807'])]],
  [3, (random) => ['PERSIST', key(random)]],
  [3, (random) => [random.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), key(random)]],
  [4, (random) => [random.pick(['RENAME', 'RENAMENX']), other(random), other(random)]],
  [4, (random) => ['COPY', other(random), other(random), ...(random.chance(0.5) ? ['REPLACE'] : [])]],
  // Numbers are shared objects in Redis, copied ones not: the count of references to a stream is told.
  [4, (random) => (random.chance(0.5) ? ['OBJECT', 'ENCODING', key(random)] : ['OBJECT', 'REFCOUNT', 't'])],
  [4, (random) => ['SCAN', '0', 'COUNT', '100', 'TYPE', random.pick(['stream', 'string', 'list', 'foo'])]],
  [2, () => ['DBSIZE']],
  [2, (random) => ['WATCH', key(random)]],
  [1, () => ['UNWATCH']],
  [0.5, () => ['FLUSHALL']],
]

const streamNames =
  'xadd xlen xrange xrevrange xdel xtrim xsetid xread xreadgroup xack xgroup xinfo xpending xclaim xautoclaim'.split(
    ' ',
  )

function introspection(random: Random): Args[] {
  const shown = random.pick(grammarHeads).slice(0)
  const made = random.weighted<Args>([
    [3, ['COMMAND', 'INFO', random.pick(streamNames)]],
    [6, ['COMMAND', 'GETKEYS', ...shown]],
  ])
  return [made]
}

/** Requests whose keys are asked for. */
const grammarHeads: readonly Args[] = [
  ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', 'a', 'b', '>', '>'],
  ['XREAD', 'COUNT', '1', 'STREAMS', 'a', 'b', '0', '0'],
  ['XREAD', 'STREAMS', 'a', '0'],
  ['XREAD', 'BLOCK', '1', 'COUNT', '1'],
  ['XADD', 's', '*', 'f', 'v'],
  ['XGROUP', 'CREATE', 's', 'g', '$'],
  ['XINFO', 'STREAM', 's'],
  ['XINFO', 'HELP'],
  ['XACK', 's', 'g', '1'],
  ['XADD', 's'],
]

const streamCommands: Weighted<(random: Random, ms: number) => Args[]> = [
  [30, xadd],
  [6, burst],
  [6, clocked],
  [3, (random) => [['XLEN', key(random)]]],
  [9, range],
  [6, (random) => [['XDEL', deletable(random), ...ids(random)]]],
  [5, (random) => [['XTRIM', anyKey(random), ...trimming(random), ...extra(random, 'LIMIT')]]],
  [2, setId],
  [6, read],
  [14, readGroup],
  [7, (random) => [['XACK', key(random), group(random), ...ids(random)]]],
  [8, groupCommand],
  [6, pending],
  [6, claim],
  [5, autoClaim],
  [7, info],
  [3.5, (random) => [random.weighted(keyCommands)(random)]],
  [0.3, introspection],
  [1.5, transaction],
]

function transaction(random: Random, ms: number): Args[] {
  const inside: Args[] = []
  for (let i = random.below(5); i > 0; i--) {
    const made = random.weighted(streamCommands)(random, ms)
    if (!made.some(([name]) => name === 'MULTI')) inside.push(...made)
  }
  if (random.chance(0.3)) inside.push(['XREAD', 'BLOCK', '2', 'STREAMS', key(random), '$'])
  const end = random.weighted<Args>([
    [85, ['EXEC']],
    [12, ['DISCARD']],
    [3, ['MULTI']],
  ])
  return [['MULTI'], ...inside, end, ...(end[0] === 'MULTI' ? [['EXEC']] : [])]
}

/** New entries stay in one millisecond for about so many commands. */
const COMMANDS_A_MS = 30

export class Grammar {
  readonly #random: Random
  #ms = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** The next commands: one, or a few that belong together. */
  next(): Args[] {
    const random = this.#random
    if (random.chance(1 / COMMANDS_A_MS)) this.#ms++
    if (this.#ms === 12) return this.#anew()
    const made = random.weighted(streamCommands)(random, this.#ms)
    const isOne = made.length === 1 || isMakeUp(made[1])
    if (isOne && made[0]![0] !== 'COMMAND' && random.chance(0.02)) return [damaged(random, made[0]!), ...made.slice(1)]
    if (isOne && made[0]![0] !== 'COMMAND' && random.chance(0.02)) return ended(random, made)
    return random.chance(0.05) ? made.map((args) => recased(random, args)) : made
  }

  #anew(): Args[] {
    this.#ms = 0
    const random = this.#random
    const gone: Args[] = random.chance(0.2)
      ? [['FLUSHALL']]
      : [
          ['DEL', 's'],
          ['DEL', 't', 'u', 'c'],
        ]
    const groups = [
      ['s', 'g'],
      ['s', 'h'],
      ['t', 'g'],
      ['u', 'g'],
    ] as const
    const made: Args[] = groups.map(([stream, name]) => ['XGROUP', 'CREATE', stream, name, '0', 'MKSTREAM'])
    return [...gone, ...made.filter(() => random.chance(0.8))]
  }
}

/** With an argument too few, too many, or twice. An XADD with `*` stays on the keys where the clock does not matter. */
function damaged(random: Random, args: Args): Args {
  const changed = random.weighted<Args>([
    [5, args.slice(0, 1 + random.below(args.length))],
    [2, [...args, random.pick(['x', '1', '*'])]],
    [2, args.flatMap((arg, i) => (i > 0 && random.chance(0.2) ? [arg, arg] : [arg]))],
  ])
  const isRisky = changed[0] === 'XADD' && changed.indexOf('*') > 1 && !/^[cf]$/.test(changed[1]!)
  return isRisky ? args : changed
}

/** Words in other cases; keys and names are small letters already and stay, since they are told apart. */
function recased(random: Random, args: Args): Args {
  return args.map((arg) => (/^[A-Z]{2,}$/.test(arg) ? mixed(random, arg) : arg))
}

/**
 * Options, IDs and signs end at a NUL; keys, names and values go on after it, in the commands that make up for a difference
 * too. Where a subcommand has one it is chance what 7.0 does: what it may do to a key is undone.
 */
function ended(random: Random, commands: readonly Args[]): Args[] {
  const words = new Map(commands[0]!.slice(1).map((word) => [word, word]))
  for (const word of words.keys()) if (random.chance(0.2)) words.set(word, `${word}\0${random.pick(['', 'x'])}`)
  const made = commands.map(([name, ...rest]) => [name!, ...rest.map((arg) => words.get(arg) ?? arg)])
  const [[name, subcommand, target] = []] = made
  if (name !== 'XGROUP' || subcommand?.includes('\0') !== true || target === undefined) return made
  return [...made, ['SET', target, 'text'], ['DEL', target]]
}

function mixed(random: Random, word: string): string {
  if (random.chance(0.5)) return word.toLowerCase()
  return Array.from(word, (letter) => (random.chance(0.5) ? letter.toLowerCase() : letter)).join('')
}

/**
 * What once differed, kept as it was sent: a seed means something else as soon as the grammar changes, these do not.
 *
 *   rounds      seeds of whole rounds, for what they are worth today
 *   histories   pipelines, one after another, on one connection
 *   schedules   steps of several connections
 *   bytes       that need not be requests
 */
import type { HistoryOptions } from './differential.ts'
import { consumerSeen, type Args } from './differential-grammar.ts'
import type { Step } from './differential-step.ts'

export const keptRounds: readonly number[] = [1195727605, 1629727401]

interface KeptHistory {
  readonly name: string
  readonly options: HistoryOptions
  readonly pipelines: readonly (readonly Args[])[]
}

const read: Args = ['XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>']
const autoClaim: Args = ['XAUTOCLAIM', 's', 'g', 'alice', '0', '0']
const seen = consumerSeen('s', 'g', 'alice')
/** Some milliseconds pass, in pipelines that are each shorter than all of them. */
const times: readonly (readonly Args[])[] = Array.from({ length: 6 }, () => [
  ['XREAD', 'BLOCK', '20', 'STREAMS', 'none', '$'],
])

export const keptHistories: readonly KeptHistory[] = [
  {
    name: 'rounds 1195727605 and 1629727401: a consumer that finds nothing, later, is seen all the same',
    options: { protocol: 3, nodeEntriesMax: 4, nodeBytesMax: 0 },
    pipelines: [
      [['XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM'], read, seen],
      ...times,
      [read, seen, ['XINFO', 'STREAM', 's', 'FULL']],
      ...times,
      [autoClaim, seen, ['XINFO', 'CONSUMERS', 's', 'g']],
    ],
  },
]

interface KeptSchedule {
  readonly name: string
  readonly protocol: 2 | 3
  readonly steps: readonly Step[]
}

const command = (connection: number, ...args: string[]): Step => ({ kind: 'command', connection, args })
const made = (...args: string[]): Step => ({
  kind: 'quiet command',
  connection: 4,
  args: ['XGROUP', 'createConsumer', ...args],
})

export const keptSchedules: readonly KeptSchedule[] = [
  {
    name: 'schedule 2119382538: an expiry that is set to what it was ends a watched transaction',
    protocol: 3,
    // By EXPIREAT where it had EXPIRE: the same to the millisecond however slow the servers are.
    steps: [
      command(4, 'XGROUP', 'CREATE', 's', 'h', '$', 'MKSTREAM'),
      made('s', 'h', 'a'),
      made('s', 'h', 'b'),
      made('s', 'h', 'c'),
      command(0, 'XREADGROUP', 'BLOCK', '0', 'COUNT', '1', 'GROUP', 'g', 'a', 'STREAMS', 's', '>'),
      made('s', 'g', 'a'),
      command(4, 'CLIENT', 'UNBLOCK', '{client:0}'),
      command(2, 'XREADGROUP', 'COUNT', '2', 'BLOCK', '0', 'GROUP', 'g', 'c', 'STREAMS', 't', '>'),
      made('t', 'g', 'c'),
      command(0, 'XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'),
      command(4, 'EXPIREAT', 's', '4000000000'),
      command(1, 'WATCH', 's'),
      command(4, 'EXPIREAT', 's', '4000000000'),
      command(1, 'MULTI'),
      command(1, 'XADD', 's', '2-*', 'f', '68'),
      command(1, 'EXEC'),
    ],
  },
]

interface KeptBytes {
  readonly name: string
  /** What the servers hold before. */
  readonly before: readonly Args[]
  readonly sent: string
  /** Of the allowed differences those that it shows; 'same' for none. */
  readonly verdict: string
}

const deletedAt5: readonly Args[] = [
  ['XADD', 's', '5-1', 'f', 'v'],
  ['XDEL', 's', '5-1'],
]

export const keptBytes: readonly KeptBytes[] = [
  {
    name: 'seed 1252829856, case 8269: XSETID below a deleted ID',
    before: deletedAt5,
    sent: `XTRIM f MAXLEN 5\r\nXSETID s 0\r\nDML s\r\nXADD s 6-* 12 33 f xxxxxx9${'x'.repeat(55)}\r\nXDEL v + 9-3 8-3\r\n`,
    verdict: 'XSETID below a deleted ID',
  },
  {
    name: 'seed 1252829856, case 6039: the ID + of XREAD, and a length that is none',
    before: [],
    sent:
      '*6\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$1\r\n1\r\n$8\r\nSTREAMS\0\r\n$1\r\nt\r\n$2\r\n+\0\r\n' +
      '*3\r\n$3\r\nSET\r\n$1\r\nw\r\n$2147483648\r\n5\r\n*2\r\n$4\r\nXLEN\r\n$1\r\ns\r\n',
    verdict: 'XREAD +',
  },
  {
    name: 'the sentence about streams without IDs',
    before: [],
    sent: 'XREAD STREAMS s t 0\r\nXADD s 1-1 f v\r\n',
    verdict: 'XREAD +',
  },
]

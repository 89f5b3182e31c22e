/**
 * The differences to redis-server 7.0.15 that we mean: what, why, where it is written, and how narrowly it is recognised.
 * The suite fails when there are more than ten, and when the example of one shows no difference any more.
 */
import { requestLimits } from '@millrace/protocol'
import type { Step } from './differential-step.ts'
import type { Tree } from './differential-tree.ts'

/** A command and its two replies. */
export interface Exchange {
  readonly args: readonly string[]
  readonly ours: Tree
  readonly theirs: Tree
}

/** All that two servers answered to the same bytes, which need not be requests, until the connection ended. */
export interface Transcript {
  readonly sent: string
  readonly ours: string
  readonly theirs: string
}

interface Described {
  readonly name: string
  readonly what: string
  readonly why: string
  /** Where it is documented or discussed. */
  readonly reference: string
}

/** A difference in the reply to a command; in transcripts it shows as it does in the replies to what was sent. */
export interface AllowedReply extends Described {
  /** Commands, or the steps of a schedule, of which one's replies show it. */
  readonly example: readonly (readonly string[])[] | { readonly steps: readonly Step[] }
  /** Whether these replies differ by this and nothing else. */
  readonly explains?: (exchange: Exchange) => boolean
  /**
   * The reply without what may differ in it: what then is left must be the same, or be explained by the others. The last
   * argument: of the stream that XINFO is asked about no entry has gone, nor a count been set.
   */
  readonly without?: (args: readonly string[], reply: Tree, isCountedAlike: boolean) => Tree
  /** Whether the command has left the servers with different keys. */
  readonly parts?: (args: readonly string[]) => boolean
}

/** A difference in what bytes are taken for a request. */
export interface AllowedTranscript extends Described {
  readonly example: string
  readonly explains: (transcript: Transcript) => boolean
}

export const allowedReplies: readonly AllowedReply[] = [
  {
    name: 'what chance decides',
    what: 'The order of keys in SCAN and KEYS, where a SCAN that is not at its end stops, and of subcommands in COMMAND INFO; which error tells that no ID ms-* is left; whether a subcommand ends at a NUL',
    why: 'Redis differs from itself there: by the seed of a hash table, whose buckets are compared as C strings, and by an errno that an earlier command has left.',
    reference: 'https://redis.io/docs/latest/commands/scan/ (guarantees); observed for XADD',
    example: [
      ['MSET', ...Array.from({ length: 200 }, (_, i) => [`key:${i}`, 'v']).flat()],
      ['KEYS', '*'],
    ],
    explains({ args, ours, theirs }) {
      const name = args[0]!.toLowerCase()
      if (name === 'keys') return isEqual(sorted(ours), sorted(theirs))
      if (name === 'scan') return isPart(ours) || isPart(theirs) || isEqual(withSorted(ours, 2), withSorted(theirs, 2))
      if (name === 'xadd') return noIdLeft.has(String(ours)) && staleErrors.has(String(theirs))
      // 7.0 takes one that it meets in the same bucket of its table, and then does whatever that does.
      if (args[1]?.includes('\0') === true && typeof ours === 'string')
        return ours.startsWith('-ERR unknown subcommand')
      return name === 'command' && isEqual(withSortedSubcommands(ours), withSortedSubcommands(theirs))
    },
  },
  {
    name: 'XINFO of 8.x',
    what: 'XINFO tells of idempotent producers, entries given back, when a consumer last got something, and counts entries-read and lag by the rules of 8.x',
    why: 'Redis has the fields since 7.2 to 8.8, and changed the rules in 7.4 to 8.10: 7.0 has a lag that is too large or negative after XDEL, XTRIM, XSETID and ENTRIESREAD.',
    reference:
      'https://redis.io/docs/latest/commands/xinfo-stream/; https://github.com/redis/redis/pull/13338, /13473, /13958, /14259',
    example: [
      ['XADD', 's', '1-1', 'f', 'v'],
      ['XGROUP', 'CREATE', 's', 'g', '0', 'ENTRIESREAD', '100'],
      ['XINFO', 'GROUPS', 's'],
    ],
    without(args, reply, isCountedAlike) {
      if (args[0]!.toLowerCase() !== 'xinfo') return reply
      return withoutFields(reply, isCountedAlike ? newerFields : fieldsThatDiffer)
    },
  },
  {
    name: 'XSETID below a deleted ID',
    what: 'XSETID refuses an ID below the highest that was deleted',
    why: 'So does Redis since 7.2: IDs would be given twice, and the lag of groups be wrong.',
    reference: 'https://redis.io/docs/latest/commands/xsetid/',
    example: [
      ['XADD', 's', '1-1', 'f', 'v'],
      ['XDEL', 's', '1-1'],
      ['XSETID', 's', '0-5'],
    ],
    // After it the grammar deletes the key, so that both go on from the same.
    explains: ({ args, ours, theirs }) =>
      args[0]!.toLowerCase() === 'xsetid' &&
      ours === '-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id' &&
      (theirs === '+OK' || setIdRefusals.has(String(theirs))),
  },
  {
    name: 'counts beyond 2^52',
    what: 'Delivery counts and moments of expiry beyond 2^53, and entries-added beyond 2^52, which only a client can set, are told rounded',
    why: 'They are kept as plain numbers: nobody counts so far, nor lives 285,000 years, and a 64-bit number for each would cost every entry.',
    reference: 'packages/engine/README.md',
    example: [
      ['XADD', 's', '1-1', 'f', 'v'],
      ['XGROUP', 'CREATE', 's', 'g', '0'],
      ['XCLAIM', 's', 'g', 'alice', '0', '1-1', 'FORCE', 'RETRYCOUNT', '9007199254740993'],
      ['XPENDING', 's', 'g', '-', '+', '1'],
    ],
    without: (args, reply) =>
      /^(?:xpending|xinfo|p?ttl|p?expiretime)$/i.test(args[0]!) ? withoutLargeCounts(reply) : reply,
  },
  {
    name: 'XREAD +',
    what: 'The ID + is taken by XREAD; sentences about IDs name it, and the command',
    why: 'Redis has it, and them, since 7.4.',
    reference: 'https://github.com/redis/redis/pull/13117',
    example: [['XREAD', 'STREAMS', 's', '+']],
    explains({ args, ours, theirs }) {
      const name = args[0]!.toLowerCase()
      if (theirs === "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.") {
        return ours === unbalanced[name]
      }
      if (theirs !== '-ERR Invalid stream ID specified as stream command argument' || !args.some(isPlus)) return false
      // 7.0 looks no further than the first of them.
      if (name === 'xread') return true
      const refusal = '-ERR The + ID is meaningless in the context of XREADGROUP'
      return name === 'xreadgroup' && typeof ours === 'string' && ours.startsWith(refusal)
    },
  },
  {
    name: 'consumers that get nothing',
    what: 'XREADGROUP, XCLAIM and XAUTOCLAIM make their consumer also when they find nothing for it',
    why: 'So does Redis since 7.2; 7.0 made it with the first entry that it got.',
    reference: 'https://github.com/redis/redis/pull/11099',
    example: [
      ['XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM'],
      ['XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>'],
      ['XGROUP', 'createConsumer', 's', 'g', 'alice'],
    ],
    // After each of them the grammar reads the consumer's history, or makes it in this spelling, so that both servers have it.
    explains: ({ args, ours, theirs }) => args[1] === 'createConsumer' && ours === ':0' && theirs === ':1',
  },
  {
    name: 'what a blocked reader is told',
    what: 'A blocked XREADGROUP whose key or group goes, and a reader of several streams to which one transaction adds, is told what it would be told if it came now',
    why: 'So does Redis since 7.2, which runs the command again; 7.0 has two sentences of its own, and serves the first of the streams.',
    reference: 'https://github.com/redis/redis/pull/11012',
    example: {
      steps: [
        { kind: 'command', connection: 0, args: ['XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM'] },
        { kind: 'command', connection: 0, args: ['XGROUP', 'CREATECONSUMER', 's', 'g', 'alice'] },
        {
          kind: 'command',
          connection: 1,
          args: ['XREADGROUP', 'GROUP', 'g', 'alice', 'BLOCK', '0', 'STREAMS', 's', '>'],
        },
        { kind: 'command', connection: 0, args: ['DEL', 's'] },
      ],
    },
    explains: ({ args, ours, theirs }) =>
      (/^xread(?:group)?$/i.test(args[0]!) && hasOneOf(ours, theirs)) ||
      (args[0]!.toLowerCase() === 'xreadgroup' &&
        (theirs === '-UNBLOCKED the stream key no longer exists' ||
          theirs === '-NOGROUP the consumer group this client was blocked on no longer exists') &&
        typeof ours === 'string' &&
        /^-(?:NOGROUP No such key '.*' or consumer group '.*' in XREADGROUP with GROUP option|WRONGTYPE .*)$/.test(
          ours,
        )),
    // The entries of the other streams are delivered then, or not.
    parts: (args) => args[0]!.toLowerCase() === 'xreadgroup' && isOfSeveral(args),
  },
]

/** Whether a read's reply has one stream, and ours more, that one among them. */
function hasOneOf(ours: Tree, theirs: Tree): boolean {
  if (!Array.isArray(ours) || !Array.isArray(theirs)) return false
  const [mine, other] = [streamsOf(ours), streamsOf(theirs)]
  return other.length === 1 && mine.length > 1 && mine.some((stream) => isEqual(stream, other[0]!))
}

/** Pairs of a name and entries: arrays in RESP2, a map in RESP3. */
function streamsOf(reply: readonly Tree[]): Tree[] {
  if (reply[0] !== '%') return reply.slice(1)
  return reply.slice(1).flatMap((name, i, all) => (i % 2 === 0 ? [[name, all[i + 1]!]] : []))
}

function isOfSeveral(args: readonly string[]): boolean {
  return args.length - args.findIndex((arg) => /^streams$/i.test(arg)) > 3
}

/** Both end it at a NUL. */
function isPlus(arg: string): boolean {
  return arg === '+' || arg.startsWith('+\0')
}

const unbalanced: Readonly<Record<string, string>> = {
  xread: "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
  xreadgroup: "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
}
const newerFields = new Set(
  'idmp-duration idmp-maxsize pids-tracked iids-tracked iids-added iids-duplicates nacked-count inactive active-time'.split(
    ' ',
  ),
)
const fieldsThatDiffer = new Set([...newerFields, 'entries-read', 'lag'])
/** What 7.0 refuses otherwise, which is looked at later. */
const setIdRefusals = new Set([
  '-ERR The ID specified in XSETID is smaller than the target stream top item',
  '-ERR The entries_added specified in XSETID is smaller than the target stream length',
])
const noIdLeft = new Set([
  '-ERR The stream has exhausted the last possible ID, unable to add more items',
  '-ERR The ID specified in XADD is equal or smaller than the target stream top item',
])
/** What an errno that an earlier command has left makes of it. */
const staleErrors = new Set([...noIdLeft, '-ERR Elements are too large to be stored'])

function withoutLargeCounts(reply: Tree): Tree {
  if (Array.isArray(reply)) return reply.map(withoutLargeCounts)
  return /^:-?\d{16,}$/.test(reply) && Math.abs(Number(reply.slice(1))) >= 2 ** 52 ? ':large' : reply
}

/** A map, or what RESP2 makes of it, without these fields and their values, however deep. */
function withoutFields(reply: Tree, fields: ReadonlySet<string>): Tree {
  if (!Array.isArray(reply)) return reply
  const kept: Tree[] = []
  for (let i = 0; i < reply.length; i++) {
    const item = reply[i]!
    if (typeof item === 'string' && fields.has(item.slice(1))) i++
    else kept.push(withoutFields(item, fields))
  }
  return kept
}

export const allowedTranscripts: readonly AllowedTranscript[] = [
  {
    name: 'bytes that are no request',
    what: 'Other bytes than CR LF after an argument, a control character at the beginning of a request, and a NUL in an inline one or in a length, end the connection',
    why: 'Redis skips two bytes whatever they are, and goes on out of step; and it works on C strings, so that it never sees the end of a line with a NUL, or of a TLS handshake, and waits.',
    reference: 'https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings',
    example: '*1\r\n$4\r\nPINGxx',
    explains({ sent, ours, theirs }) {
      const at = ours.lastIndexOf('-ERR Protocol error')
      if (at < 0) return false
      const [before, error] = [ours.slice(0, at), ours.slice(at)]
      if (noRequest.test(error)) return theirs.startsWith(before)
      // A line with a NUL, which Redis does not see the end of.
      return sent.includes('\0') && theirs === before && badLine.test(error)
    },
  },
  {
    name: 'types that are not here',
    what: 'Commands about lists, sets, hashes, sorted sets and scripts are refused by name',
    why: 'There are streams and strings, and what goes with them.',
    reference: 'docs/commands.md',
    example: '*2\r\n$4\r\nLLEN\r\n$1\r\nl\r\n',
    explains({ ours, theirs }) {
      const at = ours.search(/-ERR '\w+' is not available: /)
      return at >= 0 && theirs.startsWith(ours.slice(0, at))
    },
  },
  {
    name: 'limits of a request',
    what: 'A request of more than 1,048,576 arguments, and an argument of more than 64 MiB, is refused by default',
    why: 'Redis takes 2^31 arguments of 512 MiB, and waits for them; a process with a heap bound does not.',
    reference: 'https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/ (proto-max-bulk-len)',
    example: '*1048577\r\n',
    explains({ sent, ours, theirs }) {
      const at = ours.search(/-ERR Protocol error: invalid (?:multibulk|bulk) length\r\n$/)
      return at >= 0 && theirs.startsWith(ours.slice(0, at)) && [...sent.matchAll(/([*$])(\d+)\r/g)].some(isOverLimit)
    },
  },
]

/** With it ours ends, where theirs goes on or waits. */
const noRequest =
  /^-ERR Protocol error: (?:expected CRLF after an argument|expected '\*' or text, got the byte \d+|a NUL in an inline request)\r\n$/

function isEqual(one: Tree, other: Tree): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** SCAN's reply when there are more keys: which of them it has is as much chance as its cursor. */
function isPart(reply: Tree): boolean {
  return Array.isArray(reply) && reply.length === 3 && typeof reply[1] === 'string' && /^\$[1-9]\d*$/.test(reply[1])
}

function sorted(list: Tree): Tree {
  if (!Array.isArray(list)) return list
  return [...list].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
}

function withSorted(list: Tree, index: number): Tree {
  return Array.isArray(list) ? list.map((item, i) => (i === index ? sorted(item) : item)) : list
}

/** Of each command that COMMAND INFO tells, the tenth element. */
function withSortedSubcommands(list: Tree): Tree {
  return Array.isArray(list) ? list.map((command) => withSorted(command, 10)) : list
}

const badLine = /^-ERR Protocol error: (?:expected '\$', got|invalid (?:multi)?bulk length)/s

/** A length that we refuse and Redis takes. */
function isOverLimit([, type, digits]: RegExpMatchArray): boolean {
  const length = Number(digits)
  if (type === '*') return length > requestLimits.argumentsMax && length < 2 ** 31
  return length > requestLimits.bulkBytesMax && length <= 512 * 1024 * 1024
}

/**
 * Replies as trees, and whether two are the same but for the clock.
 *
 *   *2\r\n:5\r\n$1\r\na\r\n   ──►   ['*', ':5', '$a']
 *
 * Of the clock depend idle times, times to live and the moments in XINFO, each at its own place in its own command's reply,
 * and IDs that it gave: these are masked, and must lie as near each other as the time allows that the commands took.
 */
import { ReplyReader, type ReplyValue } from '@millrace/protocol'

/** A reply as text and lists: `+OK`, `:5`, `$abc`, `_`; lists begin with their type, `*`, `%` (keys and values in turn), `~`. */
export type Tree = string | Tree[]

/** Of both servers' clocks, which they read once for several commands. */
const CLOCK_SLACK_MS = 5

interface Time {
  readonly ms: number
  /** It is told in so many milliseconds. */
  readonly unitMs: number
}

export function treeOf(frame: string): Tree {
  const reader = new ReplyReader()
  reader.feed(Buffer.from(frame, 'latin1'))
  return reader.next() ? tree(reader.value()) : ''
}

function tree(value: ReplyValue): Tree {
  switch (value.kind) {
    case 'simple':
      return `+${value.text}`
    case 'error':
      return `-${value.line}`
    case 'integer':
    case 'big':
    case 'boolean':
      return `:${value.value}`
    case 'bulk':
      return `$${value.bytes.toString('latin1')}`
    case 'verbatim':
      return `=${value.format}:${value.bytes.toString('latin1')}`
    case 'double':
      return `,${value.text}`
    case 'null':
      return value.isArray ? '*-1' : '_'
    case 'array':
    case 'set':
    case 'push':
      return [{ array: '*', set: '~', push: '>' }[value.kind], ...value.items.map(tree)]
    case 'map':
      return ['%', ...value.entries.flatMap(([key, item]) => [tree(key), tree(item)])]
    case 'attributed':
      return ['|', tree(value.attributes), tree(value.value)]
  }
}

/** Whether two replies to a command are the same but for times, which may differ by so many milliseconds. */
export function isSameButClock(args: readonly string[], ours: Tree, theirs: Tree, clockMsMax: number): boolean {
  const [ourTimes, theirTimes]: [Time[], Time[]] = [[], []]
  const mine = masked(args, ours, ourTimes)
  const other = masked(args, theirs, theirTimes)
  if (JSON.stringify(mine) !== JSON.stringify(other)) return false
  return ourTimes.every(({ ms, unitMs }, i) => {
    const roundedMs = unitMs === 1 ? 0 : unitMs
    return Math.abs(ms - theirTimes[i]!.ms) <= clockMsMax + CLOCK_SLACK_MS + roundedMs
  })
}

/** The reply with a mark in the place of each time; the times go into `times`. */
function masked(args: readonly string[], reply: Tree, times: Time[]): Tree {
  return maskOwn(args, maskIds(reply, times), times)
}

/** A moment of these years in milliseconds, and what was counted in it, which differs when two servers are not in step. */
const clockId = /^\$(1\d{12})-\d+$/

function maskIds(reply: Tree, times: Time[]): Tree {
  if (typeof reply !== 'string') return reply.map((item) => maskIds(item, times))
  const found = clockId.exec(reply)
  if (found === null) return reply
  times.push({ ms: Number(found[1]), unitMs: 1 })
  return '$clock'
}

/** What tells times in the reply to this command. */
function maskOwn(args: readonly string[], reply: Tree, times: Time[]): Tree {
  const name = args[0]!.toLowerCase()
  const second = args[1]?.toLowerCase()
  if (name === 'xpending' && args.length > 3) return maskRows(reply, times)
  if (name === 'xinfo' && (second === 'consumers' || second === 'stream')) return maskFields(reply, times)
  if (name === 'ttl' || name === 'expiretime') return maskTime(reply, times, 1000)
  if (name === 'time') return maskMoment(reply, times)
  if (name === 'pttl' || name === 'pexpiretime') return maskTime(reply, times, 1)
  return reply
}

/** Rows of a pending list: `[id, consumer, time, count]`, and `[id, time, count]` inside a consumer. */
function maskRows(reply: Tree, times: Time[]): Tree {
  if (!Array.isArray(reply)) return reply
  return reply.map((row) => {
    if (!Array.isArray(row) || (row.length !== 5 && row.length !== 4)) return row
    const at = row.length - 2
    return row.map((item, i) => (i === at ? maskTime(item, times, 1) : item))
  })
}

const timeFields = new Set(['$idle', '$inactive', '$seen-time', '$active-time'])

/** A map, or what RESP2 makes of it: the values of the fields that tell times, however deep. */
function maskFields(reply: Tree, times: Time[]): Tree {
  if (!Array.isArray(reply)) return reply
  return reply.map((item, i) => {
    const field = i > 0 ? reply[i - 1]! : ''
    if (typeof field === 'string' && timeFields.has(field)) return maskTime(item, times, 1)
    if (field === '$pending') return maskRows(item, times)
    return maskFields(item, times)
  })
}

/** Seconds and microseconds. */
function maskMoment(reply: Tree, times: Time[]): Tree {
  if (!Array.isArray(reply) || reply.length !== 3) return reply
  const [seconds, micros] = [Number(String(reply[1]).slice(1)), Number(String(reply[2]).slice(1))]
  times.push({ ms: seconds * 1000 + micros / 1000, unitMs: 1 })
  return '$clock'
}

/** -1 and -2 say that there is no time, and stay. */
function maskTime(item: Tree, times: Time[], unitMs: number): Tree {
  if (typeof item !== 'string' || !/^:\d+$/.test(item)) return item
  times.push({ ms: Number(item.slice(1)) * unitMs, unitMs })
  return ':time'
}

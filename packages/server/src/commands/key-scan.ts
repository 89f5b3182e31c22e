/** Walks over the keys: SCAN step by step, KEYS all at once. */
import { scan as scanKeys, type ScanResult } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { Glob } from '../glob.ts'

export const keyScanCommands: readonly Command[] = [
  {
    name: 'scan',
    summary: 'Incrementally iterate the keys space.',
    since: '2.8.0',
    complexity:
      'O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.',
    group: 'generic',
    arity: -2,
    flags: ['readonly'],
    categories: ['keyspace'],
    keys: [],
    tips: ['nondeterministic_output', 'request_policy:special'],
    arguments: [
      { name: 'cursor', type: 'integer' },
      { name: 'pattern', type: 'pattern', token: 'MATCH', isOptional: true },
      { name: 'count', type: 'integer', token: 'COUNT', isOptional: true },
      { name: 'type', type: 'string', token: 'TYPE', since: '6.0.0', isOptional: true },
    ],
    run: scan,
  },
  {
    name: 'keys',
    summary: 'Find all keys matching the given pattern.',
    since: '1.0.0',
    complexity:
      'O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the given pattern have limited length.',
    group: 'generic',
    arity: 2,
    flags: ['readonly'],
    categories: ['keyspace', 'dangerous'],
    keys: [],
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
    arguments: [{ name: 'pattern', type: 'pattern' }],
    run: keys,
  },
]

const COUNT_DEFAULT = 10
const CURSOR_END = 2n ** 64n

interface Filter {
  readonly countMax: number
  readonly glob: Glob | undefined
  readonly type: string | undefined
}

function scan(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const cursor = cursorOf(request.text(1))
  const { countMax, glob, type } = filterOf(request)
  const { cursor: next, keys }: ScanResult =
    cursor === undefined ? { cursor: 0, keys: [] } : scanKeys(database, cursor, countMax, nowMs)
  const found = keys.filter(
    (key) => (type === undefined || database.peek(key)!.type === type) && (glob === undefined || glob.matches(key)),
  )
  reply.array(2)
  reply.bulkText(String(next))
  replyKeys(client, found)
}

/** Undefined: a number that no scan gives, where there is nothing to go on with. As strtoul: a sign is welcome, nothing is 0. */
function cursorOf(text: string): number | undefined {
  const match = /^(?:([+-]?)(\d+))?(?:\0|$)/.exec(text)
  const value = BigInt(match?.[2] ?? 0)
  if (match === null || value >= CURSOR_END) throw new ReplyError('ERR invalid cursor')
  const isOurs = value === 0n || (match[1] !== '-' && value <= Number.MAX_SAFE_INTEGER)
  return isOurs ? Number(value) : undefined
}

function filterOf(request: Request): Filter {
  let countMax = COUNT_DEFAULT
  let pattern = '*'
  let type: string | undefined
  for (let i = 2; i < request.count; i += 2) {
    if (i + 1 === request.count) throw new ReplyError(lines.syntax)
    if (request.is(i, 'COUNT')) countMax = countOf(request, i + 1)
    else if (request.is(i, 'MATCH')) pattern = request.text(i + 1)
    else if (request.is(i, 'TYPE'))
      type = request
        .text(i + 1)
        .split('\0', 1)[0]!
        .toLowerCase()
    else throw new ReplyError(lines.syntax)
  }
  return { countMax, glob: pattern === '*' ? undefined : new Glob(pattern), type }
}

function countOf(request: Request, index: number): number {
  const count = request.integer(index)
  if (count === undefined) throw new ReplyError(lines.notInteger)
  if (count < 1) throw new ReplyError(lines.syntax)
  return Math.min(count, Number.MAX_SAFE_INTEGER)
}

function keys(client: Client, request: Request): void {
  const { database, nowMs } = client
  const pattern = request.text(1)
  const glob = pattern === '*' ? undefined : new Glob(pattern)
  const found: string[] = []
  for (const key of database.keys()) {
    const isMeant = glob === undefined || glob.matches(key)
    // As everywhere, one that has expired is gone; told as such when somebody looks at it.
    if (isMeant && database.value(key, nowMs) !== undefined) found.push(key)
  }
  replyKeys(client, found)
}

function replyKeys({ reply }: Client, found: readonly string[]): void {
  reply.array(found.length)
  for (const key of found) reply.bulkText(key)
}

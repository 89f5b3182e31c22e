/**
 * The keys among a request's arguments, as its command's key specs tell them (redis.io/docs/latest/develop/reference/key-specs).
 *
 *   XREAD  COUNT  5  STREAMS  a  b  0  0
 *                    begin ───┘              keyword: after that word; index: at that argument
 *                             a  b           find: a range (here the first half of what follows), or as many as a number says
 *
 * ACL rests on this: a key that is touched and not told here would be touched without leave. Where a keyword could also be
 * somebody's name (a group called STREAMS) the options are walked as the command itself walks them.
 */
import type { Request } from '@millrace/protocol'
import type { Command, KeySpec } from './command.ts'

export interface KeyUse {
  /** Which argument. */
  readonly index: number
  readonly access: KeySpec['access']
  readonly uses: KeySpec['uses']
}

/** Every key of a request; undefined when its arguments cannot be understood. Channels that are told as keys are left out. */
export function keysOf(command: Command, request: Request): KeyUse[] | undefined {
  const keys: KeyUse[] = []
  for (const spec of command.keys) {
    if (spec.uses.includes('not_key')) continue
    const range = rangeOf(spec, request)
    if (range === undefined) return undefined
    const { access, uses } = usesOf(spec, request)
    for (let index = range.first; index <= range.last; index += range.step) {
      if (index >= request.count) return undefined
      keys.push({ index, access, uses })
    }
  }
  return keys
}

interface Range {
  readonly first: number
  readonly last: number
  readonly step: number
}

const noKeys: Range = { first: 1, last: 0, step: 1 }

function rangeOf(spec: KeySpec, request: Request): Range | undefined {
  const first = beginOf(spec, request)
  if (first === undefined) return noKeys
  if (first >= request.count) return undefined
  const { find } = spec
  if ('keyNumIndex' in find) {
    const at = first + find.keyNumIndex
    const count = at < request.count ? request.integer(at) : undefined
    if (count === undefined || count < 0 || count > request.count) return undefined
    const firstKey = first + find.firstKey
    return { first: firstKey, last: firstKey + (count - 1) * find.keyStep, step: find.keyStep }
  }
  if (find.lastKey >= 0) return { first, last: first + find.lastKey, step: find.keyStep }
  const end = find.limit <= 1 ? request.count : first + Math.floor((request.count - first) / find.limit)
  return { first, last: end + find.lastKey, step: find.keyStep }
}

function beginOf({ begin }: KeySpec, request: Request): number | undefined {
  if ('index' in begin) return begin.index
  if (begin.keyword === 'STREAMS') {
    const walked = streamsKeyword(request)
    if (walked !== undefined) return walked + 1
  }
  const step = begin.startFrom < 0 ? -1 : 1
  const start = begin.startFrom < 0 ? request.count + begin.startFrom : begin.startFrom
  for (let i = start; i > 0 && i < request.count; i += step) if (request.is(i, begin.keyword)) return i + 1
  return undefined
}

/** Options of XREAD and XREADGROUP before STREAMS, and how many arguments each takes. */
const readOptions: Readonly<Record<string, number>> = {
  COUNT: 1,
  BLOCK: 1,
  MAXCOUNT: 1,
  MAXSIZE: 1,
  CLAIM: 1,
  GROUP: 2,
  NOACK: 0,
}

function streamsKeyword(request: Request): number | undefined {
  for (let i = 1; i < request.count; i++) {
    if (request.is(i, 'STREAMS')) return i
    const takes = request.length(i) > 8 ? undefined : readOptions[request.text(i).toUpperCase()]
    if (takes === undefined) return undefined
    i += takes
  }
  return undefined
}

/** SET reads what it overwrites when it is asked to. */
function usesOf(spec: KeySpec, request: Request): Pick<KeyUse, 'access' | 'uses'> {
  if (!spec.uses.includes('variable_flags')) return spec
  for (let i = 3; i < request.count; i++) if (request.is(i, 'GET')) return { access: 'RW', uses: ['access', 'update'] }
  return { access: 'OW', uses: ['update'] }
}

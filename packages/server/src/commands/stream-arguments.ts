/**
 * What arguments of stream commands have in common: IDs, ends of ranges, numbers, and the options that trim.
 *
 *   XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [IDMP …] [MAXLEN|MINID [=|~] threshold [LIMIT n]] id field value …
 *   XTRIM key             [KEEPREF|DELREF|ACKED]           MAXLEN|MINID [=|~] threshold [LIMIT n]
 *
 * Arguments are read from left to right and the first bad one is the error, as in Redis. An option whose value is missing
 * is no option: XADD then takes it for the ID.
 */
import {
  EngineError,
  ID_MAX,
  IdCell,
  nextId,
  parseId,
  parseLowerBound,
  parseUpperBound,
  previousId,
  readPlainId,
  toStreamId,
  type ReferenceRule,
  type StreamId,
  type TrimRule,
} from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import { lines, ReplyError } from '../error-lines.ts'

const DASH = 0x2d
const EQUALS = 0x3d
const TILDE = 0x7e
const PLUS = 0x2b

/** A signed 64-bit number, or the error that says it is none. Beyond 2^53 the nearest one. */
export function integerAt(request: Request, index: number, line: string = lines.notInteger): number {
  const value = request.integer(index)
  if (value === undefined) throw new ReplyError(line)
  return value
}

/** As `integerAt`, exact; for numbers that clients get to see again. */
export function bigintAt(request: Request, index: number, line: string = lines.notInteger): bigint {
  const value = request.bigint(index)
  if (value === undefined) throw new ReplyError(line)
  return value
}

/** ENTRIESADDED. More than there can ever be is cut, so that the entries to come can be counted on top. */
export function entriesAddedAt(request: Request, index: number): number {
  const count = integerAt(request, index)
  if (count < 0) throw new ReplyError('ERR entries_added must be positive')
  return Math.min(count, 2 ** 52)
}

/** A count that the engine takes: numbers beyond 2^53 are all the same to it. */
export function toCount(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

export function idAt(request: Request, index: number): StreamId {
  return parseId(request.text(index))
}

/** An argument up to a NUL, as Redis compares those that may be a sign in place of an ID. */
export function signOrId(request: Request, index: number): string {
  const text = request.text(index)
  const nul = text.indexOf('\0')
  return nul < 0 ? text : text.slice(0, nul)
}

/** IDs up to the end of the request, or up to an argument. */
export function idsFrom(request: Request, first: number, end: number = request.count): StreamId[] {
  const ids: StreamId[] = []
  const id = new IdCell()
  for (let i = first; i < end; i++) {
    readId(request, i, id)
    ids.push(toStreamId(id))
  }
  return ids
}

/** Leaves the ID in a cell; false when the argument is none. */
export function readIdOrOther(request: Request, index: number, into: IdCell): boolean {
  try {
    readId(request, index, into)
    return true
  } catch (error) {
    if (error instanceof EngineError) return false
    throw error
  }
}

/** The lower end of a range: `-`, an ID, or `(` and an ID. */
export function startAt(request: Request, index: number): StreamId {
  const text = request.text(index)
  if (!isExclusive(text)) return parseLowerBound(text)
  const after = nextId(parseId(text.slice(1)))
  if (after === undefined) throw new ReplyError('ERR invalid start ID for the interval')
  return after
}

/** The upper end of a range: `+`, an ID, or `(` and an ID. */
export function endAt(request: Request, index: number): StreamId {
  const text = signOrId(request, index)
  if (!isExclusive(text)) return parseUpperBound(text)
  const inner = text.slice(1)
  if (inner === '-' || inner === '+' || isExclusive(inner)) throw new ReplyError(lines.badId)
  const before = previousId(parseUpperBound(inner))
  if (before === undefined) throw new ReplyError('ERR invalid end ID for the interval')
  return before
}

/** Hot: as `startAt`, into a cell. */
export function readStart(request: Request, index: number, into: IdCell): void {
  const start = request.starts[index]!
  const end = request.ends[index]!
  if (end - start === 1 && request.bytes[start] === DASH) into.setPlain(0, 0)
  else if (!readPlainId(request.bytes, start, end, into)) into.setId(startAt(request, index))
}

/** Hot: as `endAt`, into a cell. */
export function readEnd(request: Request, index: number, into: IdCell): void {
  const start = request.starts[index]!
  const end = request.ends[index]!
  if (end - start === 1 && request.bytes[start] === PLUS) into.setId(ID_MAX)
  else if (!readPlainId(request.bytes, start, end, into)) into.setId(endAt(request, index))
}

/** Hot: as `idAt`, into a cell. */
export function readId(request: Request, index: number, into: IdCell): void {
  if (readPlainId(request.bytes, request.starts[index]!, request.ends[index]!, into)) return
  into.setId(parseId(request.text(index)))
}

function isExclusive(text: string): boolean {
  return text.length > 1 && text.startsWith('(')
}

/** KEEPREF, DELREF or ACKED; undefined: another argument. */
export function referenceRuleAt(request: Request, index: number): ReferenceRule | undefined {
  if (request.is(index, 'KEEPREF')) return 'keepref'
  if (request.is(index, 'DELREF')) return 'delref'
  return request.is(index, 'ACKED') ? 'acked' : undefined
}

/** How something is trimmed, while its options are being read. */
export class TrimOptions {
  #keep: TrimRule['keep'] | undefined = undefined
  #isApproximate = false
  #limit: number | undefined = undefined
  #references: ReferenceRule | undefined = undefined

  /** Reads the option at an argument; returns the argument after it, or the same one when it is none of a trim's. */
  read(request: Request, at: number): number {
    const hasValue = at + 1 < request.count
    if (hasValue && request.is(at, 'MAXLEN')) return this.#readMaxLength(request, this.#readOperator(request, at))
    if (hasValue && request.is(at, 'MINID')) return this.#readMinId(request, this.#readOperator(request, at))
    if (hasValue && request.is(at, 'LIMIT')) return this.#readLimit(request, at + 1)
    const references = referenceRuleAt(request, at)
    if (references === undefined) return at
    if (this.#references !== undefined) throw new ReplyError(lines.syntax)
    this.#references = references
    return at + 1
  }

  /** After the last option; undefined: nothing is trimmed. */
  rule(isRequired: boolean): TrimRule | undefined {
    const keep = this.#keep
    if (keep === undefined && this.#limit !== undefined && this.#limit > 0) {
      throw new ReplyError('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy')
    }
    if (keep === undefined && isRequired) {
      throw new ReplyError('ERR syntax error, XTRIM must be called with a trimming strategy')
    }
    if (this.#limit !== undefined && !this.#isApproximate) {
      throw new ReplyError('ERR syntax error, LIMIT cannot be used without the special ~ option')
    }
    if (keep === undefined) return undefined
    return {
      keep,
      approximate: this.#isApproximate,
      ...(this.#limit !== undefined && { limit: toCount(this.#limit) }),
      ...(this.#references !== undefined && { references: this.#references }),
    }
  }

  /** Where the threshold is. */
  #readOperator(request: Request, at: number): number {
    if (this.#keep !== undefined) {
      throw new ReplyError('ERR syntax error, MAXLEN and MINID options at the same time are not compatible')
    }
    const hasBoth = at + 2 < request.count
    this.#isApproximate = hasBoth && signAt(request, at + 1) === TILDE
    return this.#isApproximate || (hasBoth && signAt(request, at + 1) === EQUALS) ? at + 2 : at + 1
  }

  #readMaxLength(request: Request, at: number): number {
    const entries = integerAt(request, at)
    if (entries < 0) throw new ReplyError('ERR The MAXLEN argument must be >= 0.')
    this.#keep = { kind: 'max-len', entries: toCount(entries) }
    return at + 1
  }

  #readMinId(request: Request, at: number): number {
    this.#keep = { kind: 'min-id', id: idAt(request, at) }
    return at + 1
  }

  #readLimit(request: Request, at: number): number {
    this.#limit = integerAt(request, at)
    if (this.#limit < 0) throw new ReplyError('ERR The LIMIT argument must be >= 0.')
    return at + 1
  }
}

/** The character that an argument consists of, up to a NUL; 0: it has none or more. */
export function signAt(request: Request, index: number): number {
  const start = request.starts[index]!
  const length = request.ends[index]! - start
  return length === 1 || (length > 1 && request.bytes[start + 1] === 0) ? request.bytes[start]! : 0
}

/** The `IDS numids id …` of XDELEX and XACKDEL, and the rule beside it. */
export function readIdBlock(request: Request, first: number): { ids: StreamId[]; references: ReferenceRule } {
  let references: ReferenceRule | undefined
  let ids: StreamId[] | undefined
  for (let at = first; at < request.count;) {
    const rule = referenceRuleAt(request, at)
    if (rule !== undefined && references === undefined) {
      references = rule
      at++
    } else if (request.is(at, 'IDS') && at + 1 < request.count && ids === undefined) {
      const size = request.integer(at + 1)
      if (size === undefined || size <= 0) throw new ReplyError('ERR Number of IDs must be a positive integer')
      if (size > request.count - at - 2) {
        throw new ReplyError('ERR The `numids` parameter must match the number of arguments')
      }
      ids = idsFrom(request, at + 2, at + 2 + size)
      at += 2 + size
    } else if (ids !== undefined && rule === undefined) {
      throw new ReplyError('ERR The `numids` parameter must match the number of arguments')
    } else {
      throw new ReplyError(lines.syntax)
    }
  }
  if (ids === undefined) throw new ReplyError('ERR IDS option is required')
  return { ids, references: references ?? 'keepref' }
}

/** As C prints a byte string: up to its first NUL. For error lines that name keys and groups. */
export function shown(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

export function noGroup(key: string, group: string, where = ''): ReplyError {
  return new ReplyError(`NOGROUP No such key '${shown(key)}' or consumer group '${shown(group)}'${where}`)
}

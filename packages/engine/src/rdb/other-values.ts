/**
 * The values of RDB files that are no streams and no strings: what they are called, and how they are passed over.
 *
 *   a row of strings        count, strings                     lists, sets, quicklists
 *   pairs                   count, name and value              hashes
 *   scored                  count, string and score            sorted sets
 *   packed                  one string with all of it          ziplist, intset, listpack, zipmap
 *   module                  id, then marked numbers and strings up to the mark 0
 */
import { EngineError } from '../errors.ts'
import type { RdbSource } from './rdb-source.ts'
import { readCount, readLength, skipString } from './rdb-values.ts'

type Skip = (source: RdbSource) => Generator<undefined, void>

interface OtherValue {
  /** What TYPE says. */
  readonly name: string
  readonly skip: Skip
}

const DOUBLE_BYTES = 8
const EXPIRY_BYTES = 8
/** Marks in what a module wrote. */
const MODULE_END = 0
const MODULE_SIGNED = 1
const MODULE_UNSIGNED = 2
const MODULE_FLOAT = 3
const MODULE_DOUBLE = 4
const MODULE_STRING = 5

const byType: ReadonlyMap<number, OtherValue> = new Map([
  [1, { name: 'list', skip: rows(1) }],
  [2, { name: 'set', skip: rows(1) }],
  [3, { name: 'zset', skip: scored(skipScoreText) }],
  [4, { name: 'hash', skip: rows(2) }],
  [5, { name: 'zset', skip: scored((source) => void source.take(DOUBLE_BYTES)) }],
  [7, { name: 'module', skip: skipModule }],
  [9, { name: 'hash', skip: packed }],
  [10, { name: 'list', skip: packed }],
  [11, { name: 'set', skip: packed }],
  [12, { name: 'zset', skip: packed }],
  [13, { name: 'hash', skip: packed }],
  [14, { name: 'list', skip: rows(1) }],
  [16, { name: 'hash', skip: packed }],
  [17, { name: 'zset', skip: packed }],
  [18, { name: 'list', skip: skipQuicklist }],
  [20, { name: 'set', skip: packed }],
  [24, { name: 'hash', skip: skipExpiringHash }],
  [25, { name: 'hash', skip: skipExpiringListpack }],
])

/** The name of a type of value, as TYPE says it; undefined: none that is known. */
export function otherTypeName(type: number): string | undefined {
  return byType.get(type)?.name
}

/** Passes a value of a known type over. Pauses from time to time. */
export function* skipValue(source: RdbSource, type: number): Generator<undefined, void> {
  yield* byType.get(type)!.skip(source)
}

/** Passes over what a module wrote, up to its end: the part of MODULE_AUX behind the module's id. */
export function* skipModuleParts(source: RdbSource): Generator<undefined, void> {
  for (;;) {
    const offset = source.offset
    const mark = readLength(source)
    if (mark === MODULE_END) return
    if (mark === MODULE_SIGNED || mark === MODULE_UNSIGNED) skipNumber(source)
    else if (mark === MODULE_FLOAT) source.take(4)
    else if (mark === MODULE_DOUBLE) source.take(8)
    else if (mark === MODULE_STRING) skipString(source)
    else source.corrupt(`a mark of a module's value was expected, not ${mark}`, offset)
    if (source.isPauseDue()) yield
  }
}

/** Passes over a number of 64 bits that is stored as a length. */
export function skipNumber(source: RdbSource): void {
  source.need(1)
  if (source.bytes[source.at] === 0x81) source.take(9)
  else readLength(source)
}

/** Refuses a type that this version does not know. */
export function refuseType(source: RdbSource, type: number, key: string): never {
  const kind = type === 26 || type === 27 ? `a stream of Redis 8.6 or later (type ${type})` : `a value of type ${type}`
  throw new EngineError(
    'NEWER_FORMAT',
    `${source.name}: the key '${key}' holds ${kind}, which this program cannot read`,
  )
}

function rows(each: number): Skip {
  return function* skipRows(source) {
    const count = readCount(source, each, 'strings')
    for (let i = 0; i < count * each; i++) {
      skipString(source)
      if (source.isPauseDue()) yield
    }
  }
}

function scored(skipScore: (source: RdbSource) => void): Skip {
  return function* skipScored(source) {
    const count = readCount(source, 2, 'strings')
    for (let i = 0; i < count; i++) {
      skipString(source)
      skipScore(source)
      if (source.isPauseDue()) yield
    }
  }
}

/** A score as text behind its length; three lengths mean what is no number, and what is infinite. */
function skipScoreText(source: RdbSource): void {
  const length = source.byte()
  if (length < 253) source.take(length)
}

// It is one string, and so there is nothing in between to pause at.
// oxlint-disable-next-line require-yield
function* packed(source: RdbSource): Generator<undefined, void> {
  skipString(source)
}

function* skipQuicklist(source: RdbSource): Generator<undefined, void> {
  const nodes = readCount(source, 2, 'nodes of a list')
  for (let i = 0; i < nodes; i++) {
    const offset = source.offset
    const container = readLength(source)
    if (container !== 1 && container !== 2) source.corrupt(`a list's node is 1 or 2, not ${container}`, offset)
    skipString(source)
    if (source.isPauseDue()) yield
  }
}

function* skipModule(source: RdbSource): Generator<undefined, void> {
  skipNumber(source)
  yield* skipModuleParts(source)
}

/** A hash whose fields expire: the earliest time, then for each field its own. */
function* skipExpiringHash(source: RdbSource): Generator<undefined, void> {
  source.take(EXPIRY_BYTES)
  const count = readCount(source, 3, 'fields')
  for (let i = 0; i < count; i++) {
    skipNumber(source)
    skipString(source)
    skipString(source)
    if (source.isPauseDue()) yield
  }
}

function* skipExpiringListpack(source: RdbSource): Generator<undefined, void> {
  source.take(EXPIRY_BYTES)
  yield* packed(source)
}

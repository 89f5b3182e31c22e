/**
 * The checks of a Backend's arguments that every implementation makes before it sends or changes anything.
 * Each throws `BAD_ARGUMENT` or `BAD_ID` and says what was expected and what came.
 */

import type {
  AddManyOptions,
  AddOptions,
  ClaimOptions,
  Durability,
  EntryId,
  FieldValue,
  Once,
  PendingOptions,
  RangeOptions,
  Trim,
} from './backend.ts'
import { StreamError } from './errors.ts'

const ONCE_KEY_BYTES_MAX = 512
const U64_MAX = 18_446_744_073_709_551_615n
/** The longest wait: what a 32-bit timer and every server can count. */
export const BLOCK_MS_MAX = 2 ** 31 - 1

/** `<ms>-<seq>`, both unsigned 64-bit decimals. */
export function isEntryId(text: unknown): text is EntryId {
  if (typeof text !== 'string') return false
  // Two numbers of 19 digits are below 2^64: nearly all IDs are recognised without a bigint.
  if (/^\d{1,19}-\d{1,19}$/.test(text)) return true
  const parts = /^(\d{1,20})-(\d{1,20})$/.exec(text)
  return parts !== null && BigInt(parts[1]!) <= U64_MAX && BigInt(parts[2]!) <= U64_MAX
}

export function checkId(text: unknown, what = 'an entry ID'): asserts text is EntryId {
  if (!isEntryId(text)) throw new StreamError('BAD_ID', `Expected ${what} as <ms>-<seq>, got ${shown(text)}`)
}

export function checkIds(ids: readonly unknown[]): void {
  if (!Array.isArray(ids)) throw new StreamError('BAD_ARGUMENT', `Expected a list of entry IDs, got ${shown(ids)}`)
  for (const id of ids) checkId(id)
}

export function checkName(what: 'stream' | 'group' | 'consumer', value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new StreamError(
      'BAD_ARGUMENT',
      `Expected the name of a ${what}, a string that is not empty, got ${shown(value)}`,
    )
  }
}

export function checkInteger(what: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new StreamError('BAD_ARGUMENT', `Expected ${what} to be an integer ${range}, got ${shown(value)}`)
  }
}

export function checkOptionalInteger(what: string, value: unknown, min: number, max?: number): void {
  if (value !== undefined) checkInteger(what, value, min, max)
}

export function checkFields(fields: readonly FieldValue[]): void {
  if (!Array.isArray(fields) || fields.length === 0 || fields.length % 2 !== 0) {
    const came = Array.isArray(fields) ? `${fields.length} values` : shown(fields)
    throw new StreamError(
      'BAD_ARGUMENT',
      `Expected fields as name, value, name, value, …, at least one pair, got ${came}`,
    )
  }
  // Hot: a plain loop.
  for (let i = 0; i < fields.length; i++) {
    const value = fields[i]
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw new StreamError(
        'BAD_ARGUMENT',
        `Expected field names and values to be strings or bytes, got ${shown(value)}`,
      )
    }
  }
}

export function checkTrim(trim: Trim): void {
  const isBothOrNeither = (trim.maxLen === undefined) === (trim.minId === undefined)
  if (isBothOrNeither && !(trim.acked === true && trim.maxLen === undefined)) {
    throw new StreamError('BAD_ARGUMENT', 'Expected exactly one of maxLen and minId to trim by, or acked alone')
  }
  checkOptionalInteger('maxLen', trim.maxLen, 0)
  if (trim.minId !== undefined) checkId(trim.minId, 'minId')
  checkOptionalInteger('limit', trim.limit, 0)
  if (trim.limit !== undefined && trim.approximate !== true) {
    throw new StreamError('BAD_ARGUMENT', 'A limit to trimming needs approximate: true')
  }
}

export function checkAdd(stream: string, fields: readonly FieldValue[], options: AddOptions): void {
  checkName('stream', stream)
  checkFields(fields)
  if (options.id !== undefined && options.id !== '*' && !isPartialId(options.id)) checkId(options.id)
  if (options.ifLastId !== undefined) checkId(options.ifLastId, 'ifLastId')
  if (options.trim !== undefined) checkTrimOfAdd(options.trim)
  checkOptionalInteger('expireMs', options.expireMs, 1)
  if (options.once !== undefined) checkOnce(options.once, options)
  if (options.durability !== undefined) checkDurability(options.durability)
}

/** What is finished is found by a look at all groups, which no append makes. */
export function checkTrimOfAdd(trim: Trim): void {
  checkTrim(trim)
  if (trim.acked === true) throw new StreamError('BAD_ARGUMENT', 'Expected acked in a call of trim only')
}

function checkOnce({ key, windowMs }: Once, { id, ifLastId }: AddOptions): void {
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : 0
  if (bytes === 0 || bytes > ONCE_KEY_BYTES_MAX) {
    throw new StreamError('BAD_ARGUMENT', `Expected a key of 1 to ${ONCE_KEY_BYTES_MAX} bytes, got ${shown(key)}`)
  }
  checkOptionalInteger('windowMs', windowMs, 1)
  if ((id !== undefined && id !== '*') || ifLastId !== undefined) {
    throw new StreamError('BAD_ARGUMENT', 'Expected once without an ID of your own and without ifLastId')
  }
}

function checkDurability(durability: Durability): void {
  if (durability === 'memory' || durability === 'fsync') return
  if (typeof durability !== 'object' || durability === null) {
    throw new StreamError(
      'BAD_ARGUMENT',
      `Expected durability to be 'memory', 'fsync' or { replicas }, got ${shown(durability)}`,
    )
  }
  checkInteger('replicas', durability.replicas, 1)
  checkOptionalInteger('timeoutMs', durability.timeoutMs, 1, BLOCK_MS_MAX)
}

export function checkAddMany(
  stream: string,
  entries: readonly (readonly FieldValue[])[],
  options: AddManyOptions,
): void {
  checkName('stream', stream)
  if (!Array.isArray(entries)) {
    throw new StreamError('BAD_ARGUMENT', `Expected a list of entries, each a list of fields, got ${shown(entries)}`)
  }
  for (let i = 0; i < entries.length; i++) checkFields(entries[i]!)
  if (options.trim !== undefined) checkTrimOfAdd(options.trim)
  checkOptionalInteger('expireMs', options.expireMs, 1)
}

/** `<ms>-*` */
function isPartialId(text: unknown): boolean {
  return typeof text === 'string' && text.endsWith('-*') && isEntryId(`${text.slice(0, -2)}-0`)
}

export function checkRange(stream: string, options: RangeOptions): void {
  checkName('stream', stream)
  if (options.from !== undefined) checkBound(options.from)
  if (options.to !== undefined) checkBound(options.to)
  checkOptionalInteger('count', options.count, 1)
}

/** `-`, `+`, `<ms>`, `<ms>-<seq>`, the latter two also exclusive with `(` in front. */
function checkBound(text: unknown): void {
  if (text === '-' || text === '+') return
  const id = typeof text === 'string' && text.startsWith('(') ? text.slice(1) : text
  const whole = typeof id === 'string' && !id.includes('-') ? `${id}-0` : id
  if (!isEntryId(whole)) {
    throw new StreamError('BAD_ID', `Expected -, + or an entry ID as the bound of a range, got ${shown(text)}`)
  }
}

/** Positions of a read: `$` and `+` for a plain one, `>` for a group's. */
export function checkPositions(positions: ReadonlyMap<string, string>, words: readonly string[]): void {
  if (!(positions instanceof Map) || positions.size === 0) {
    throw new StreamError('BAD_ARGUMENT', 'Expected a Map of at least one stream and where to read it from')
  }
  for (const [stream, position] of positions) {
    checkName('stream', stream)
    if (!words.includes(position)) checkId(position, `a position (${words.join(', ')} or an entry ID)`)
  }
}

export function checkRead(options: { readonly count?: number; readonly blockMs?: number }): void {
  checkOptionalInteger('count', options.count, 1)
  checkOptionalInteger('blockMs', options.blockMs, 1, BLOCK_MS_MAX)
}

export function checkClaim(options: ClaimOptions): void {
  checkInteger('minIdleMs', options.minIdleMs, 0)
  if (options.ids === undefined) {
    if (options.from !== undefined) checkId(options.from, 'from')
    checkOptionalInteger('count', options.count, 1)
    if (options.ifOwner !== undefined || options.idleMs !== undefined || options.uncount === true) {
      throw new StreamError('BAD_ARGUMENT', 'ifOwner, idleMs and uncount need the ids to claim')
    }
    return
  }
  checkIds(options.ids)
  if (options.ifOwner !== undefined) checkName('consumer', options.ifOwner)
  checkOptionalInteger('idleMs', options.idleMs, 0)
  if (options.uncount === true && options.justId !== true) {
    throw new StreamError('BAD_ARGUMENT', 'uncount needs justId: what is not delivered is not counted')
  }
  if (options.from !== undefined || options.count !== undefined) {
    throw new StreamError('BAD_ARGUMENT', 'from and count belong to a scan, so not together with ids')
  }
}

export function checkPending(options: PendingOptions): void {
  if (options.from !== undefined) checkBound(options.from)
  if (options.to !== undefined) checkBound(options.to)
  checkOptionalInteger('count', options.count, 1)
  if (options.consumer !== undefined) checkName('consumer', options.consumer)
  checkOptionalInteger('minIdleMs', options.minIdleMs, 0)
}

/** A value as it should stand in an error: short, and never an object's content. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null)
    return String(value)
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}

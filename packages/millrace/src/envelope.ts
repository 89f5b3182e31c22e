/**
 * What the toolkit writes into an entry beside the value's own fields. Names begin with `mr:`; a value's field may not.
 *
 *   json        {"item":"tea"}                                   the value, as its codec writes it
 *   mr:key      order-7                                          the message's own name (idempotency)
 *   mr:order    ada                                              its ordering key
 *   mr:h:NAME   …                                                a header, e.g. mr:h:traceparent
 *   mr:id       1700000000000-0                                  of a copy (retry, dead letter): the first entry's ID
 *   mr:attempts 3                                                of a copy: how many attempts were made before
 *
 *   in <stream>:delayed         mr:delay or mr:at, and mr:to: they go when the entry is moved to where it is due
 *   in <stream>:dlq             mr:group mr:consumer mr:reason mr:error mr:stack mr:stream: why it is there (dead-letter.ts)
 *
 * A field named `mr:…` that this version does not know is kept in every copy, so that versions can live side by side.
 */
import type { EntryId, FieldValue } from './backend.ts'
import { StreamError } from './errors.ts'

export const PREFIX = 'mr:'
const HEADER = 'mr:h:'

export interface Envelope {
  readonly headers: Readonly<Record<string, string>>
  /** The message's own name, chosen by its sender. */
  readonly key: string | undefined
  readonly orderingKey: string | undefined
  /** Of a copy: the ID under which the message was first added. */
  readonly originalId: EntryId | undefined
  /** Attempts that were made with earlier copies. */
  readonly attemptsBefore: number
}

/** Fields as they are stored, split into the value's own and the toolkit's. */
export interface Opened {
  readonly own: readonly Uint8Array[]
  readonly envelope: Envelope
}

const PLAIN: Envelope = {
  headers: Object.freeze({}),
  key: undefined,
  orderingKey: undefined,
  originalId: undefined,
  attemptsBefore: 0,
}

/** Does a field's name begin with `mr:`? Hot: no text is made. */
export function isEnvelopeName(name: Uint8Array): boolean {
  return name.length > 2 && name[0] === 0x6d && name[1] === 0x72 && name[2] === 0x3a
}

/** Hot: entries without an envelope, which are most, cost no copy. */
export function openEnvelope(fields: readonly Uint8Array[]): Opened {
  let isPlain = true
  for (let i = 0; i < fields.length; i += 2) if (isEnvelopeName(fields[i]!)) isPlain = false
  if (isPlain) return { own: fields, envelope: PLAIN }
  const own: Uint8Array[] = []
  const known = new Map<string, string>()
  const headers: Record<string, string> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (!isEnvelopeName(fields[i]!)) {
      own.push(fields[i]!, fields[i + 1]!)
      continue
    }
    const name = toText(fields[i]!)
    if (name.startsWith(HEADER)) define(headers, name.slice(HEADER.length), toText(fields[i + 1]!))
    else known.set(name, toText(fields[i + 1]!))
  }
  const attempts = Number(known.get('mr:attempts') ?? 0)
  return {
    own,
    envelope: {
      headers,
      key: known.get('mr:key'),
      orderingKey: known.get('mr:order'),
      originalId: known.get('mr:id') as EntryId | undefined,
      attemptsBefore: Number.isSafeInteger(attempts) && attempts > 0 ? attempts : 0,
    },
  }
}

/** The ordering key alone. Without the fields (a deleted entry) there is none. */
export function orderingKeyOf(fields: readonly Uint8Array[] | undefined): string | undefined {
  if (fields === undefined) return undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (isEnvelopeName(fields[i]!) && toText(fields[i]!) === 'mr:order') return toText(fields[i + 1]!)
  }
  return undefined
}

/** The value's fields and the toolkit's, to be added. `BAD_ARGUMENT` for a value's field that begins with `mr:`. */
export function closeEnvelope(
  own: readonly FieldValue[],
  parts: { readonly headers?: Readonly<Record<string, string>>; readonly key?: string; readonly orderingKey?: string },
): readonly FieldValue[] {
  for (let i = 0; i < own.length; i += 2) {
    const name = own[i]!
    const isTaken = typeof name === 'string' ? name.startsWith(PREFIX) : isEnvelopeName(name)
    if (isTaken) {
      const text = `Field names that begin with '${PREFIX}' are the toolkit's, got '${String(name).slice(0, 100)}'`
      throw new StreamError('BAD_ARGUMENT', text)
    }
  }
  const { headers, key, orderingKey } = parts
  if (headers === undefined && key === undefined && orderingKey === undefined) return own
  const all = [...own]
  if (key !== undefined) all.push('mr:key', key)
  if (orderingKey !== undefined) all.push('mr:order', orderingKey)
  for (const [name, value] of Object.entries(headers ?? {})) all.push(HEADER + name, value)
  return all
}

/** A copy of stored fields with some of the toolkit's replaced (a text) or left out (undefined); all others stay. */
export function withEnvelopeFields(
  fields: readonly Uint8Array[],
  changes: Readonly<Record<`mr:${string}`, string | undefined>>,
): FieldValue[] {
  const copy: FieldValue[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    if (isEnvelopeName(name) && Object.hasOwn(changes, toText(name))) continue
    copy.push(name, fields[i + 1]!)
  }
  for (const [name, value] of Object.entries(changes)) if (value !== undefined) copy.push(name, value)
  return copy
}

/** Not by assignment: a header named __proto__ must stay a header. */
function define(record: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true })
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/**
 * Entries that are to be added later. They wait in a stream of their own and are moved when they are due (caretaker/).
 *
 *   add(value, { delayMs: 60_000 }) ──► {orders}:delayed  7-0  json {…} mr:delay 60000 ──when due──► orders
 *                                              └── cancel('7-0') ──► true: it will not come
 *
 * `delayMs` counts from the ID's own time, so no clock but the backend's is involved. Limits: 10 years; about 1 second late;
 * somebody must look after the stream: a process with a worker on it, or one that adds delayed entries.
 */
import { checkInteger } from './arguments.ts'
import type { EntryId, FieldValue } from './backend.ts'
import { timeOfId } from './entry-id-order.ts'
import { openEnvelope } from './envelope.ts'
import { StreamError } from './errors.ts'
import type { Producer } from './producer.ts'
import { siblingKey } from './sibling-key.ts'
import type { Site } from './site.ts'

const DELAY_MS_MAX = 3650 * 24 * 60 * 60 * 1000
const COUNT = 100

export interface DelayedEntry<T> {
  readonly id: EntryId
  readonly value: T
  /** Milliseconds since 1970, by the backend's clock. */
  readonly dueMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly key: string | undefined
  /** True: it waits for its next attempt after a failure. */
  readonly isRetry: boolean
}

export class Delayed<T> {
  /** The stream that they wait in. */
  readonly name: string
  readonly #site: Site
  readonly #makeProducer: (stream: string) => Producer
  readonly #decode: (fields: readonly Uint8Array[], id: EntryId) => T
  #producer: Producer | undefined

  /** Use `Stream.delayed`. */
  constructor(
    site: Site,
    stream: string,
    makeProducer: (stream: string) => Producer,
    decode: (fields: readonly Uint8Array[], id: EntryId) => T,
  ) {
    this.name = siblingKey(stream, 'delayed')
    this.#site = site
    this.#makeProducer = makeProducer
    this.#decode = decode
  }

  /** Takes an entry back; false: it was moved, cancelled, or never there. */
  async cancel(id: EntryId): Promise<boolean> {
    return (await this.#site.backend.delete(this.name, [id])) > 0
  }

  /** In the order in which they were added, after `from`; at most `count` (default 100). Rejects at one that cannot be decoded. */
  async list(options: { readonly count?: number; readonly from?: EntryId } = {}): Promise<DelayedEntry<T>[]> {
    const { count = COUNT, from } = options
    checkInteger('count', count, 1)
    const range = { count, ...(from === undefined ? {} : { from: `(${from}` }) }
    return (await this.#site.backend.range(this.name, range)).map(({ id, fields }) => {
      const { own, envelope } = openEnvelope(fields)
      const { dueMs, to } = dueOf(id, fields)
      const { headers, key } = envelope
      return { id, value: this.#decode(own, id), dueMs, headers, key, isRetry: to !== undefined }
    })
  }

  /** What `Stream.add` does with `delayMs` or `at`. */
  async add(
    fields: readonly FieldValue[],
    options: { readonly delayMs?: number; readonly at?: Date | number; readonly key?: string },
  ): Promise<EntryId> {
    this.#producer ??= this.#makeProducer(this.name)
    return await this.#producer.add([...fields, ...whenFields(options)], options)
  }
}

/** When a delayed entry is due, and where it goes (undefined: to the stream). What cannot be read is due at once. */
export function dueOf(
  id: EntryId,
  fields: readonly Uint8Array[],
): { readonly dueMs: number; readonly to: string | undefined } {
  let dueMs = 0
  let to: string | undefined
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    if (name[0] !== 0x6d || name[1] !== 0x72 || name[2] !== 0x3a) continue
    const value = (): string => Buffer.from(fields[i + 1]!).toString()
    switch (Buffer.from(name).toString()) {
      case 'mr:delay':
        dueMs = timeOfId(id) + Number(value())
        break
      case 'mr:at':
        dueMs = Number(value())
        break
      case 'mr:to':
        to = value()
    }
  }
  return { dueMs: Number.isFinite(dueMs) ? dueMs : 0, to }
}

function whenFields({ delayMs, at }: { readonly delayMs?: number; readonly at?: Date | number }): string[] {
  if (delayMs !== undefined && at !== undefined) {
    throw new StreamError('BAD_ARGUMENT', 'Expected one of delayMs and at, got both')
  }
  if (delayMs !== undefined) {
    checkInteger('delayMs', delayMs, 0, DELAY_MS_MAX)
    return ['mr:delay', String(delayMs)]
  }
  const atMs = at instanceof Date ? at.getTime() : at
  checkInteger('at (milliseconds since 1970)', atMs, 0, 2 ** 52)
  return ['mr:at', String(atMs)]
}

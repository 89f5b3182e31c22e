/**
 * Adds with a bound on how many are on their way, and sends those again that may be sent again.
 *
 *   add ──below maxInFlight──► backend ──► ID
 *    └──else: wait in line (at most maxWaiting, then OVERLOADED)
 *
 *   with a key:     OUTCOME_UNKNOWN, UNAVAILABLE ──backoff──► the same entry again, the backend keeps the first (30 s)
 *   without a key:  sent once
 */
import { checkOptionalInteger } from './arguments.ts'
import type { AddOptions, Durability, EntryId, FieldValue } from './backend.ts'
import { StreamError } from './errors.ts'
import type { LastAdded } from './loss-watch.ts'
import { backoffMs, pause } from './pause.ts'
import type { Site } from './site.ts'

export interface ProducerOptions {
  /** The most bytes of one entry, names and values together; more is `ENTRY_TOO_LARGE`. Default 1,048,576. */
  readonly maxEntryBytes?: number
  /** Adds on their way at once. Default 1,000. */
  readonly maxInFlight?: number
  /** Adds that wait for one of those to end; more are `OVERLOADED`. Default 10,000. */
  readonly maxWaiting?: number
  /** For how long an add with a key is sent again, in milliseconds. Default 30,000. */
  readonly resendMs?: number
}

export interface AddEntryOptions extends Omit<AddOptions, 'noMkStream' | 'once'> {
  /** The message's own name: sent however often, it is one entry. An add with a key is sent again when its reply is lost. */
  readonly key?: string
  /** How long the key is remembered, in milliseconds. Default and at most a day. */
  readonly keyWindowMs?: number
  /** Text that goes with the value: a trace, a tenant. */
  readonly headers?: Readonly<Record<string, string>>
  /** Entries of one key are handled in order. Goes before the stream's `orderingKey`. */
  readonly orderingKey?: string
  /** Not before so many milliseconds have passed. Resolves the ID to cancel it by. At most 10 years. */
  readonly delayMs?: number
  /** Not before this time, by the backend's clock. As `delayMs`. */
  readonly at?: Date | number
  readonly durability?: Durability
}

const ENTRY_BYTES = 1_048_576
const IN_FLIGHT = 1000
const WAITING = 10_000
const RESEND_MS = 30_000

export class Producer {
  readonly #site: Site
  readonly #stream: string
  readonly #maxInFlight: number
  readonly #maxWaiting: number
  readonly #resendMs: number
  readonly #maxEntryBytes: number
  readonly #added: LastAdded | undefined
  #inFlight = 0
  #waiting: (() => void)[] = []
  /** The first of `#waiting` that still waits. */
  #head = 0

  constructor(site: Site, stream: string, options: ProducerOptions) {
    checkOptionalInteger('maxEntryBytes', options.maxEntryBytes, 1)
    checkOptionalInteger('maxInFlight', options.maxInFlight, 1)
    checkOptionalInteger('maxWaiting', options.maxWaiting, 0)
    checkOptionalInteger('resendMs', options.resendMs, 0)
    this.#site = site
    this.#stream = stream
    this.#maxEntryBytes = options.maxEntryBytes ?? ENTRY_BYTES
    this.#maxInFlight = options.maxInFlight ?? IN_FLIGHT
    this.#maxWaiting = options.maxWaiting ?? WAITING
    this.#resendMs = options.resendMs ?? RESEND_MS
    this.#added = site.losses?.ring(stream)
  }

  /** Hot: an add without a key costs a count and a comparison. */
  async add(fields: readonly FieldValue[], options: AddEntryOptions | undefined): Promise<EntryId> {
    this.checkSize(fields)
    if (this.#inFlight >= this.#maxInFlight) await this.#untilFree()
    else this.#inFlight++
    try {
      if (options === undefined) return this.#noted((await this.#site.backend.add(this.#stream, fields))!)
      const chosen = addOptions(options)
      const id = options.key === undefined ? await this.#send(fields, chosen) : await this.#sendAgain(fields, chosen)
      return this.#noted(id)
    } finally {
      this.#free()
    }
  }

  async addMany(entries: readonly (readonly FieldValue[])[], options: AddOptions): Promise<EntryId[]> {
    for (const fields of entries) this.checkSize(fields)
    if (this.#inFlight >= this.#maxInFlight) await this.#untilFree()
    else this.#inFlight++
    try {
      const ids = await this.#site.backend.addMany(this.#stream, entries, options)
      for (const id of ids) this.#noted(id)
      return ids
    } finally {
      this.#free()
    }
  }

  /** `ENTRY_TOO_LARGE`, `OUT_OF_MEMORY` where the stream's budget refuses. Hot: bytes are only counted where they may be too many. */
  checkSize(fields: readonly FieldValue[]): void {
    if (this.#site.caretakers?.isFull(this.#stream) === true) {
      throw new StreamError('OUT_OF_MEMORY', `'${this.#stream}' is at its memoryBudgetBytes; nothing was added`)
    }
    let atMost = 0
    // A character of text takes at most 3 bytes of UTF-8.
    for (let i = 0; i < fields.length; i++) atMost += fields[i]!.length * 3
    if (atMost <= this.#maxEntryBytes) return
    let bytes = 0
    for (const field of fields) bytes += typeof field === 'string' ? Buffer.byteLength(field) : field.length
    if (bytes <= this.#maxEntryBytes) return
    const text = `Expected an entry of at most ${this.#maxEntryBytes} bytes on '${this.#stream}', got ${bytes}`
    throw new StreamError('ENTRY_TOO_LARGE', text)
  }

  #noted(id: EntryId): EntryId {
    this.#added?.note(id)
    return id
  }

  async #send(fields: readonly FieldValue[], options: AddOptions): Promise<EntryId> {
    // Only NOMKSTREAM, which is not offered here, resolves without an ID.
    return (await this.#site.backend.add(this.#stream, fields, options))!
  }

  async #sendAgain(fields: readonly FieldValue[], options: AddOptions): Promise<EntryId> {
    const { clock } = this.#site
    const untilMs = clock.monotonicMs() + this.#resendMs
    for (let failures = 0; ; failures++) {
      try {
        return await this.#send(fields, options)
      } catch (error) {
        const leftMs = untilMs - clock.monotonicMs()
        const isPassing =
          error instanceof StreamError && (error.code === 'OUTCOME_UNKNOWN' || error.code === 'UNAVAILABLE')
        if (!isPassing || leftMs <= 0) throw error
        await pause(Math.min(backoffMs(failures, clock), leftMs), undefined, clock)
      }
    }
  }

  async #untilFree(): Promise<void> {
    if (this.#waiting.length - this.#head >= this.#maxWaiting) {
      const text = `${this.#maxWaiting} adds to '${this.#stream}' wait already (maxWaiting); nothing was added`
      throw new StreamError('OVERLOADED', text)
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** The place goes to who waits longest. */
  #free(): void {
    if (this.#head === this.#waiting.length) {
      this.#inFlight--
      return
    }
    const next = this.#waiting[this.#head++]!
    if (this.#head === this.#waiting.length || this.#head > 1024) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    next()
  }
}

function addOptions(options: AddEntryOptions): AddOptions {
  const { key, keyWindowMs, headers: _h, orderingKey: _o, delayMs: _d, at: _a, ...rest } = options
  if (key === undefined) return rest
  return { ...rest, once: { key, ...(keyWindowMs === undefined ? {} : { windowMs: keyWindowMs }) } }
}

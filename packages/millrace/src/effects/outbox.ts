/**
 * The transactional outbox: rows that a program wrote in the same SQL transaction as its own data, brought to a stream.
 *
 *   source.unsent(100) ──► add, each under its row's key ──► source.markSent(ids) ──► again; nothing found: wait
 *
 * Added at least once, and by its key once: a relay that dies between adding and marking adds the same rows again, which adds
 * nothing within the key's window. One relay works at a time, under a lease by the backend's clock. Rows are added one after the
 * other in the order in which the source tells them, and none before the one before it is kept.
 *
 * Pattern: C. Richardson, "Transactional outbox", microservices.io.
 */
import { randomBytes } from 'node:crypto'
import { checkInteger } from '../arguments.ts'
import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

export interface OutboxRow<T> {
  /** The row's own name, unique for ever: the message's key. */
  readonly id: string
  readonly value: T
  readonly headers?: Readonly<Record<string, string>>
}

/** Two queries of the program's own database. */
export interface OutboxSource<T> {
  /** The oldest rows that are not marked, at most `limit`, in their order. */
  unsent(limit: number): Promise<readonly OutboxRow<T>[]>
  markSent(ids: readonly string[]): Promise<void>
}

/** The part of a stream that a relay needs. */
export interface OutboxTarget<T> {
  readonly name: string
  add(
    value: T,
    options: { readonly key: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<unknown>
}

export type OutboxEvent =
  | { readonly type: 'relayed'; readonly ids: readonly string[] }
  /** A try failed; it is made again after a moment. */
  | { readonly type: 'error'; readonly error: unknown }

export interface OutboxOptions {
  /** Rows in one turn. Default 100. */
  readonly batch?: number
  /** How long it waits when there was nothing. Default 1,000; `wake()` ends the wait. */
  readonly pollMs?: number
  /** How long a silent relay keeps others out. Default 30,000. */
  readonly leaseMs?: number
  /** Tells relays of several outboxes on one stream apart. Default `outbox`. */
  readonly name?: string
  readonly onEvent?: (event: OutboxEvent) => void
}

export class OutboxRelay<T> {
  readonly #site: { readonly backend: Backend; readonly clock: Clock }
  readonly #source: OutboxSource<T>
  readonly #target: OutboxTarget<T>
  readonly #options: OutboxOptions
  readonly #batch: number
  readonly #pollMs: number
  readonly #leaseMs: number
  readonly #leaseKey: string
  readonly #owner = randomBytes(12).toString('hex')
  readonly #ended: Promise<void>
  #isStopping = false
  #wake: (() => void) | undefined
  /** By the monotonic clock. */
  #leaseUntilMs = 0

  /** Starts at once. */
  constructor(
    site: { readonly backend: Backend; readonly clock: Clock },
    route: { readonly source: OutboxSource<T>; readonly target: OutboxTarget<T> },
    options: OutboxOptions = {},
  ) {
    const { batch = 100, pollMs = 1000, leaseMs = 30_000, name = 'outbox' } = options
    checkInteger('batch', batch, 1, 10_000)
    checkInteger('pollMs', pollMs, 1)
    checkInteger('leaseMs', leaseMs, 1000)
    checkText('name', name)
    this.#site = site
    this.#source = route.source
    this.#target = route.target
    this.#options = options
    this.#batch = batch
    this.#pollMs = pollMs
    this.#leaseMs = leaseMs
    this.#leaseKey = siblingKey(route.target.name, `lease:${name}`)
    this.#ended = this.#run()
  }

  /** There may be rows: look now. Call it after the transaction's commit. */
  wake(): void {
    this.#wake?.()
  }

  /** Ends after the row on its way, gives the lease back. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#wake?.()
    await this.#ended
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        const found = (await this.#renew()) ? await this.#turn() : 0
        if (found === this.#batch) continue
      } catch (error) {
        this.#tell({ type: 'error', error })
        if (error instanceof StreamError && error.code === 'CLOSED') return
      }
      if (!this.#isStopping) await this.#pause()
    }
    await this.#release()
  }

  async #turn(): Promise<number> {
    const rows = await this.#source.unsent(this.#batch)
    const sent: string[] = []
    try {
      for (const { id, value, headers } of rows) {
        if (this.#isStopping || !(await this.#renew())) break
        await this.#target.add(value, { key: id, ...(headers === undefined ? {} : { headers }) })
        sent.push(id)
      }
    } finally {
      if (sent.length > 0) {
        await this.#source.markSent(sent)
        this.#tell({ type: 'relayed', ids: sent })
      }
    }
    return sent.length
  }

  /** Is this the relay at work? */
  async #renew(): Promise<boolean> {
    const sentAtMs = this.#site.clock.monotonicMs()
    if (this.#leaseUntilMs - sentAtMs > (this.#leaseMs * 2) / 3) return true
    const { isTaken } = await this.#site.backend.step({
      if: [{ kind: 'value', key: this.#leaseKey, oneOf: [undefined, this.#owner] }],
      do: [{ kind: 'set', key: this.#leaseKey, value: this.#owner, expireMs: this.#leaseMs }],
    })
    this.#leaseUntilMs = isTaken ? sentAtMs + this.#leaseMs : 0
    return isTaken
  }

  async #release(): Promise<void> {
    try {
      await this.#site.backend.step({
        if: [{ kind: 'value', key: this.#leaseKey, oneOf: [this.#owner] }],
        do: [{ kind: 'remove', key: this.#leaseKey }],
      })
    } catch (error) {
      // Then it ends by itself.
      this.#tell({ type: 'error', error })
    }
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#site.clock.setTimer(this.#pollMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  #tell(event: OutboxEvent): void {
    try {
      this.#options.onEvent?.(event)
    } catch {
      // A listener's own mistake must not stop the work; there is nobody else to tell.
    }
  }
}

function checkText(what: string, text: unknown): void {
  if (typeof text === 'string' && text !== '') return
  throw new StreamError('BAD_ARGUMENT', `Expected a ${what} that is not empty, got ${JSON.stringify(text)}`)
}

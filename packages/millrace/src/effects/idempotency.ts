/**
 * One effect for a key, of a kind that no backend step can hold: a mail, a payment, a call to somebody else's service.
 *
 *   nothing ──take──► running, for leaseMs, renewed each third ──done──► done with its value, for ttlMs
 *      ▲                  │ the effect throws                                │
 *      └──────────────────┘ or its process dies and the lease ends           └──► told to whoever asks again
 *
 * What it promises: two runs of a key never overlap while the runner's process runs, and after `done` there is no other within
 * `ttlMs`. What nothing can promise: a process that dies between the effect and `done` leaves a key whose effect is run again. So
 * give the service the key, or the fence: a number that grows with each run, which a resource can compare with the last it saw.
 *
 * Source of the three variants and why the other two lose or double: Redis documentation, "SET … NX" as a lock; fencing tokens:
 * M. Kleppmann, "How to do distributed locking", 2016.
 */
import { randomBytes } from 'node:crypto'
import { checkInteger } from '../arguments.ts'
import type { Backend, Step, StepResult } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

export interface IdempotencyOptions {
  /** How long a finished key is remembered, in milliseconds. Default 604,800,000: seven days. Longer than any redelivery. */
  readonly ttlMs?: number
  /** How long a silent runner keeps others out. Default 30,000. */
  readonly leaseMs?: number
}

export interface RunContext {
  /** Grows with each run under this name: a resource that has seen a larger one refuses this. */
  readonly fence: number
  /** Aborted when the lease was lost: somebody else may run the key now. */
  readonly signal: AbortSignal
}

export interface RunResult<T> {
  readonly value: T
  /** An earlier run's value: the effect was not run now. */
  readonly isRepeated: boolean
}

const DAY_MS = 86_400_000
const KEY_BYTES_MAX = 512
const VALUE_BYTES_MAX = 1 << 20
/** How often a step whose outcome is unknown is asked for again. */
const TRIES = 5
const TRY_MS = 50

export class Idempotency {
  readonly #site: { readonly backend: Backend; readonly clock: Clock }
  readonly #name: string
  readonly #ttlMs: number
  readonly #leaseMs: number

  /** Use `Millrace.idempotency`. `name` is a namespace: the same key under two names is two keys. */
  constructor(
    site: { readonly backend: Backend; readonly clock: Clock },
    name: string,
    options: IdempotencyOptions = {},
  ) {
    const { ttlMs = 7 * DAY_MS, leaseMs = 30_000 } = options
    checkText('name', name)
    checkInteger('ttlMs', ttlMs, 1)
    checkInteger('leaseMs', leaseMs, 100)
    this.#site = site
    this.#name = name
    this.#ttlMs = ttlMs
    this.#leaseMs = leaseMs
  }

  /**
   * Runs `effect` if the key has no finished run, and remembers its value (JSON, at most 1 MiB). Rejects with `IN_PROGRESS` while
   * another runs it, with `LEASE_LOST` when the lease was lost before the end could be written (the effect may have happened), and
   * with what the effect threw; then the key is free again. `BAD_ARGUMENT`: the key is empty or has more than 512 bytes.
   */
  async run<T>(key: string, effect: (context: RunContext) => Promise<T> | T): Promise<RunResult<T>> {
    this.#checkKey(key)
    const stored = siblingKey(this.#name, `effect:${key}`)
    const token = `running:${randomBytes(12).toString('hex')}`
    const taken = await this.#take<T>(stored, token)
    if ('isRepeated' in taken) return taken
    const lost = new AbortController()
    const stopRenewing = this.#renew(stored, token, lost)
    try {
      const value = await effect({ fence: taken.fence, signal: lost.signal })
      await this.#finish(stored, token, value)
      return { value, isRepeated: false }
    } catch (error) {
      if (!(error instanceof StreamError && error.code === 'LEASE_LOST')) await this.#free(stored, token)
      throw error
    } finally {
      stopRenewing()
    }
  }

  /** Forgets a finished key, so that its effect can be run again. Resolves whether it was there. */
  async forget(key: string): Promise<boolean> {
    this.#checkKey(key)
    const result = await this.#step({ do: [{ kind: 'remove', key: siblingKey(this.#name, `effect:${key}`) }] })
    return result.isTaken && result.results[0] === 1
  }

  async #take<T>(stored: string, token: string): Promise<RunResult<T> | { readonly fence: number }> {
    // A key that ends between the look and the step is simply taken at the second try.
    for (let tries = 0; tries < TRIES; tries++) {
      const result = await this.#step({
        // The token of this run: a step whose reply was lost is asked for again.
        if: [{ kind: 'value', key: stored, oneOf: [undefined, token] }],
        do: [
          { kind: 'increment', key: siblingKey(this.#name, 'effects-fence') },
          { kind: 'set', key: stored, value: token, expireMs: this.#leaseMs },
        ],
      })
      if (result.isTaken) return { fence: Number(result.results[0]) }
      const found = await this.#get(stored)
      if (found === undefined) continue
      if (found.startsWith('done:')) {
        return { value: JSON.parse(found.slice(`done:${token}:`.length)) as T, isRepeated: true }
      }
      throw new StreamError('IN_PROGRESS', `Another run of '${stored}' is on its way; ask again after a moment`)
    }
    throw new StreamError('UNAVAILABLE', `'${stored}' changed hands ${TRIES} times while it was looked at`)
  }

  async #finish(stored: string, token: string, value: unknown): Promise<void> {
    // With the run's own token: another run may have ended with the same value meanwhile.
    const text = `done:${token}:${JSON.stringify(value) ?? 'null'}`
    if (Buffer.byteLength(text) > VALUE_BYTES_MAX) {
      throw new StreamError('ENTRY_TOO_LARGE', `Expected a value of at most ${VALUE_BYTES_MAX} bytes for '${stored}'`)
    }
    const { isTaken } = await this.#step({
      if: [{ kind: 'value', key: stored, oneOf: [token, text] }],
      do: [{ kind: 'set', key: stored, value: text, expireMs: this.#ttlMs }],
    })
    if (isTaken) return
    throw new StreamError('LEASE_LOST', `The lease of '${stored}' was lost before its end could be written`)
  }

  async #free(stored: string, token: string): Promise<void> {
    try {
      await this.#step({ if: [{ kind: 'value', key: stored, oneOf: [token] }], do: [{ kind: 'remove', key: stored }] })
    } catch {
      // Then the lease's end frees it. What the effect threw is what the caller has to see.
    }
  }

  #renew(stored: string, token: string, lost: AbortController): () => void {
    const { clock } = this.#site
    let isOver = false
    let untilMs = clock.monotonicMs() + this.#leaseMs
    let cancel: () => void
    const beat = async (): Promise<void> => {
      const sentAtMs = clock.monotonicMs()
      const step: Step = {
        if: [{ kind: 'value', key: stored, oneOf: [token] }],
        do: [{ kind: 'set', key: stored, value: token, expireMs: this.#leaseMs }],
      }
      let isGone = false
      try {
        if ((await this.#site.backend.step(step)).isTaken) untilMs = sentAtMs + this.#leaseMs
        else isGone = true
      } catch {
        // The next beat tries again, until the lease is over.
      }
      if (isOver) return
      if (isGone || clock.monotonicMs() >= untilMs) lost.abort(new Error(`The lease of '${stored}' was lost`))
      else cancel = clock.setTimer(this.#leaseMs / 3, () => void beat())
    }
    cancel = clock.setTimer(this.#leaseMs / 3, () => void beat())
    return () => {
      isOver = true
      cancel()
    }
  }

  async #get(stored: string): Promise<string | undefined> {
    const result = await this.#step({ do: [{ kind: 'get', key: stored }] })
    const [found] = result.isTaken ? result.results : []
    return found instanceof Uint8Array ? Buffer.from(found).toString() : undefined
  }

  /** Each of these steps may be taken twice without harm. */
  async #step(step: Step): Promise<StepResult> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#site.backend.step(step)
      } catch (error) {
        const isUnknown = error instanceof StreamError && error.code === 'OUTCOME_UNKNOWN'
        if (!isUnknown || tries === TRIES) throw error
      }
      await new Promise<void>((resolve) => this.#site.clock.setTimer(TRY_MS * tries, resolve))
    }
  }

  #checkKey(key: string): void {
    checkText('key', key)
    if (Buffer.byteLength(key) > KEY_BYTES_MAX)
      throw new StreamError(
        'BAD_ARGUMENT',
        `Expected a key of at most ${KEY_BYTES_MAX} bytes, got ${Buffer.byteLength(key)}`,
      )
  }
}

function checkText(what: string, text: unknown): void {
  if (typeof text === 'string' && text !== '') return
  throw new StreamError('BAD_ARGUMENT', `Expected a ${what} that is not empty, got ${JSON.stringify(text)}`)
}

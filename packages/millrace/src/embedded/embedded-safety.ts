/**
 * What the embedded backend does on a directory so that nothing is told which could still be lost.
 *
 *   verb ──► admit ──► engine call ──► the store's whenSafe ──► told
 *              │                              └─ the disk does not take it: OUTCOME_UNKNOWN; of a verb that only reads, UNAVAILABLE
 *              └─ the disk takes no more: UNAVAILABLE, before anything is changed
 *
 * Also what a verb shows waits, its errors included: they may tell of what another verb changed a moment ago. Verbs that are
 * called in one turn share one write and one sync.
 */
import type { Store } from '@millrace/engine'
import { StreamError } from '../errors.ts'

/** `growth`: takes more space than it may give back. */
export type Effect = 'none' | 'change' | 'growth'

export class Safety {
  readonly #store: Store
  #batch: Promise<void> | undefined = undefined
  #told: Promise<void> = Promise.resolve()

  constructor(store: Store) {
    this.#store = store
  }

  /** Is what this class calls safe on stable storage? */
  get isSynced(): boolean {
    return this.#store.fsync === 'always'
  }

  /** Throws `UNAVAILABLE` while the disk does not take what this verb would do. */
  admit(effect: Effect): void {
    const { refusal } = this.#store
    if (refusal === undefined || effect === 'none') return
    if (refusal.kind === 'growing' && effect === 'change') return
    throw new StreamError('UNAVAILABLE', `Nothing was changed: the disk takes no more writes (${refusal.reason})`)
  }

  /** Resolves when all that has happened so far is safe. Those who change something in one turn get one promise. */
  settled(effect: Effect): Promise<void> {
    const batch = this.#store.whenSafe()
    if (effect === 'none') return told(batch, effect)
    if (batch !== this.#batch) {
      this.#batch = batch
      this.#told = told(batch, effect)
    }
    return this.#told
  }

  /** A verb, told when it is safe to. What it does at once has been done when this returns. */
  async run<T>(effect: Effect, verb: () => T | Promise<T>): Promise<T> {
    let outcome: T
    try {
      const began = verb()
      outcome = began instanceof Promise ? await began : began
    } catch (error) {
      // What the caller has ended tells nothing of the data.
      if (error instanceof StreamError && error.code !== 'CLOSED') await this.settled('none')
      throw error
    }
    await this.settled(effect)
    return outcome
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}

async function told(batch: Promise<void>, effect: Effect): Promise<void> {
  try {
    await batch
  } catch (error) {
    throw unsafeError(effect, error)
  }
}

function unsafeError(effect: Effect, cause: unknown): StreamError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  if (effect === 'none') {
    return new StreamError('UNAVAILABLE', `What is there now is not safe, and is not told: ${reason}`, { cause })
  }
  return new StreamError(
    'OUTCOME_UNKNOWN',
    `The disk did not take the change (${reason}): it may or may not be there after a restart`,
    { cause },
  )
}

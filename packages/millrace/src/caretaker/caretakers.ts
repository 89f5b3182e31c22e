/** The caretakers of one `Millrace`: one a stream, for as long as somebody wants it. */

import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'
import type { Caretakers } from '../site.ts'
import { Caretaker } from './caretaker.ts'

interface Tended {
  readonly caretaker: Caretaker
  users: number
}

export class SharedCaretakers implements Caretakers {
  readonly #site: { readonly backend: Backend; readonly clock: Clock }
  readonly #onError: (stream: string, error: unknown) => void
  readonly #tended = new Map<string, Tended>()
  readonly #ending = new Set<Promise<void>>()

  constructor(
    site: { readonly backend: Backend; readonly clock: Clock },
    onError: (stream: string, error: unknown) => void = () => undefined,
  ) {
    this.#site = site
    this.#onError = onError
  }

  tend(stream: string): () => void {
    const tended = this.#tended.get(stream) ?? this.#begin(stream)
    tended.users++
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      tended.users--
      if (tended.users === 0) this.#end(stream, tended)
    }
  }

  /** Ends all of them, whoever still wants them. */
  async close(): Promise<void> {
    for (const [stream, tended] of this.#tended) this.#end(stream, tended)
    await Promise.all(this.#ending)
  }

  #begin(stream: string): Tended {
    const caretaker = new Caretaker(this.#site, stream, (error) => this.#onError(stream, error))
    const tended = { caretaker, users: 0 }
    this.#tended.set(stream, tended)
    return tended
  }

  #end(stream: string, tended: Tended): void {
    if (this.#tended.get(stream) !== tended) return
    this.#tended.delete(stream)
    const ending = tended.caretaker.stop()
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
  }
}

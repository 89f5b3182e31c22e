/**
 * What sees to it that a picture of all keys (frozen-databases.ts) shows none of the changes that come after it.
 *
 *   begin ──► changes: before the first one of a stream, a picture of that stream is kept ──► end
 *             reading: takes the picture that was kept, or makes it when the stream has not changed yet
 *
 * A stream tells by its `frozenFor` whether that has been done for the freeze that is on. Strings are never changed, and
 * the slots of a keyspace are replaced during a freeze, not changed (keyspace.ts).
 */
import assert from 'node:assert'
import type { Value } from './keyspace.ts'
import type { Stream } from './stream.ts'

export class Freezer {
  /** The number of the freeze that is on; 0: none is. */
  active = 0
  #begun = 0
  /** Those whose pictures nobody has taken yet. */
  readonly #kept = new Set<Stream>()

  begin(): void {
    assert(this.active === 0, 'one freeze at a time')
    this.active = ++this.#begun
  }

  /** From now on nothing is kept; pictures that were taken stay what they are. */
  end(): void {
    for (const stream of this.#kept) stream.kept = undefined
    this.#kept.clear()
    this.active = 0
  }

  /** A freeze is on, and this value is about to change. */
  keep(value: Value | undefined): void {
    if (value?.type !== 'stream' || value.frozenFor === this.active) return
    value.kept = value.picture()
    value.frozenFor = this.active
    this.#kept.add(value)
  }

  /** The value was made just now, and is in no picture. */
  leaveOut(value: Value): void {
    if (value.type === 'stream') value.frozenFor = this.active
  }

  /** What a key held when the freeze began; of each key once. */
  take(value: Value): Value {
    assert(this.active !== 0, 'a picture is read before it is released')
    if (value.type !== 'stream') return value
    this.keep(value)
    const { kept } = value
    assert(kept !== undefined, 'a key of a picture is taken once')
    value.kept = undefined
    this.#kept.delete(value)
    return kept
  }
}

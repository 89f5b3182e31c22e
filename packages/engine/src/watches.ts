/**
 * Watched keys (WATCH): whether somebody touched one since.
 *
 *   key 'a'   watch 1 ── watch 2        a change of 'a' marks both dirty; from then on they stay so
 *   key 'b'   watch 3
 *
 * A key is touched when what it holds is replaced, removed or given another expiry, and when a stream gets, or loses,
 * entries. As Redis: what consumer groups do (a delivery, an acknowledgement) and XSETID do not count.
 */
import type { Change, CrossChange } from './change.ts'

export interface Watch {
  /** Whether the key was touched since it is watched, or has expired. */
  isDirty(nowMs: number): boolean
  /** Nobody asks any more. Every watch has to be ended. */
  end(): void
}

/** The database, as far as a watch has to look at it; neither removes what has expired. */
export interface Watched {
  peek(key: string): unknown
  expiresAtMs(key: string): number | undefined
}

interface Mark {
  /** Whether the key was there when the watch began. */
  readonly wasThere: boolean
  isDirty: boolean
}

export class Watches {
  readonly #database: Watched
  readonly #marks = new Map<string, Set<Mark>>()

  constructor(database: Watched) {
    this.#database = database
  }

  /** How many keys are watched. */
  get size(): number {
    return this.#marks.size
  }

  keys(): IterableIterator<string> {
    return this.#marks.keys()
  }

  /** Watches a key, of which the caller has just made sure that it has not expired. */
  add(key: string): Watch {
    const mark = { wasThere: this.#database.peek(key) !== undefined, isDirty: false }
    const marks = this.#marks.get(key)
    if (marks === undefined) this.#marks.set(key, new Set([mark]))
    else marks.add(mark)
    return {
      isDirty: (nowMs) => mark.isDirty || (this.#database.expiresAtMs(key) ?? Infinity) <= nowMs,
      end: () => this.#end(key, mark),
    }
  }

  /** Marks what a change touched, which has been applied. */
  observe(change: Change | CrossChange): void {
    switch (change.kind) {
      case 'trimmed':
        // An empty node may go with no entry.
        if (change.removed > 0) this.#touch(change.key)
        return
      case 'entry-added':
      case 'entries-deleted':
      case 'entries-trimmed':
      case 'stream-created':
      case 'string-set':
      case 'key-restored':
      case 'expiry-set':
      case 'key-removed':
      case 'key-moved':
        this.#touch(change.key)
        return
      case 'key-renamed':
        this.#touch(change.key)
        this.#touch(change.to)
        return
      case 'key-copied':
        this.#touch(change.toKey)
        return
      case 'flushed':
      case 'databases-swapped':
        this.#touchAll()
        return
      default:
    }
  }

  #touch(key: string): void {
    for (const mark of this.#marks.get(key) ?? []) mark.isDirty = true
  }

  /** Everything was exchanged: only a key that was not there and still is not has not changed. */
  #touchAll(): void {
    for (const [key, marks] of this.#marks) {
      const isThere = this.#database.peek(key) !== undefined
      for (const mark of marks) if (isThere || mark.wasThere) mark.isDirty = true
    }
  }

  #end(key: string, mark: Mark): void {
    const marks = this.#marks.get(key)
    marks?.delete(mark)
    if (marks?.size === 0) this.#marks.delete(key)
  }
}

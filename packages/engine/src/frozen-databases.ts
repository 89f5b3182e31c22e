/**
 * All databases as they were at one moment, for who writes them out bit by bit while changes go on.
 *
 *   freeze ──► database 0   [ slot ][ slot ][ taken ][ taken ] … [ taken ]      a copy of the keyspace's list of places
 *              database 3   [ slot ][ slot ] …
 *
 * Making it copies one pointer for each key. What costs more comes later, a stream at a time: when it is taken, or is
 * about to change (freezer.ts). A key's memory is held on to until it is taken and let go by who took it.
 */
import assert from 'node:assert'
import type { Database } from './database.ts'
import type { Freezer } from './freezer.ts'
import type { Slot } from './keyspace.ts'

export class FrozenDatabase {
  readonly index: number
  readonly keyCount: number
  /** How many keys expire. */
  readonly expiringKeyCount: number
  readonly #slots: (Slot | undefined)[]
  readonly #freezer: Freezer

  constructor(index: number, database: Database, freezer: Freezer) {
    this.index = index
    this.keyCount = database.keyCount
    this.expiringKeyCount = database.expiringKeyCount
    this.#slots = database.slots()
    this.#freezer = freezer
  }

  /**
   * What is at a place from 0 up to `keyCount`, each once. A stream is a picture: to be read only. A key whose time had
   * come and that nobody had looked at is there as well.
   */
  take(place: number): Slot {
    const slot = this.#slots[place]
    assert(slot !== undefined, 'a key of a picture is taken once')
    this.#slots[place] = undefined
    const { key, value, expiresAtMs } = slot
    return { key, value: this.#freezer.take(value), expiresAtMs }
  }
}

export class FrozenDatabases {
  /** Those with keys, by their numbers. */
  readonly databases: readonly FrozenDatabase[]
  readonly #freezer: Freezer
  readonly #letGo: () => void
  #isReleased = false

  /** `letGo`: of what is trimmed on disk while the picture is read. */
  constructor(databases: readonly FrozenDatabase[], freezer: Freezer, letGo: () => void) {
    this.databases = databases
    this.#freezer = freezer
    this.#letGo = letGo
  }

  /**
   * Ends the freeze: what was not taken cannot be any more; what was stays as it is, but for entries on disk that are
   * trimmed. May be called twice.
   */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#freezer.end()
    this.#letGo()
  }
}

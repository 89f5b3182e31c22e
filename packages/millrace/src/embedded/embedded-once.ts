/** A message's key on the engine: a string beside the stream that holds the first one's ID until its time is over. */
import { type Database, getString, setString } from '@millrace/engine'
import type { EntryId, Once } from '../backend.ts'
import { siblingKey } from '../sibling-key.ts'
import { toByteString } from './embedded-codec.ts'

const DAY_MS = 86_400_000

export class OnceTicket {
  readonly #stream: string
  readonly #key: string
  readonly #windowMs: number

  constructor(stream: string, { key, windowMs = DAY_MS }: Once) {
    this.#stream = toByteString(stream)
    this.#key = toByteString(siblingKey(stream, `once:${key}`))
    this.#windowMs = windowMs
  }

  /** The ID that the key has already. */
  known(database: Database, nowMs: number): EntryId | undefined {
    const found = getString(database, this.#key, nowMs)
    if (found === undefined) return undefined
    // Refuses a key of another type, also when nothing is to be added.
    database.find(this.#stream, nowMs)
    return Buffer.from(found).toString() as EntryId
  }

  remember(database: Database, id: EntryId, nowMs: number): void {
    const value = Buffer.from(id)
    setString(database, { key: this.#key, value, expiresAtMs: nowMs + this.#windowMs }, nowMs)
  }
}

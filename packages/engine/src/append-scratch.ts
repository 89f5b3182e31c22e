/** What an append works with and needs no longer than the call: made once for a database, written over each time. */
import type { EntryAdded } from './change.ts'
import { EntryBatch } from './entry-batch.ts'
import { IdCell } from './number-id.ts'
import { FieldPacker, type PackedFields } from './packed-fields.ts'

export class AppendScratch {
  readonly packer = new FieldPacker()
  readonly batch = new EntryBatch()
  readonly id = new IdCell()
  readonly #added: { -readonly [Member in keyof EntryAdded]: EntryAdded[Member] }

  constructor() {
    this.#added = { kind: 'entry-added', key: '', id: this.id, fields: this.packer, startsNode: false }
  }

  /** The change for an entry with the ID in `id`. One object for all of them: allocating it took a tenth of an append. */
  added(key: string, fields: PackedFields, startsNode: boolean): EntryAdded {
    this.#added.key = key
    this.#added.fields = fields
    this.#added.startsNode = startsNode
    return this.#added
  }
}

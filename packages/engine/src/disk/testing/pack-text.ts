/** Fields of an entry from texts, in a buffer of their own. */
import { FieldPacker, type PackedFields } from '../../packed-fields.ts'

export function packText(...parts: readonly string[]): PackedFields {
  return new FieldPacker().pack(parts)
}

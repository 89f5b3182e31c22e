/** Names of a stream, a group and a consumer, checked, as the engine takes them. */
import type * as engine from '@millrace/engine'
import * as check from '../arguments.ts'
import type { EntryId } from '../backend.ts'
import * as codec from './embedded-codec.ts'

export function groupRef(stream: string, group: string): engine.GroupRef {
  check.checkName('stream', stream)
  check.checkName('group', group)
  return { key: codec.toByteString(stream), group: codec.toByteString(group) }
}

export function consumerRef(stream: string, group: string, consumer: string): engine.ConsumerRef {
  check.checkName('consumer', consumer)
  return { ...groupRef(stream, group), consumer: codec.toByteString(consumer) }
}

export function groupFrom(from: EntryId | '$'): engine.GroupFrom {
  if (from === '$') return '$'
  check.checkId(from, 'from ($ or an entry ID)')
  return codec.toStreamId(from)
}

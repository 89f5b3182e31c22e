/** On a Cluster, what is to be one step has to live in one slot. */

import slotOf from 'cluster-key-slot'
import { StreamError } from '../errors.ts'

/** `BAD_ARGUMENT` for keys of different slots. */
export function requireOneSlot(keys: readonly string[]): void {
  const [first, ...others] = keys
  if (first === undefined) return
  const slot = slotOf(first)
  const other = others.find((key) => slotOf(key) !== slot)
  if (other === undefined) return
  const text = `Expected keys of one slot of the Cluster, got '${first}' and '${other}': give them one {tag}`
  throw new StreamError('BAD_ARGUMENT', text)
}

/**
 * The keys that the toolkit keeps beside a stream, in the stream's own slot of a Cluster, so that one step can touch both.
 *
 *   orders        ──► {orders}:dlq   {orders}:delayed   {orders}:retry:<group>
 *   orders:{3}    ──► orders:{3}:dlq                                              the tag it has is the tag they get
 *
 * Source of the slot rule: Redis Cluster specification, "Hash tags": what stands between the first `{` and the next `}`, if it
 * is not empty, is hashed alone.
 */
import { StreamError } from './errors.ts'

/** Throws `BAD_ARGUMENT` for a name with a `}` but no tag: no key could be made to share its slot. */
export function siblingKey(stream: string, suffix: string): string {
  if (hashTag(stream) !== undefined) return `${stream}:${suffix}`
  if (stream.includes('}')) {
    throw new StreamError('BAD_ARGUMENT', `Expected a stream name without '}', or with a {tag}, got '${stream}'`)
  }
  return `{${stream}}:${suffix}`
}

/** What alone decides about a key's slot; undefined: the whole key does. */
export function hashTag(key: string): string | undefined {
  const open = key.indexOf('{')
  if (open === -1) return undefined
  const close = key.indexOf('}', open + 1)
  return close === -1 || close === open + 1 ? undefined : key.slice(open + 1, close)
}

/**
 * A stream as the plain model sees it. An ID is one 128-bit bigint here (`ms << 64 | seq`), so that it shares not even
 * the representation with the engine. For tests only.
 */

export type Id = bigint

export interface PlainConsumer {
  seen: number
  active: number | undefined
}

export interface PlainPending {
  /** Undefined: it was given back and is nobody's. */
  owner: string | undefined
  time: number
  count: bigint
  /** The place among those that were given back. */
  nackedAt: number | undefined
}

export interface PlainGroup {
  last: Id
  read: number | undefined
  consumers: Map<string, PlainConsumer>
  pending: Map<Id, PlainPending>
}

export interface PlainProducers {
  duration: number
  max: number
  sent: Map<string, { iid: string; id: Id }[]>
  added: number
  duplicates: number
}

export interface PlainStream {
  entries: { id: Id; fields: string[] }[]
  /** All IDs that each node ever had, and how many of its entries are there. */
  nodes: { ids: Id[]; live: number }[]
  last: Id
  maxDeleted: Id
  added: number
  groups: Map<string, PlainGroup>
  idmp: PlainProducers
  expires: number | undefined
}

const SEQ_MAX = 2n ** 64n - 1n

export const idOf = (ms: bigint, seq: bigint): Id => (ms << 64n) | seq
export const show = (id: Id): string => `${id >> 64n}-${id & SEQ_MAX}`
export const COUNT_MAX = 2n ** 63n - 1n
export const more = (count: bigint): bigint => (count < COUNT_MAX ? count + 1n : count)
const ascending = (a: Id, b: Id): number => (a < b ? -1 : a > b ? 1 : 0)

export function sorted(group: PlainGroup): [Id, PlainPending][] {
  return [...group.pending].sort(([a], [b]) => ascending(a, b))
}

export function owned(group: PlainGroup, name: string): [Id, PlainPending][] {
  return sorted(group).filter(([, { owner }]) => owner === name)
}

export function fieldsOf(stream: PlainStream, id: Id): string[] | undefined {
  return stream.entries.find((entry) => entry.id === id)?.fields
}

export function consumerOf(group: PlainGroup, name: string, now: number): PlainConsumer {
  const found = group.consumers.get(name) ?? { seen: now, active: undefined }
  group.consumers.set(name, found)
  return found
}

/** Takes an entry, which is there, out of the stream and its node. */
export function removeEntry(stream: PlainStream, id: Id): void {
  stream.entries.splice(
    stream.entries.findIndex((entry) => entry.id === id),
    1,
  )
  const node = stream.nodes.find(({ ids }) => ids.includes(id))!
  node.live--
  if (node.live === 0) stream.nodes.splice(stream.nodes.indexOf(node), 1)
}

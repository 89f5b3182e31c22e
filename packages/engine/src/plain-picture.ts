/** Everything that can be seen of a stream of the plain model. For tests only. */
import { lagOf } from './plain-lag.ts'
import { owned, show, sorted, type PlainGroup, type PlainStream } from './plain-stream.ts'

export function plainPicture(stream: PlainStream | undefined): unknown {
  if (stream === undefined) return undefined
  return {
    entries: stream.entries.map(({ id, fields }) => ({ id: show(id), fields })),
    nodes: stream.nodes.length,
    radix: radixNodes(stream.nodes.map(({ ids }) => ids[0]!.toString(16).padStart(32, '0'))),
    last: show(stream.last),
    first: show(stream.entries[0]?.id ?? 0n),
    maxDeleted: show(stream.maxDeleted),
    added: stream.added,
    expires: stream.expires,
    idmp: {
      durationS: stream.idmp.duration,
      sizeMax: stream.idmp.max,
      producersTracked: stream.idmp.sent.size,
      iidsTracked: [...stream.idmp.sent.values()].reduce((sum, list) => sum + list.length, 0),
      iidsAdded: stream.idmp.added,
      iidsDuplicates: stream.idmp.duplicates,
    },
    groups: [...stream.groups.keys()].sort().map((name) => groupPicture(stream, name, stream.groups.get(name)!)),
  }
}

/** The nodes of a radix tree whose keys are bytes in hexadecimal: what is shared, then a branch, then each of its parts. */
function radixNodes(keys: readonly string[]): number {
  const [first = ''] = keys
  if (keys.length < 2) return first === '' ? 1 : 2
  let shared = 0
  while (keys.every((key) => key.slice(shared, shared + 2) === first.slice(shared, shared + 2))) shared += 2
  const parts = new Map<string, string[]>()
  for (const key of keys) {
    const byte = key.slice(shared, shared + 2)
    parts.set(byte, [...(parts.get(byte) ?? []), key.slice(shared + 2)])
  }
  return [...parts.values()].reduce((sum, part) => sum + radixNodes(part), shared > 0 ? 2 : 1)
}

function groupPicture(stream: PlainStream, name: string, group: PlainGroup): unknown {
  return {
    name,
    last: show(group.last),
    read: group.read,
    lag: lagOf(stream, group),
    pending: sorted(group).map(([id, { owner, time, count }]) => [show(id), owner ?? '', time, `${count}`]),
    nacked: sorted(group)
      .filter(([, { owner }]) => owner === undefined)
      .sort(([, a], [, b]) => a.nackedAt! - b.nackedAt!)
      .map(([id]) => show(id)),
    consumers: [...group.consumers.keys()].sort().map((consumer) => ({
      name: consumer,
      ...group.consumers.get(consumer)!,
      pending: owned(group, consumer).map(([id]) => show(id)),
    })),
  }
}

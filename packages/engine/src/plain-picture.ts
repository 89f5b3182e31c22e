/** Everything that can be seen of a stream of the plain model. For tests only. */
import { lagOf } from './plain-lag.ts'
import { owned, show, sorted, type PlainGroup, type PlainStream } from './plain-stream.ts'

export function plainPicture(stream: PlainStream | undefined): unknown {
  if (stream === undefined) return undefined
  return {
    entries: stream.entries.map(({ id, fields }) => ({ id: show(id), fields })),
    nodes: stream.nodes.length,
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

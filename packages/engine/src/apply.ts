/**
 * What each change does to a stream. Nothing is decided here and nothing is checked but our own invariants: the command
 * that made the change has done both.
 */
import assert from 'node:assert'
import { unreachable, type Change, type Delivered, type KeyChange } from './change.ts'
import type { Consumer, Group } from './group.ts'
import type { Value } from './keyspace.ts'
import type { SegmentRun } from './segment-run.ts'
import type { Stream } from './stream.ts'

type StreamChange = Exclude<Change, KeyChange>
type EntryChange = Extract<
  StreamChange,
  { readonly kind: 'entry-added' | 'trimmed' | 'entries-trimmed' | 'entries-deleted' | 'id-set' }
>
type ProducerChange = Extract<
  StreamChange,
  { readonly kind: 'idempotency-set' | 'iid-recorded' | 'iid-repeated' | 'iids-expired' }
>
type GroupChange = Exclude<StreamChange, EntryChange | ProducerChange>

export function applyChange(stream: Value | undefined, change: StreamChange): void {
  // Not `assert(…)`: its rest arguments take 15 ns a call, and this is hot.
  if (stream?.type !== 'stream') assert.fail('a change is about a stream that is there')
  switch (change.kind) {
    case 'entry-added':
      stream.append(change.id, change.fields, change.startsNode)
      return
    case 'trimmed':
      assert.strictEqual(stream.removeThrough(change.through), change.removed, 'a trim removes what it decided to')
      return
    case 'entries-deleted':
      stream.deleteAll(change.ids)
      return
    case 'entries-trimmed':
      stream.removeAll(change.ids)
      return
    case 'id-set':
      stream.setLastId(change.lastId)
      stream.entriesAdded = change.entriesAdded
      stream.maxDeletedId = change.maxDeletedId
      for (const group of stream.groups()) {
        group.capEntriesRead(change.entriesAdded)
        // A lower last ID lets trimmed IDs come again.
        group.dropOrder()
      }
      return
    case 'idempotency-set':
    case 'iid-recorded':
    case 'iid-repeated':
    case 'iids-expired':
      applyToProducers(stream, change)
      return
    default:
      applyToGroups(stream, change)
  }
}

function applyToProducers(stream: Stream, change: ProducerChange): void {
  const producers = stream.ensureProducers()
  switch (change.kind) {
    case 'idempotency-set':
      producers.configure(change.settings)
      return
    case 'iid-recorded':
      producers.record(change.producer, change.iid, change.id)
      return
    case 'iid-repeated':
      producers.duplicates++
      return
    case 'iids-expired':
      producers.expireThrough(change.throughMs)
      return
    default:
      unreachable(change)
  }
}

function applyToGroups(stream: Stream, change: GroupChange): void {
  if (change.kind === 'group-created') {
    stream.createGroup(change.group, change.lastId, change.entriesRead)
    return
  }
  const group = stream.group(change.group)
  assert(group !== undefined, 'a change is about a group that is there')
  switch (change.kind) {
    case 'group-set':
      group.lastId = change.lastId
      group.entriesRead = change.entriesRead
      return
    case 'group-advanced':
      group.lastId = change.lastId
      return
    case 'group-destroyed':
      stream.destroyGroup(change.group)
      return
    case 'consumer-created':
      group.createConsumer(change.consumer, change.atMs)
      return
    case 'acknowledged':
    case 'pending-dropped':
      group.acknowledgeAll(change.ids)
      return
    case 'nacked':
      for (let i = 0; i < change.ids.length; i++) group.nack(change.ids[i]!, change.counts[i]!)
      return
    default:
      applyToConsumer(stream, group, change)
  }
}

function applyToConsumer(
  stream: Stream,
  group: Group,
  change: Extract<GroupChange, { readonly kind: 'consumer-deleted' | 'consumer-seen' | 'delivered' | 'claimed' }>,
): void {
  const consumer = group.consumer(change.consumer)
  assert(consumer !== undefined, 'a change is about a consumer that is there')
  switch (change.kind) {
    case 'consumer-deleted':
      group.deleteConsumer(consumer)
      return
    case 'consumer-seen':
      consumer.seenMs = change.seenMs
      consumer.activeMs = change.activeMs
      return
    case 'delivered':
      applyDelivered(stream, { group, consumer }, change)
      return
    case 'claimed':
      group.ownAll(change, consumer, change.atMs)
      return
    default:
      unreachable(change)
  }
}

function applyDelivered(stream: Stream, reader: { group: Group; consumer: Consumer }, change: Delivered): void {
  const { group, consumer } = reader
  if (change.pending) {
    // All that is on disk only is read before anything is changed.
    const runs: SegmentRun[] = []
    const delivered = stream.runsAfter(group.last, change.count, (run) => runs.push(run))
    if (delivered !== change.count) assert.fail('what was delivered is there')
    for (let i = 0; i < runs.length; i++) group.ownRun(runs[i]!, consumer, change.atMs)
    consumer.activeMs = change.atMs
  }
  consumer.seenMs = change.atMs
  group.last.copy(change.lastId)
  group.entriesRead = change.entriesRead
}

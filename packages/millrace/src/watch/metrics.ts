/** The numbers of a sample by the names that exporters give them: in base units, seconds and bytes. */
import type { GroupSample, StreamSample } from './sample.ts'

/** Name, help, and the number: of a stream. */
export const streamMetrics: readonly (readonly [string, string, (sample: StreamSample) => number | undefined])[] = [
  ['stream_length', 'Entries in the stream', ({ length }) => length],
  [
    'stream_added_per_second',
    'Entries added a second, since the sample before',
    ({ addedPerSecond }) => addedPerSecond,
  ],
  ['stream_memory_bytes', 'Memory of the stream as the backend reports it', ({ memoryBytes }) => memoryBytes],
  ['stream_delayed', 'Entries that wait until they are due, retries included', ({ delayed }) => delayed],
  ['stream_dead_letters', 'Entries that workers gave up', ({ deadLetters }) => deadLetters],
  [
    'stream_dead_letters_oldest_seconds',
    'Age of the oldest dead letter',
    ({ oldestDeadLetterMs }) => oldestDeadLetterMs / 1000,
  ],
]

/** Of a group. */
export const groupMetrics: readonly (readonly [string, string, (sample: GroupSample) => number | undefined])[] = [
  ['group_lag', 'Entries not yet delivered to the group', ({ lag }) => lag],
  [
    'group_lag_estimated',
    '1: the server cannot tell the lag, it is an estimate',
    ({ isLagEstimated }) => (isLagEstimated ? 1 : 0),
  ],
  ['group_lag_seconds', 'How long the first entry not delivered has waited', ({ lagSeconds }) => lagSeconds],
  ['group_pending', 'Entries delivered and not acknowledged', ({ pending }) => pending],
  ['group_oldest_pending_seconds', 'Age of the oldest pending entry', ({ oldestPendingMs }) => oldestPendingMs / 1000],
  ['group_max_idle_seconds', 'Longest time a pending entry went without renewal', ({ maxIdleMs }) => maxIdleMs / 1000],
  ['group_max_deliveries', 'Most deliveries of one pending entry', ({ maxDeliveries }) => maxDeliveries],
  ['group_read_per_second', 'First deliveries a second, since the sample before', ({ readPerSecond }) => readPerSecond],
  ['group_redelivered_ratio', 'Part of the deliveries that were retries', ({ redelivered }) => redelivered],
]

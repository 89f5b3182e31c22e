export { connect, type ConnectOptions } from './connect.ts'
export { Millrace, type MillraceOptions } from './millrace.ts'
export type { CareEvent } from './care-event.ts'
export type { CareOptions } from './caretaker/caretaker.ts'
export type { Retention, RetentionLimits } from './retention.ts'
export type { AddEntryOptions, ProducerOptions } from './producer.ts'
export { Delayed, type DelayedEntry } from './delayed.ts'
export { type DeadLetter, type DeadLetterListOptions, DeadLetters, type RedriveOptions } from './dead-letters.ts'
export type { FollowOptions } from './follow.ts'
export { Stream, type StreamEntry, type StreamOptions } from './stream.ts'
export { bytes, type Codec, fields, json } from './codec.ts'
export { Group } from './group.ts'
export { Worker } from './worker/worker.ts'
export type { StopOptions, WorkerOptions } from './worker/worker-options.ts'
export type { RetryOptions } from './worker/backoff.ts'
export type { RateLimitOptions } from './worker/rate-limit.ts'
export type { BatchHandler, BatchOptions, Handler, WorkEntry } from './worker/runner.ts'
export type { HandlerContext, HandlerLease } from './worker/lease.ts'
export {
  AckWith,
  ackWith,
  type BatchResult,
  type Effect,
  fail,
  Failed,
  type Outcome,
  RetryAfter,
  retryAfter,
  schedule,
} from './worker/outcome.ts'
export type {
  DataLossSuspected,
  DeadLetterReason,
  PartitionReleaseReason,
  WorkerCounts,
  WorkerEvent,
} from './worker/worker-event.ts'
export type { DirectoryEvent, DirectoryOptions } from './embedded/embedded-directory.ts'
export { StreamError, type StreamErrorCode } from './errors.ts'
export { EmbeddedBackend } from './embedded/embedded-backend.ts'
export { RedisBackend, type RedisBackendOptions } from './redis/redis-backend.ts'
export type { ClientEvent } from './redis/redis-client.ts'
export type {
  Action,
  AddManyOptions,
  AddOptions,
  Backend,
  ClaimedEntry,
  ClaimOptions,
  ClaimResult,
  Condition,
  ConsumerInfo,
  DeliveredEntry,
  Durability,
  Entry,
  EntryId,
  FieldValue,
  GroupInfo,
  GroupOptions,
  GroupPosition,
  GroupReadOptions,
  Once,
  PendingEntry,
  PendingOptions,
  RangeOptions,
  ReadOptions,
  ReadPosition,
  ReadResult,
  Step,
  StepResult,
  StreamInfo,
  Trim,
} from './backend.ts'
export { type ArchiveEvent, Archiver, type ArchiveOptions } from './archive/archiver.ts'
export { DirectoryStore, type ObjectStore } from './archive/object-store.ts'
export type { ReplayOptions } from './archive/replay.ts'
export { Idempotency, type IdempotencyOptions, type RunContext, type RunResult } from './effects/idempotency.ts'
export {
  type OutboxEvent,
  type OutboxOptions,
  OutboxRelay,
  type OutboxRow,
  type OutboxSource,
  type OutboxTarget,
} from './effects/outbox.ts'
export { siblingKey } from './sibling-key.ts'
export { type Clock, nodeClock } from './clock.ts'
export { Monitor, type MonitorOptions } from './watch/monitor.ts'
export type { Alert } from './watch/alerts.ts'
export { notWatched, type Rule, ruleDefaults, type RuleName } from './watch/rules.ts'
export type { ConsumerSample, ConsumerState, GroupSample, StreamSample } from './watch/sample.ts'
export type { WebhookOptions } from './watch/webhook.ts'

export { connect, type ConnectOptions } from './connect.ts'
export { Millrace } from './millrace.ts'
export { type FollowOptions, Stream, type StreamEntry, type StreamOptions } from './stream.ts'
export { type Codec, fields, json } from './codec.ts'
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
export type { DataLossSuspected, DeadLetterReason, WorkerCounts, WorkerEvent } from './worker/worker-event.ts'
export type { DirectoryEvent, DirectoryOptions } from './embedded/embedded-directory.ts'
export { StreamError, type StreamErrorCode } from './errors.ts'
export { EmbeddedBackend } from './embedded/embedded-backend.ts'
export { RedisBackend, type RedisBackendOptions } from './redis/redis-backend.ts'
export type { ClientEvent } from './redis/redis-client.ts'
export type {
  AddManyOptions,
  AddOptions,
  Backend,
  ClaimedEntry,
  ClaimOptions,
  ClaimResult,
  ConsumerInfo,
  DeliveredEntry,
  Entry,
  EntryId,
  FieldValue,
  GroupInfo,
  GroupOptions,
  GroupPosition,
  GroupReadOptions,
  PendingEntry,
  PendingOptions,
  RangeOptions,
  ReadOptions,
  ReadPosition,
  ReadResult,
  StreamInfo,
  Trim,
} from './backend.ts'

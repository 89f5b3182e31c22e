export { connect, type ConnectOptions } from './connect.ts'
export { Millrace } from './millrace.ts'
export { type FollowOptions, Stream, type StreamEntry, type StreamOptions } from './stream.ts'
export { type Codec, fields, json } from './codec.ts'
export { Group } from './group.ts'
export {
  type Handler,
  type HandlerContext,
  type StopOptions,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from './worker/worker.ts'
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

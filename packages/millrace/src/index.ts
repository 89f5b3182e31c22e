export type {
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
export { StreamError, type StreamErrorCode } from './errors.ts'
export { RedisBackend, type RedisBackendOptions } from './redis-backend.ts'
export type { ClientEvent } from './redis-client.ts'

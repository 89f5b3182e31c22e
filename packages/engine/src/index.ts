export { nodeEnv, type CancelTimer, type Env } from './env.ts'
export type { Fs, OpenFile, OpenMode } from './disk/files.ts'
export type { DirectoryLock } from './disk/lock.ts'
export { dumpVersion, readDump } from './rdb/dump-reader.ts'
export { dumpValue } from './rdb/dump-writer.ts'
export { applyExtras, EXTRAS_NAME } from './rdb/extras.ts'
export { RDB_VERSION_MAX, readRdb, readRdbNow, type RdbReadOptions, type RdbSummary } from './rdb/rdb-reader.ts'
export { RdbSource } from './rdb/rdb-source.ts'
export { RDB_VERSION, writeRdb, type RdbWriteOptions, type WrittenRdb } from './rdb/rdb-writer.ts'
export { EngineError, type EngineErrorCode } from './errors.ts'
export {
  compareIds,
  formatId,
  ID_MAX,
  ID_ZERO,
  nextId,
  parseId,
  parseIdOrEdge,
  parseLowerBound,
  parseNewId,
  parseUpperBound,
  previousId,
  type NewId,
  type StreamId,
} from './id.ts'
export { compareNumberIds, IdCell, readPlainId, toStreamId, type NumberId } from './number-id.ts'
export { IdList } from './id-list.ts'
export { FoundEntries } from './found-entries.ts'
export { PendingPicture } from './pending-picture.ts'
export { copyWords, WORDS_BYTES_MAX, type CopyViews } from './copy-words.ts'
export { copyFields, FieldPacker, fieldBytes, unpackFields, viewOf, type PackedFields } from './packed-fields.ts'
export { NameSet } from './name-set.ts'
export { EntryView } from './entry-view.ts'
export { EntryCursor } from './entry-cursor.ts'
export { copyChange, type Change, type CrossChange, type EntryAdded, type KeyChange } from './change.ts'
export { Database, type ChangeListener, type CrossChangeListener, type DatabaseOptions } from './database.ts'
export { Databases, type DatabasesListener, type DatabasesOptions, type KeyRef } from './databases.ts'
export type { ColdBudget } from './disk/cold-directory.ts'
export { ColdSegments, type ColdEvent, type ColdInfo, type ColdOptions } from './disk/cold-segments.ts'
export type { FrozenDatabase, FrozenDatabases } from './frozen-databases.ts'
export type { Slot, Value } from './keyspace.ts'
export type { NodeLimits } from './nodes.ts'
export type { StreamEntry } from './segment-run.ts'
export {
  append,
  appendPacked,
  deleteEntries,
  setLastId,
  trim,
  type AppendOptions,
  type PackedAppend,
  type PackedNewId,
  type SetIdOptions,
  type TrimRule,
} from './append.ts'
export { appendMany, type AppendMany } from './append-many.ts'
export type { EntryParts } from './entry-batch.ts'
export {
  acknowledgeAndDelete,
  deleteEntriesEx,
  type DeleteOutcome,
  type DeleteRequest,
  type ReferenceRule,
} from './references.ts'
export {
  appendOnce,
  expireIids,
  recordIid,
  setIdempotency,
  type AppendedOnce,
  type IdempotencyInfo,
  type IdempotentEntry,
} from './idempotency.ts'
export { IDEMPOTENCY_DEFAULT, type IdempotencySettings } from './producers.ts'
export {
  fixPositions,
  length,
  range,
  read,
  type FixedReadFrom,
  type RangeQuery,
  type ReadFrom,
  type StreamEntries,
  type StreamPosition,
} from './read-range.ts'
export {
  createConsumer,
  createGroup,
  deleteConsumer,
  destroyGroup,
  requireGroup,
  setGroup,
  type ConsumerRef,
  type CreateGroupOptions,
  type GroupFrom,
  type GroupRef,
} from './group-commands.ts'
export { type MeasuredEntry, type ReadLimits, type ReplySize } from './read-budget.ts'
export { nextClaimableMs } from './claim-idle.ts'
export { negativeAcknowledge, type NackRequest } from './nack.ts'
export { deliveriesFromBigint, deliveriesToBigint, DELIVERIES_MAX, isDeliveryCount } from './delivery-count.ts'
export {
  deliverPacked,
  readGroup,
  readGroupPacked,
  type DeliverQuery,
  type FoundIn,
  type DeliveredEntry,
  type ReadGroupFrom,
  type ReadGroupQuery,
} from './read-group.ts'
export { acknowledge, acknowledgeOwned, acknowledgePacked } from './acknowledge.ts'
export {
  autoClaim,
  autoClaimPacked,
  claim,
  claimPacked,
  pendingEntries,
  pendingPicture,
  pendingSummary,
  type AutoClaimOptions,
  type AutoClaimResult,
  type ClaimedEntry,
  type ClaimOptions,
  type ClaimResult,
  type PackedClaim,
  type PackedClaimOptions,
  type PendingEntry,
  type PendingQuery,
  type PendingSummary,
} from './claim.ts'
export {
  consumerInfos,
  fullGroups,
  fullStreamInfo,
  groupInfos,
  radixTreeNodes,
  streamInfo,
  type ConsumerInfo,
  type FullConsumerInfo,
  type FullGroupInfo,
  type FullPending,
  type FullStreamInfo,
  type GroupInfo,
  type StreamInfo,
} from './info.ts'
export {
  expireAt,
  flush,
  keyMemoryBytes,
  persist,
  randomKey,
  removeKey,
  renameKey,
  restoreKey,
  scan,
  type RestoredKey,
  type ScanResult,
} from './keys.ts'
export { getString, setString, type NewString } from './strings.ts'
export { Waiters, type Wait } from './waiters.ts'
export type { Watch } from './watches.ts'
export { Store, type RewriteRule, type SnapshotInfo, type StoreEvent, type StoreOptions } from './disk/store.ts'
export type { FsyncPolicy, Refusal } from './disk/journal-options.ts'
export { recovering, type LoadProgress, type Recovered, type SnapshotLoader } from './disk/recovery.ts'
export { loadSnapshot } from './disk/snapshot.ts'
export { DATABASES_MAX, writeDirectory } from './disk/new-directory.ts'
export { checkDirectory, checkRdbFile, countKeys, keysText, type CheckReport, type KeyCount } from './disk/check.ts'
export type { FileReport, FileState } from './disk/file-report.ts'
export { salvaging, type Salvaged } from './disk/repair.ts'

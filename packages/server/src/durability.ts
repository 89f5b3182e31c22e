/**
 * What a server asks of whoever keeps its data on disk. The engine's `Store` is one; the interface is what of it matters here,
 * so that the server's part can be tested against a disk that is slow, full or broken whenever a test says so.
 *
 *   commands ──changes──► databases ──► recorded
 *   end of a turn ──commit()──► one group, written; its number
 *   safeSeq ≥ that number ──onChange()──► what tells of that group may leave (reply-gate.ts)
 *
 * Numbers only grow. What is numbered up to `safeSeq` is as safe as the policy promises: with `always` on stable storage, with
 * the others in the operating system's hands.
 */
import type { ColdSegments, Databases, Env, FsyncPolicy, LoadProgress, Refusal, SnapshotInfo } from '@millrace/engine'

/** Of `appendfsync`, whose values are checked where it is set. */
export function fsyncPolicyOf(text: string): FsyncPolicy {
  return text === 'everysec' || text === 'no' ? text : 'always'
}

export interface JournalInfo {
  /** Bytes of the snapshot and of the journal behind it. */
  readonly bytes: number
  /** Bytes when the last snapshot was done. */
  readonly baseBytes: number
  /** Written, and not on stable storage yet. */
  readonly unsyncedBytes: number
  readonly isSyncing: boolean
  readonly lastWriteFailed: boolean
}

export interface DurabilityInfo {
  readonly snapshot: SnapshotInfo
  readonly journal: JournalInfo
}

export interface Durability {
  /** What was in the directory; their changes are recorded from now on. */
  readonly databases: Databases
  /** What of their streams is on disk only; undefined: all is in memory. */
  readonly cold: ColdSegments | undefined
  /** Writes what was recorded since the last call, as one group; returns where `safeSeq` has to come for it. */
  commit(): number
  readonly safeSeq: number
  /** Called when `safeSeq` or `refusal` has changed, and when a sync has ended. */
  onChange: () => void
  /** Why commands are refused: those that make the data larger (`growing`), or all that change them. */
  readonly refusal: Refusal | undefined
  /** May be changed at any time, for what is committed from then on. */
  fsync: FsyncPolicy
  /** What was committed is being made durable, in a thread. */
  readonly isSyncing: boolean
  /** All that was committed is on stable storage. */
  readonly isDurable: boolean
  /** Resolves when all that was committed so far is on stable storage; rejects when that cannot be. */
  flush(): Promise<void>
  /** One at a time; rejects when it could not be written. */
  snapshot(): Promise<void>
  info(): DurabilityInfo
  /** Makes all of it durable and ends in order. */
  close(): Promise<void>
}

export interface DurabilityStart {
  readonly directory: string
  readonly env: Env
  /** How many databases there are. */
  readonly count: number
  readonly fsync: FsyncPolicy
  /** The budget for what is in memory; `Infinity`: none, for now. */
  readonly memoryBytes: number
  /** Has the garbage collected. */
  readonly collect: (() => void) | undefined
  readonly onProgress: (progress: LoadProgress) => void
  /** A line for the operator. */
  readonly log: (line: string) => void
}

/** Reads what is in the directory. */
export type OpenDurability = (start: DurabilityStart) => Promise<Durability>

/** What is in the directory, or the directory itself, keeps the server from starting. */
export class DirectoryError extends Error {
  constructor(message: string, options: ErrorOptions) {
    super(message, options)
    this.name = 'DirectoryError'
  }
}

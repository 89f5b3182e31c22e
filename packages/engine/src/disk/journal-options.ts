/** What the journal is told, and tells: its policy, what it begins with, what happens to it, and places in it. */
import type { Env } from '../env.ts'
import type { DurableSlots } from './durable-slots.ts'
import type { OpenFile } from './files.ts'
import type { Position } from './frame.ts'
import type { ClosedEnd, Manifest } from './manifest.ts'
import type { Reserve } from './reserve.ts'

/** `always`: safe is what is on stable storage. `everysec`: what is written; a sync a second. `no`: syncs when it must. */
export type FsyncPolicy = 'always' | 'everysec' | 'no'

/** Why writes are refused. `growing`: those that take space; `all`: all of them. */
export interface Refusal {
  readonly kind: 'growing' | 'all'
  readonly reason: string
}

export type JournalEvent =
  | { readonly kind: 'disk-full'; readonly error: Error }
  | { readonly kind: 'write-failed' | 'sync-failed' | 'segment-failed' | 'slot-failed'; readonly error: Error }
  /** The journal goes on in another file, from memory: nothing is lost. */
  | { readonly kind: 'moved'; readonly segment: number }
  | { readonly kind: 'resumed' }

export interface JournalOptions {
  readonly env: Env
  readonly directory: string
  readonly policy: FsyncPolicy
  /** A segment that has grown beyond is followed by another one. */
  readonly segmentBytes: number
  /** With more than this in memory nothing is safe before it is on stable storage: who waits for that, waits. */
  readonly unsyncedBytesMax: number
  /** How far at most a file is filled with zeros ahead of what is written, with `always`. */
  readonly fillBytes: number
  /** A fast disk's syncs may stop the process: nothing else needs it but who waits for them. */
  readonly syncsInPlace: boolean
  readonly reserve: Reserve
  readonly slots: DurableSlots
  readonly onEvent: (event: JournalEvent) => void
}

/** What a directory was opened to. */
export interface JournalStart {
  /** Its last segment is open, and has no frames. */
  readonly manifest: Manifest
  readonly file: OpenFile
  readonly crc: number
  readonly seq: number
}

/** A place between two segments. */
export interface Cut {
  /** The first segment behind it. */
  readonly segment: number
  /** Number of the last frame before it. */
  readonly seq: number
  /** CRC of the first segment's header. */
  readonly chain: number
  /** How often the journal had moved to another file by then. */
  readonly moves: number
}

export interface Durable extends Position {
  readonly chain: number
  readonly seq: number
}

export interface OlderFile {
  readonly number: number
  readonly file: OpenFile
  readonly end: ClosedEnd
}

/**
 * The embedded backend on a directory: what it is opened with, and what it tells meanwhile.
 *
 *   path ──► the engine's Store (lock, recovery, journal, snapshots) ──► EmbeddedBackend
 *                  └── StoreEvent, ColdEvent ──► DirectoryEvent: a kind, and a sentence for people
 */
import * as engine from '@millrace/engine'
import { readByteSize } from './byte-size.ts'
import { EmbeddedBackend } from './embedded-backend.ts'
import { toStreamError } from './embedded-errors.ts'
import { StreamError } from '../errors.ts'

export interface DirectoryOptions {
  /**
   * When a verb resolves, of a directory: `always` (default): its effect is on stable storage; `everysec`: the operating system
   * has it, and a second later the disk; `no`: the operating system has it.
   */
  readonly fsync?: engine.FsyncPolicy
  /** A budget for what is in memory, as '256mb': of streams larger than that the older part is on disk only. Default: none. */
  readonly memory?: string | number
}

export interface DirectoryEvent {
  readonly type: engine.StoreEvent['kind'] | engine.ColdEvent['kind']
  /** A sentence. */
  readonly message: string
  readonly error?: Error
}

export interface DirectoryRequest extends DirectoryOptions {
  readonly path: string
  readonly onEvent?: ((event: DirectoryEvent) => void) | undefined
  /** Default: Node's. */
  readonly env?: engine.Env
}

const POLICIES: readonly unknown[] = ['always', 'everysec', 'no']
const MEMORY_BYTES_MIN = 1 << 20
/** As Redis's auto-aof-rewrite. */
const REWRITE: engine.RewriteRule = { growth: 1, bytesMin: 64 << 20 }

/**
 * `LOCKED`: another process, or this one already, has the directory; `CORRUPT`, `NEWER_FORMAT`: what is in it is not
 * read; `UNAVAILABLE`: the disk does not do what it should.
 */
export async function openDirectory(request: DirectoryRequest): Promise<EmbeddedBackend> {
  const { path, fsync = 'always', memory, onEvent, env = engine.nodeEnv } = request
  if (!POLICIES.includes(fsync)) {
    throw new StreamError('BAD_ARGUMENT', `fsync: expected always, everysec or no, got '${String(fsync)}'`)
  }
  const tell = (event: engine.StoreEvent | engine.ColdEvent): void => onEvent?.(directoryEvent(event))
  const cold =
    memory === undefined
      ? {}
      : { cold: { memoryBytes: readByteSize('memory', memory, MEMORY_BYTES_MIN), onEvent: tell } }
  try {
    const options = { env, fsync, databases: { count: 1 }, rewrite: REWRITE, onEvent: tell, ...cold }
    return new EmbeddedBackend({ env, store: await engine.Store.open(path, options) })
  } catch (error) {
    throw openError(path, error)
  }
}

function openError(path: string, error: unknown): unknown {
  if (error instanceof engine.EngineError) return toStreamError(error, 'STREAM_NOT_FOUND')
  const isOfTheDisk = error instanceof Error && 'syscall' in error
  return isOfTheDisk
    ? new StreamError('UNAVAILABLE', `${path} could not be opened: ${error.message}`, { cause: error })
    : error
}

function directoryEvent(event: engine.StoreEvent | engine.ColdEvent): DirectoryEvent {
  const error = 'error' in event && event.error instanceof Error ? { error: event.error } : {}
  return { type: event.kind, message: messageOf(event), ...error }
}

function messageOf(event: engine.StoreEvent | engine.ColdEvent): string {
  switch (event.kind) {
    case 'loading':
      return `${event.progress.bytes} of ${event.progress.bytesTotal} bytes have been read`
    case 'torn': {
      const { path, offset, bytes } = event.tail
      return `${path} ends in ${bytes} bytes, from ${offset} on, that were on their way when the process ended: they are left out`
    }
    case 'moved':
      return `The journal goes on in segment ${event.segment}, and nothing is lost`
    case 'resumed':
      return 'The disk takes writes again'
    case 'spill-resumed':
      return 'The disk takes parts of streams again'
    case 'file-left':
      return `${event.path} is not needed any more and could not be removed: ${String(event.error)}`
    default:
      return `${FAILURES[event.kind]}: ${event.error instanceof Error ? event.error.message : String(event.error)}`
  }
}

const FAILURES = {
  'disk-full': 'The disk is full',
  'write-failed': 'The journal could not be written',
  'sync-failed': 'The journal could not be made durable',
  'segment-failed': 'The next segment of the journal could not be made',
  'file-missing': 'A file was taken from the directory that is open',
  'slot-failed': 'How far the journal is durable could not be noted',
  'snapshot-failed': 'A snapshot could not be written',
  'spill-failed': 'The disk takes no parts of streams, which stay in memory',
} as const

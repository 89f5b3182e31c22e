/**
 * The error lines of replies: their text is compatibility. What the engine refuses with a code becomes a line here; what a
 * command refuses itself it throws as a `ReplyError`.
 */
import { EngineError, type EngineErrorCode } from '@millrace/engine'

/** Ends a command with an error reply. */
export class ReplyError extends Error {
  /** The line without its `-`, as `ERR syntax error`. */
  readonly line: string

  constructor(line: string) {
    super(line)
    this.name = 'ReplyError'
    this.line = line
  }
}

export const lines = {
  syntax: 'ERR syntax error',
  notInteger: 'ERR value is not an integer or out of range',
  noSuchKey: 'ERR no such key',
  wrongType: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  badId: 'ERR Invalid stream ID specified as stream command argument',
  outOfMemory: "OOM command not allowed when used memory > 'maxmemory'.",
  monitor: "ERR Replica can't interact with the keyspace",
  loading: 'LOADING Redis is loading the dataset in memory',
  misconfSnapshot:
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify " +
    'the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails ' +
    '(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.',
  noAuth: 'NOAUTH Authentication required.',
  execAbort: 'EXECABORT Transaction discarded because of previous errors.',
} as const

/** What Redis says of these, who asks the C library; Node says `ENOSPC: no space left on device, write`. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'No space left on device',
  EDQUOT: 'Disk quota exceeded',
  EIO: 'Input/output error',
  EROFS: 'Read-only file system',
  EMFILE: 'Too many open files',
  ENOENT: 'No such file or directory',
}

/** Writes are refused, as the journal cannot be written for this reason. */
export function misconfJournal(reason: string): string {
  const code = /^([A-Z0-9]+):/.exec(reason)?.[1]
  return `MISCONF Errors writing to the AOF file: ${reasons[code ?? ''] ?? reason}`
}

/** What the engine's codes are to a Redis client. Commands catch those whose line depends on the command or its arguments. */
const engineLines: Readonly<Partial<Record<EngineErrorCode, string>>> = {
  BAD_ID: lines.badId,
  ID_ZERO: 'ERR The ID specified in XADD must be greater than 0-0',
  ID_TOO_SMALL: 'ERR The ID specified in XADD is equal or smaller than the target stream top item',
  IDS_EXHAUSTED: 'ERR The stream has exhausted the last possible ID, unable to add more items',
  ENTRY_TOO_LARGE: 'ERR Elements are too large to be stored',
  NO_SUCH_KEY: lines.noSuchKey,
  WRONG_TYPE: lines.wrongType,
  GROUP_EXISTS: 'BUSYGROUP Consumer Group name already exists',
  SET_ID_BELOW_LAST_ENTRY: 'ERR The ID specified in XSETID is smaller than the target stream top item',
  SET_ID_BELOW_MAX_DELETED: 'ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
  SET_ID_BELOW_LENGTH: 'ERR The entries_added specified in XSETID is smaller than the target stream length',
}

/** The line for anything that a command threw; undefined when it is our own mistake. */
export function errorLine(error: unknown): string | undefined {
  if (error instanceof ReplyError) return error.line
  if (error instanceof EngineError) return engineLines[error.code] ?? `ERR ${error.message}`
  return undefined
}

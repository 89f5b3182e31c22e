/** Errors as Node's file system gives them: `code`, `errno`, `syscall`, and the paths where the call was given any. */

const REASONS = {
  ENOENT: [2, 'no such file or directory'],
  EIO: [5, 'i/o error'],
  EBADF: [9, 'bad file descriptor'],
  EACCES: [13, 'permission denied'],
  EEXIST: [17, 'file already exists'],
  ENOTDIR: [20, 'not a directory'],
  EISDIR: [21, 'illegal operation on a directory'],
  EINVAL: [22, 'invalid argument'],
  EMFILE: [24, 'too many open files'],
  EFBIG: [27, 'file too large'],
  ENOSPC: [28, 'no space left on device'],
  EROFS: [30, 'read-only file system'],
  ENOTEMPTY: [39, 'directory not empty'],
  EDQUOT: [122, 'disk quota exceeded'],
} as const satisfies Readonly<Record<string, readonly [errno: number, text: string]>>

export type FsErrorCode = keyof typeof REASONS

export class FsError extends Error {
  readonly code: FsErrorCode
  readonly errno: number
  readonly syscall: string
  declare readonly path?: string
  declare readonly dest?: string

  constructor(code: FsErrorCode, syscall: string, path?: string, dest?: string) {
    const [errno, text] = REASONS[code]
    super(`${code}: ${text}, ${syscall}${quoted(' ', path)}${quoted(' -> ', dest)}`)
    this.code = code
    this.errno = -errno
    this.syscall = syscall
    if (path !== undefined) this.path = path
    if (dest !== undefined) this.dest = dest
  }
}

function quoted(before: string, path: string | undefined): string {
  return path === undefined ? '' : `${before}'${path}'`
}

/** Snapshots: RDB files, in and out. */
import type { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import type { Fs } from './files.ts'

// oxlint-disable-next-line require-yield
export function* loadSnapshot(
  _fs: Fs,
  path: string,
  _databases: Databases,
): Generator<number, { readonly bytes: number; readonly crc: string }> {
  throw new EngineError('NEWER_FORMAT', `${path}: snapshots are not read yet`)
}

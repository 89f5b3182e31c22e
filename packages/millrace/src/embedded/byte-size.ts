/** Sizes as people write them: '256mb' is 256 × 1,024 × 1,024 bytes, as in Redis's configuration. */
import { StreamError } from '../errors.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** `BAD_ARGUMENT` for what is no size, or less than `min` bytes. */
export function readByteSize(name: string, size: string | number, min: number): number {
  const match = /^(\d{1,15})(b|kb|mb|gb|)$/i.exec(String(size).trim())
  const bytes = match === null ? NaN : Number(match[1]) * UNITS[match[2]!.toLowerCase()]!
  if (Number.isSafeInteger(bytes) && bytes >= min) return bytes
  throw new StreamError(
    'BAD_ARGUMENT',
    `${name}: expected a number of bytes such as '256mb', at least ${min / UNITS['mb']!}mb, got '${String(size)}'`,
  )
}

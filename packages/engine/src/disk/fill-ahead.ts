/**
 * A file whose end lies ahead of what is written to it, so that most syncs have bytes to make durable and no new size: on
 * ext4 that is two thirds of the time.
 *
 *   │ header │ frame │ frame │ 0 0 0 0 0 0 0 │
 *                            ▲ written        ▲ the file ends; when a write comes to it, it is moved on by a quarter of
 *                                               what is there, within bounds
 *
 * Zeros are no frame, and behind the last one they tell nothing: `endOfUse` finds where they begin.
 */
import { readBytes, writeAll, type OpenFile } from './files.ts'

const FILL_BYTES_MIN = 16_384
const CHUNK_BYTES = 65_536
/** With larger writes the data are what takes the time. */
const WRITE_BYTES_MAX = 8192

/** `fillBytes`: how many zeros at most; asked at each write. */
export function fillingAhead(file: OpenFile, fillBytes: () => number): OpenFile {
  let filled = 0
  function fill(end: number): void {
    const bytes = Math.min(Math.max(end / 4, FILL_BYTES_MIN), fillBytes())
    if (bytes < 1) return
    filled = end + Math.floor(bytes)
    try {
      writeAll(file, new Uint8Array(filled - end), end)
    } catch {
      // A full disk, for one: it was to save time, and what is written has its place.
    }
  }
  return {
    read: (into, position) => file.read(into, position),
    write(bytes, position) {
      const count = file.write(bytes, position)
      if (position + count > filled && bytes.length <= WRITE_BYTES_MAX) fill(position + count)
      return count
    },
    sync: () => file.sync(),
    syncNow: () => file.syncNow(),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    close: () => file.close(),
  }
}

/** Where the zeros begin with which a file ends, from a place on. */
export function endOfUse(file: OpenFile, from: number): number {
  const size = file.size()
  let end = from
  for (let at = from; at < size; at += CHUNK_BYTES) {
    const bytes = readBytes(file, at, Math.min(CHUNK_BYTES, size - at))
    for (let i = bytes.length - 1; i >= 0; i--) {
      if (bytes[i] === 0) continue
      end = at + i + 1
      break
    }
  }
  return end
}

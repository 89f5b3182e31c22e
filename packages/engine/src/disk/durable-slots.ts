/**
 * The file `durable`: up to where the journal had been on stable storage when this was written. It is written after each
 * sync and never synced itself, so it can be behind, or torn, and is never ahead: what it vouches for and is not there, or is
 * damaged, had been durable.
 *
 *   at   0   slot of the even writes     ┐  u32 "MDUR", u32 segment, u32 offset, u64 directory, u64 count, u32 CRC-32
 *      512   slot of the odd writes      ┘  of the 28 bytes before; each in a sector of its own
 *
 * A slot that is not whole is passed over: it says nothing.
 */
import { crc32 } from 'node:zlib'
import { closeQuietly, readBytes, type Fs, type OpenFile } from './files.ts'
import { comparePositions, type Position } from './frame.ts'

export const DURABLE_NAME = 'durable'
const SLOT_BYTES = 512
const USED_BYTES = 32
const CRC_AT = 28
const MAGIC = 0x5255444d

export class DurableSlots {
  readonly #file: OpenFile
  readonly #bytes = new Uint8Array(USED_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  #count = 0

  /** `directory`: 16 hexadecimal digits. */
  constructor(file: OpenFile, directory: string) {
    this.#file = file
    this.#view.setUint32(0, MAGIC, true)
    this.#view.setBigUint64(12, BigInt(`0x${directory}`), true)
  }

  /** Best effort: throws as a write does, and nothing depends on it. */
  write({ segment, offset }: Position): void {
    const view = this.#view
    view.setUint32(4, segment, true)
    view.setUint32(8, offset, true)
    view.setUint32(20, this.#count, true)
    view.setUint32(CRC_AT, crc32(this.#bytes.subarray(0, CRC_AT)), true)
    this.#file.write(this.#bytes, (this.#count % 2) * SLOT_BYTES)
    this.#count++
  }

  close(): void {
    closeQuietly(this.#file)
  }
}

/** The highest position that is vouched for; undefined: nothing is. */
export function readDurable(fs: Fs, directory: string, id: string): Position | undefined {
  if (!fs.list(directory).includes(DURABLE_NAME)) return undefined
  const file = fs.open(`${directory}/${DURABLE_NAME}`, 'read')
  try {
    const [one, other] = [readSlot(file, 0, id), readSlot(file, SLOT_BYTES, id)]
    if (one === undefined || other === undefined) return one ?? other
    return comparePositions(one, other) > 0 ? one : other
  } finally {
    closeQuietly(file)
  }
}

function readSlot(file: OpenFile, at: number, id: string): Position | undefined {
  const bytes = readBytes(file, at, USED_BYTES)
  if (bytes.length < USED_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint32(0, true) !== MAGIC || view.getBigUint64(12, true) !== BigInt(`0x${id}`)) return undefined
  if (crc32(bytes.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) return undefined
  return { segment: view.getUint32(4, true), offset: view.getUint32(8, true) }
}

/**
 * The file `durable`: up to where the journal had been on stable storage when this was written. It is written after each
 * sync and not synced itself, but when a directory is opened; so it can be behind, or torn, and is never ahead: what it
 * vouches for and is not there, or is damaged, had been durable.
 *
 *   at    0   slot of the writes 0, 3, 6, …   ┐  u32 "MDUR", u32 segment, u32 offset, u64 directory, u64 count, u32 CRC-32
 *      4096   slot of the writes 1, 4, 7, …   │  of the 28 bytes before; each in a sector of its own
 *      8192   slot of the writes 2, 5, 8, …   ┘
 *
 * A slot that is not whole is passed over. A process that dies tears at most the one it writes, a power failure after that
 * may tear another one: so there are three, and an opening makes all of them whole and durable. Without any, or without the
 * file, which is there before the journal's first frame, nobody knows what is missing: that is damage.
 */
import { crc32 } from 'node:zlib'
import { EngineError } from '../errors.ts'
import { closeQuietly, readBytes, type Fs, type OpenFile } from './files.ts'
import { comparePositions, type Position } from './frame.ts'

export const DURABLE_NAME = 'durable'
const SLOTS = 3
const SLOT_BYTES = 4096
const USED_BYTES = 32
const CRC_AT = 28
const FILE_BYTES = (SLOTS - 1) * SLOT_BYTES + USED_BYTES
const MAGIC = 0x5255444d

export class DurableSlots {
  readonly #file: OpenFile
  readonly #bytes = new Uint8Array(USED_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  #count: number
  #next: Position | undefined = undefined
  #isClosed = false

  /** `directory`: 16 hexadecimal digits. `slot`: which is written first, from 0 to 2. */
  constructor(file: OpenFile, directory: string, slot: number) {
    this.#file = file
    this.#count = slot
    this.#view.setUint32(0, MAGIC, true)
    this.#view.setBigUint64(12, BigInt(`0x${directory}`), true)
  }

  /** Writes when those who wait for this have been told. Best effort: nothing depends on it. */
  writeSoon(position: Position, onError: (error: Error) => void): void {
    const isDue = this.#next !== undefined
    this.#next = position
    if (!isDue) queueMicrotask(() => this.#writeNext(onError))
  }

  #writeNext(onError: (error: Error) => void): void {
    const position = this.#next!
    this.#next = undefined
    if (this.#isClosed) return
    try {
      this.write(position)
    } catch (error) {
      onError(error as Error)
    }
  }

  write({ segment, offset }: Position): void {
    const view = this.#view
    view.setUint32(4, segment, true)
    view.setUint32(8, offset, true)
    view.setUint32(20, this.#count, true)
    view.setUint32(CRC_AT, crc32(this.#bytes.subarray(0, CRC_AT)), true)
    this.#file.write(this.#bytes, (this.#count % SLOTS) * SLOT_BYTES)
    this.#count++
  }

  close(): void {
    this.#isClosed = true
    closeQuietly(this.#file)
  }
}

/** Creates the file, with slots that vouch for nothing; it and its name are on stable storage then. */
export async function createDurable(fs: Fs, directory: string, id: string): Promise<void> {
  const isThere = fs.list(directory).includes(DURABLE_NAME)
  const file = fs.open(`${directory}/${DURABLE_NAME}`, isThere ? 'update' : 'create')
  try {
    const slots = new DurableSlots(file, id, 0)
    for (let slot = 0; slot < SLOTS; slot++) slots.write({ segment: 0, offset: 0 })
    await file.sync()
  } finally {
    closeQuietly(file)
  }
  await fs.syncDirectory(directory)
}

/** Opens the file to be written; all its slots are whole and on stable storage then. */
export async function openDurable(fs: Fs, directory: string, id: string): Promise<DurableSlots> {
  const best = readDurable(fs, directory, id)
  const file = fs.open(`${directory}/${DURABLE_NAME}`, 'update')
  try {
    for (let slot = 0; slot < SLOTS; slot++) {
      if (readSlot(file, slot, id) === undefined) new DurableSlots(file, id, slot).write(best)
    }
    await file.sync()
  } catch (error) {
    closeQuietly(file)
    throw error
  }
  return new DurableSlots(file, id, (best.slot + 1) % SLOTS)
}

export interface Vouched extends Position {
  /** The slot that says so. */
  readonly slot: number
}

/** The highest position that is vouched for. */
export function readDurable(fs: Fs, directory: string, id: string): Vouched {
  const path = `${directory}/${DURABLE_NAME}`
  if (!fs.list(directory).includes(DURABLE_NAME)) {
    throw new EngineError('CORRUPT', `${path} is missing: it tells up to where the journal has to be there`)
  }
  const file = fs.open(path, 'read')
  try {
    const size = file.size()
    if (size < FILE_BYTES) {
      throw new EngineError('CORRUPT', `${path}: ${size} bytes, where ${FILE_BYTES} or more were expected`)
    }
    let best: Vouched | undefined
    for (let slot = 0; slot < SLOTS; slot++) {
      const one = readSlot(file, slot, id)
      if (one !== undefined && (best === undefined || comparePositions(one, best) > 0)) best = one
    }
    if (best === undefined) {
      throw new EngineError('CORRUPT', `${path}: none of its ${SLOTS} slots (${SLOT_BYTES} bytes apart) is whole`)
    }
    return best
  } finally {
    closeQuietly(file)
  }
}

/** Whether there is a slot that vouches for any part of a journal: of a directory whose first opening has come to its end. */
export function vouchesForData(fs: Fs, directory: string, id: string): boolean {
  if (!fs.list(directory).includes(DURABLE_NAME)) return false
  const file = fs.open(`${directory}/${DURABLE_NAME}`, 'read')
  try {
    for (let slot = 0; slot < SLOTS; slot++) if ((readSlot(file, slot, id)?.segment ?? 0) > 0) return true
    return false
  } finally {
    closeQuietly(file)
  }
}

function readSlot(file: OpenFile, slot: number, id: string): Vouched | undefined {
  const bytes = readBytes(file, slot * SLOT_BYTES, USED_BYTES)
  if (bytes.length < USED_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  if (view.getUint32(0, true) !== MAGIC || view.getBigUint64(12, true) !== BigInt(`0x${id}`)) return undefined
  if (crc32(bytes.subarray(0, CRC_AT)) !== view.getUint32(CRC_AT, true)) return undefined
  return { segment: view.getUint32(4, true), offset: view.getUint32(8, true), slot }
}

/**
 * Frames that are not known to be on stable storage: in memory until they are, so that they can be written once more, into
 * another file, when this one fails.
 *
 *   blocks   [ frame frame frame ][ frame … frame ][ frame · · free · · ]
 *              ▲ from #blocks[0].at                   ▲ written up to here
 *
 * A block is written where it lies in the file: its frames stand side by side. A frame larger than a block has its own.
 */
import {
  FRAME_HEADER_BYTES,
  PAYLOAD_BYTES_MAX,
  readFrameHeader,
  sealFrame,
  type FrameStamp,
  type Position as Place,
} from './frame.ts'

const BLOCK_BYTES = 1 << 20
const SPARE_BLOCKS_MAX = 4

interface Block {
  readonly bytes: Uint8Array
  used: number
  /** Bytes of it that are in the file. */
  written: number
  readonly segment: number
  /** Where it lies in the file. */
  readonly offset: number
}

/** Where frames are added: the file's end, in a way. */
export interface FrameEnd {
  readonly segment: number
  readonly fileId: number
  offset: number
  chain: number
}

export class UnsyncedFrames {
  #blocks: Block[] = []
  readonly #spare: Uint8Array[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Adds a frame at the end, and moves the end on. */
  add(payload: Uint8Array, end: FrameEnd, stamp: Omit<FrameStamp, 'fileId' | 'payloadBytes'>): void {
    const bytes = FRAME_HEADER_BYTES + payload.length
    if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError(`a frame of ${payload.length} bytes`)
    const block = this.#blockFor(bytes, end)
    block.bytes.set(payload, block.used + FRAME_HEADER_BYTES)
    // Written out: a spread takes 2 µs, for each frame.
    const { hasMore, durable, seq } = stamp
    const stamped = { payloadBytes: payload.length, hasMore, fileId: end.fileId, durable, seq }
    end.chain = sealFrame(block.bytes, block.used, stamped, end.chain)
    block.used += bytes
    end.offset += bytes
    this.#bytes += bytes
  }

  /** Hands what is not written yet to `write`, which throws when that fails. */
  writeRest(write: (bytes: Uint8Array, segment: number, offset: number) => void): void {
    for (let i = this.#firstUnwritten(); i < this.#blocks.length; i++) {
      const block = this.#blocks[i]!
      write(block.bytes.subarray(block.written, block.used), block.segment, block.offset + block.written)
      block.written = block.used
    }
  }

  /** Lets go of blocks that lie below a place that is on stable storage. */
  release(segment: number, offset: number): void {
    let count = 0
    for (const block of this.#blocks) {
      if (block.segment > segment || (block.segment === segment && block.offset + block.used > offset)) break
      // The one that still takes frames stays where it is.
      if (block === this.#blocks.at(-1) && block.bytes.length - block.used > BLOCK_BYTES / 2) break
      count++
    }
    for (const block of this.#blocks.splice(0, count)) {
      this.#bytes -= block.used
      if (block.bytes.length === BLOCK_BYTES && this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(block.bytes)
    }
  }

  /** Gives up the blocks; what they hold behind a place is added once more at another end, which is durable as it is. */
  moveTo(end: FrameEnd, from: Place): void {
    const blocks = this.#blocks
    const durable = { segment: end.segment, offset: end.offset }
    this.#blocks = []
    this.#bytes = 0
    for (const block of blocks) {
      for (let at = 0; at < block.used;) {
        const { payloadBytes, hasMore, seq } = readFrameHeader(block.bytes, at)!
        const isBehind =
          block.segment > from.segment || (block.segment === from.segment && block.offset + at >= from.offset)
        const payloadAt = at + FRAME_HEADER_BYTES
        at = payloadAt + payloadBytes
        if (isBehind) this.add(block.bytes.subarray(payloadAt, at), end, { hasMore, seq, durable })
      }
    }
  }

  #firstUnwritten(): number {
    let index = this.#blocks.length
    while (index > 0 && this.#blocks[index - 1]!.written < this.#blocks[index - 1]!.used) index--
    return index
  }

  #blockFor(bytes: number, end: FrameEnd): Block {
    const last = this.#blocks.at(-1)
    const continues = last !== undefined && last.segment === end.segment && last.offset + last.used === end.offset
    if (continues && last.bytes.length - last.used >= bytes) return last
    const space = bytes <= BLOCK_BYTES ? (this.#spare.pop() ?? new Uint8Array(BLOCK_BYTES)) : new Uint8Array(bytes)
    const block = { bytes: space, used: 0, written: 0, segment: end.segment, offset: end.offset }
    this.#blocks.push(block)
    return block
  }
}

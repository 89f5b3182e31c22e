/**
 * A file of some space that is given back when the disk is full, so that acknowledgements and what was already decided can
 * still be written, and the manifest.
 */
import { closeQuietly, writeAll, type Fs } from './files.ts'

export const RESERVE_NAME = 'reserve'
const CHUNK_BYTES = 65_536

export class Reserve {
  readonly #fs: Fs
  readonly #path: string
  readonly #bytes: number
  #isHeld = false

  constructor(fs: Fs, directory: string, bytes: number) {
    this.#fs = fs
    this.#path = `${directory}/${RESERVE_NAME}`
    this.#bytes = bytes
  }

  /** Takes the space; false when there is not so much. */
  take(): boolean {
    if (this.#isHeld || this.#bytes === 0) return true
    try {
      this.#fill()
      this.#isHeld = true
    } catch {
      this.#remove()
    }
    return this.#isHeld
  }

  /** Gives the space back; false when it had none. */
  release(): boolean {
    if (!this.#isHeld) return false
    this.#isHeld = false
    return this.#remove()
  }

  #fill(): void {
    const file = this.#fs.open(this.#path, 'create')
    try {
      const chunk = new Uint8Array(CHUNK_BYTES)
      for (let at = 0; at < this.#bytes; at += CHUNK_BYTES) {
        writeAll(file, chunk.subarray(0, Math.min(CHUNK_BYTES, this.#bytes - at)), at)
      }
    } finally {
      closeQuietly(file)
    }
  }

  #remove(): boolean {
    try {
      this.#fs.remove(this.#path)
      return true
    } catch {
      return false
    }
  }
}

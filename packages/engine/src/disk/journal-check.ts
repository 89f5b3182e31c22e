/**
 * The journal's files in a check (check.ts): each by itself, in their order, so that what is missing between two of them, and
 * the last change before a hole, can be told.
 */
import { EngineError } from '../errors.ts'
import { LEFT_OVER, type Looked } from './file-report.ts'
import type { Fs } from './files.ts'
import { segmentName } from './journal-file.ts'
import type { Manifest, SegmentEntry } from './manifest.ts'
import { lookAtSegment, type SegmentLook } from './segment-look.ts'

export interface JournalCheckOptions {
  /** The one that counts; undefined: that cannot be told. */
  readonly manifest: Manifest | undefined
  /** The directory would not be opened: what is cut short is damage. */
  readonly isRefused: boolean
}

export class JournalCheck {
  readonly #fs: Fs
  readonly #directory: string
  readonly #options: JournalCheckOptions
  /** The number of the last frame so far. */
  #seq: number | undefined
  #lastChanges: readonly string[] = []

  constructor(fs: Fs, directory: string, options: JournalCheckOptions) {
    this.#fs = fs
    this.#directory = directory
    this.#options = options
    this.#seq = options.manifest?.seqBefore
  }

  /** Looks at a segment that is there; they are to be asked for in their order. */
  look(number: number): Looked {
    const { manifest } = this.#options
    const entry = manifest?.segments.find((one) => one.number === number)
    const path = `${this.#directory}/${segmentName(number)}`
    if (manifest !== undefined && entry === undefined) return { state: 'not looked into', lines: [LEFT_OVER] }
    const look = lookAtSegment(this.#fs, path, entry?.end?.offset)
    if (entry !== undefined && entry.fileId !== look.header.fileId) {
      throw new EngineError('CORRUPT', `${path}: has the id ${look.header.fileId}; the manifest names ${entry.fileId}`)
    }
    const looked = this.#judge(look, entry)
    if (look.seqs !== undefined) this.#seq = look.seqs.last
    if (look.lastChanges.length > 0) this.#lastChanges = look.lastChanges
    return looked
  }

  #judge(look: SegmentLook, entry: SegmentEntry | undefined): Looked {
    const { isRefused } = this.#options
    const frames = framesText(look)
    const gap = isRefused ? this.#gapBefore(look) : []
    if (gap.length > 0) return { state: 'damaged', lines: [frames, ...gap] }
    const end = entry?.end
    if (end !== undefined) {
      if (look.end.offset === end.offset && look.end.crc === end.crc) return { state: 'whole', lines: [frames] }
      const wanted = `${frames} up to offset ${look.end.offset}; more were expected, up to ${end.offset}`
      return { state: 'damaged', lines: [wanted, ...this.#lost(look)] }
    }
    if (look.used === look.groupsEnd) return { state: 'whole', lines: [frames] }
    const bytes = look.used - look.groupsEnd
    const whole = `${frames} up to offset ${look.end.offset}`
    if (!isRefused) {
      return { state: 'torn', lines: [`${whole}; ${bytes} bytes behind offset ${look.groupsEnd} are left out`] }
    }
    return { state: 'damaged', lines: [`${whole}; ${bytes} bytes behind ${look.groupsEnd}`, ...this.#lost(look)] }
  }

  #gapBefore({ seqs }: SegmentLook): string[] {
    const seq = this.#seq
    if (seqs === undefined || seq === undefined || seqs.first <= seq + 1) return []
    const lines = [`the frames ${seq + 1} to ${seqs.first - 1} are missing before it`]
    return this.#lastChanges.length === 0 ? lines : [...lines, beforeText(this.#lastChanges)]
  }

  /** What can be told about what is lost from the first hole on. */
  #lost({ lastChanges, damagedChange, behind }: SegmentLook): string[] {
    const before = lastChanges.length > 0 ? lastChanges : this.#lastChanges
    const lines: string[] = [before.length === 0 ? 'no change before it in the journal' : beforeText(before)]
    if (damagedChange !== undefined) lines.push(`what is damaged seems to begin with ${damagedChange}`)
    if (behind !== undefined) {
      const { seqs, offset, firstChange } = behind
      const first = firstChange === undefined ? '' : `, beginning with ${firstChange}`
      lines.push(`frames ${seqs.first} to ${seqs.last} are behind it, whole, from offset ${offset} on${first}`)
    }
    return lines
  }
}

function framesText({ seqs }: SegmentLook): string {
  if (seqs === undefined) return 'no frames'
  const count = seqs.last - seqs.first + 1
  return count === 1 ? `1 frame (${seqs.first})` : `${count} frames (${seqs.first} to ${seqs.last})`
}

function beforeText(changes: readonly string[]): string {
  return `last whole changes before it: ${changes.join(', ')}`
}

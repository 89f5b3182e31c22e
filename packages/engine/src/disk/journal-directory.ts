/**
 * The journal's side of the manifest: which segments there are, and the next one. Manifests are written one after the other.
 */
import type { Env } from '../env.ts'
import { EngineError } from '../errors.ts'
import { DURABLE_NAME } from './durable-slots.ts'
import type { OpenFile } from './files.ts'
import { fillingAhead } from './fill-ahead.ts'
import { createSegment, segmentHeader, segmentName } from './journal-file.ts'
import type { Durable } from './journal-options.ts'
import { readManifest, writeManifest, type ClosedEnd, type Manifest, type SegmentEntry } from './manifest.ts'

export interface MadeSegment {
  readonly entry: SegmentEntry
  readonly file: OpenFile
  /** Of its header. */
  readonly crc: number
}

export class JournalDirectory {
  readonly #env: Env
  readonly #path: string
  readonly #fillBytes: () => number
  #manifest: Manifest
  #nextNumber: number
  #steps: Promise<void> = Promise.resolve()
  #isEnded = false

  /** `fillBytes`: how far at most a segment's file is filled ahead. */
  constructor(env: Env, path: string, manifest: Manifest, fillBytes: () => number) {
    this.#env = env
    this.#path = path
    this.#fillBytes = fillBytes
    this.#manifest = manifest
    this.#nextNumber = manifest.segments.at(-1)!.number + 1
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  /** The segments up to a place, the last of which ends there. */
  segmentsUpTo({ segment, offset, chain: crc }: Durable): SegmentEntry[] {
    return this.#manifest.segments
      .filter(({ number }) => number <= segment)
      .map((entry) => (entry.number === segment ? { ...entry, end: { offset, crc } } : entry))
  }

  /**
   * Creates the next segment; no manifest names it yet. `isCopy`: what it gets until one does is in the segment before, too.
   * `LOCKED`: the directory is another process's by now.
   */
  async createSegment(isCopy: boolean): Promise<MadeSegment> {
    const { fs } = this.#env
    const directory = this.#path
    const current = readManifest(fs, directory)
    if (current?.epoch !== this.#manifest.epoch || current.directory !== this.#manifest.directory) {
      throw new EngineError('LOCKED', `${directory}: another process has opened it meanwhile`)
    }
    if (!fs.list(directory).includes(DURABLE_NAME)) {
      throw new EngineError(
        'UNAVAILABLE',
        `${directory}/${DURABLE_NAME} is missing: the directory could not be opened again`,
      )
    }
    const number = this.#nextNumber++
    const fileId = randomWord(this.#env)
    const { bytes, crc } = segmentHeader({ number, fileId, epoch: this.#manifest.epoch, isCopy })
    const file = fillingAhead(await createSegment(fs, directory, number, bytes), this.#fillBytes)
    return { entry: { number, fileId }, file, crc }
  }

  /** Writes a manifest with these changes; within `step`. */
  async write(changes: Partial<Manifest>): Promise<void> {
    const manifest = { ...this.#manifest, isClean: false, ...changes, generation: this.#manifest.generation + 1 }
    await writeManifest(this.#env.fs, this.#path, manifest, () => !this.#isEnded)
    // Ends that became known meanwhile go into the next one.
    const ends = new Map(this.#manifest.segments.map(({ number, end }) => [number, end]))
    const segments = manifest.segments.map((entry) => {
      const end = entry.end ?? ends.get(entry.number)
      return end === undefined ? entry : { ...entry, end }
    })
    this.#manifest = { ...manifest, segments }
  }

  /** Nothing is put in place any more: the directory may be somebody else's from now on. */
  end(): void {
    this.#isEnded = true
  }

  /** Takes a step that writes manifests when those before it are done. */
  step(step: () => Promise<void>): Promise<void> {
    const done = this.#steps.then(step)
    this.#steps = done.catch(() => undefined)
    return done
  }

  /** A segment has come to its durable end: the next manifest tells where. */
  setEnd(number: number, end: ClosedEnd): void {
    const segments = this.#manifest.segments.map((entry) => (entry.number === number ? { ...entry, end } : entry))
    this.#manifest = { ...this.#manifest, segments }
  }
}

export function randomWord(env: Env): number {
  return Math.floor(env.random() * 2 ** 32)
}

/** The names of a manifest's files that nobody needs when a snapshot holds what was before a segment. */
export function filesBefore({ segments, snapshot }: Manifest, segment: number): string[] {
  const names = segments.filter(({ number }) => number < segment).map(({ number }) => segmentName(number))
  return snapshot === null ? names : [...names, snapshot.name]
}

/**
 * Looks every second whether the files of an open directory are still there. A file without a name takes writes and syncs
 * like any other, and is gone when it is closed: who removes a journal, or its directory, would be told nothing otherwise.
 */
import type { Env } from '../env.ts'
import type { Fs } from './files.ts'
import { segmentName } from './journal-file.ts'
import { Later } from './later.ts'
import { manifestName, type Manifest } from './manifest.ts'

const LOOK_MS = 1000

export class Presence {
  readonly #fs: Fs
  readonly #directory: string
  readonly #manifest: () => Manifest
  readonly #onMissing: (path: string) => void
  readonly #next: Later

  /** `onMissing` is called every second in which something is missing. */
  constructor(env: Env, directory: string, manifest: () => Manifest, onMissing: (path: string) => void) {
    this.#fs = env.fs
    this.#directory = directory
    this.#manifest = manifest
    this.#onMissing = onMissing
    this.#next = new Later(env, LOOK_MS, () => this.#look())
    this.#next.ask()
  }

  end(): void {
    this.#next.end()
  }

  #look(): void {
    this.#next.ask()
    const missing = this.#missing()
    if (missing !== undefined) this.#onMissing(missing)
  }

  #missing(): string | undefined {
    let names: ReadonlySet<string>
    try {
      names = new Set(this.#fs.list(this.#directory))
    } catch (error) {
      // That it cannot be read now tells nothing about what is in it.
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? this.#directory : undefined
    }
    const name = namesOf(this.#manifest()).find((one) => !names.has(one))
    return name === undefined ? undefined : `${this.#directory}/${name}`
  }
}

function namesOf({ generation, snapshot, segments }: Manifest): string[] {
  const names = [manifestName(generation), ...segments.map(({ number }) => segmentName(number))]
  return snapshot === null ? names : [...names, snapshot.name]
}

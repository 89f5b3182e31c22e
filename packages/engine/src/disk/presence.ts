/**
 * Looks every second whether the files of an open directory are still there. A file without a name takes writes and syncs
 * like any other, and is gone when it is closed: who removes a journal, or its directory, would be told nothing otherwise.
 */
import type { Env } from '../env.ts'
import { DURABLE_NAME } from './durable-slots.ts'
import type { Fs } from './files.ts'
import { segmentName } from './journal-file.ts'
import { Later } from './later.ts'
import { manifestName, type Manifest } from './manifest.ts'

const LOOK_MS = 1000

export class Presence {
  readonly #fs: Fs
  readonly #directory: string
  readonly #manifest: () => Manifest
  readonly #onLook: (missing: string | undefined) => void
  readonly #next: Later

  /** `onLook` is called every second, with what is missing. */
  constructor(env: Env, directory: string, manifest: () => Manifest, onLook: (missing: string | undefined) => void) {
    this.#fs = env.fs
    this.#directory = directory
    this.#manifest = manifest
    this.#onLook = onLook
    this.#next = new Later(env, LOOK_MS, () => this.#look())
    this.#next.ask()
  }

  end(): void {
    this.#next.end()
  }

  #look(): void {
    this.#next.ask()
    this.#onLook(this.#missing())
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
  const names = [
    manifestName(generation),
    manifestName(generation + 1),
    DURABLE_NAME,
    ...segments.map(({ number }) => segmentName(number)),
  ]
  return snapshot === null ? names : [...names, snapshot.name]
}

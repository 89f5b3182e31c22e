/** The segment that a journal goes on in when the current one is full: made ahead, so that going on in it takes no time. */
import type { Env } from '../env.ts'
import { closeQuietly } from './files.ts'
import type { JournalDirectory, MadeSegment } from './journal-directory.ts'
import { Later } from './later.ts'

/** After one that could not be made. */
const REST_MS = 1000

export interface NextSegmentOptions {
  readonly env: Env
  readonly directory: JournalDirectory
  /** False: the journal is closed, or goes on in another file already. */
  readonly isWanted: () => boolean
  readonly onError: (error: Error) => void
}

export class NextSegment {
  readonly #options: NextSegmentOptions
  readonly #rest: Later
  #made: MadeSegment | undefined = undefined
  #isBusy = false

  constructor(options: NextSegmentOptions) {
    this.#options = options
    this.#rest = new Later(options.env, REST_MS, () => (this.#isBusy = false))
  }

  get isThere(): boolean {
    return this.#made !== undefined
  }

  /** Makes it some time, if nobody is about to. */
  ask(): void {
    if (!this.#isBusy && !this.isThere) void this.make()
  }

  /** Resolves when it is there, or could not be made. */
  make(): Promise<void> {
    this.#isBusy = true
    return this.#options.directory.step(async () => {
      try {
        await this.#make()
        this.#isBusy = false
      } catch (error) {
        this.#options.onError(error as Error)
        this.#rest.ask()
      }
    })
  }

  async #make(): Promise<void> {
    const { directory, isWanted } = this.#options
    if (this.isThere || !isWanted()) return
    const made = await directory.createSegment(false)
    try {
      await directory.write({ segments: [...directory.manifest.segments, made.entry] })
    } catch (error) {
      // A manifest may name it by now, so it is not removed.
      closeQuietly(made.file)
      throw error
    }
    this.#made = made
  }

  /** Hands it over. */
  take(): MadeSegment | undefined {
    const made = this.#made
    this.#made = undefined
    return made
  }

  end(): void {
    this.#rest.end()
  }
}

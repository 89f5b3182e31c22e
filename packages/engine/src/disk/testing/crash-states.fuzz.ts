/**
 * Random writes, truncations and syncs of one file, crashes of the process on the way, and then the states that a power
 * failure may leave: each byte must be one that was there at some time since the last sync that succeeded, and so must the
 * size; and where there are few to choose from, the newest contents are among them.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import { expect, it } from 'vitest'
import { Seeded } from '../../seeded.ts'
import type { OpenFile } from '../files.ts'
import { SimFs, type CrashState } from './sim-fs.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 80)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = 12
const BYTES_MAX = 1700

class History {
  readonly random: Seeded
  fs = new SimFs()
  /** What the file held after each step, from the last one on that is durable. */
  images: Uint8Array[] = [new Uint8Array(0)]
  /** For each entry of the trace, what the images were then. */
  #imagesAt: Uint8Array[][] = []
  #file: OpenFile
  /** After a sync that failed nothing that it covered is durable until it is written again: nothing is, to be simple. */
  #hasFailed = false

  constructor(seed: number) {
    this.random = new Seeded(seed)
    this.#file = this.fs.open('/a', 'create')
    this.fs.syncDirectoryNow('/')
  }

  async run(): Promise<void> {
    for (let i = 0; i < STEPS; i++) {
      await this.#step()
      while (this.#imagesAt.length < this.fs.trace.length) this.#imagesAt.push(this.images)
    }
  }

  /** The images that a state may be made of: those before the step that is next, which is not done. */
  imagesAt({ index }: CrashState): Uint8Array[] {
    return index === 0 ? [new Uint8Array(0)] : this.#imagesAt[index - 1]!
  }

  /** Goes on with what a crash of the process leaves. */
  crash(): void {
    const [crash] = this.fs.crashStates({ kinds: ['process'], from: this.fs.trace.length })
    this.fs = crash!.fs
    this.#imagesAt = []
    this.#file = this.fs.open('/a', 'update')
    while (this.#imagesAt.length < this.fs.trace.length) this.#imagesAt.push(this.images)
  }

  async #step(): Promise<void> {
    const { random } = this
    const which = random.below(10)
    if (which < 6) {
      const bytes = new Uint8Array(1 + random.below(random.pick([20, 700]))).fill(1 + random.below(255))
      this.#file.write(bytes, random.below(BYTES_MAX - bytes.length))
      this.#keep()
    } else if (which < 7) {
      this.#file.truncate(random.below(BYTES_MAX))
      this.#keep()
    } else if (which < 8) {
      this.fs.inject({ kind: 'sync', error: 'EIO' })
      await expect(this.#file.sync()).rejects.toThrow('EIO')
      this.#hasFailed = true
    } else {
      this.fs.holdSyncs = true
      const synced = this.#file.sync()
      const durable = this.images.length - 1
      const isLate = random.below(2) === 0
      while (this.#imagesAt.length < this.fs.trace.length) this.#imagesAt.push(this.images)
      if (isLate) {
        this.#file.write(new Uint8Array(300).fill(1 + random.below(255)), random.below(BYTES_MAX - 300))
        this.#keep()
        while (this.#imagesAt.length < this.fs.trace.length) this.#imagesAt.push(this.images)
      }
      this.fs.release()
      this.fs.holdSyncs = false
      await synced
      if (!this.#hasFailed) this.images = this.images.slice(durable)
    }
  }

  #keep(): void {
    this.images = [...this.images, this.fs.contents('/a')]
  }
}

function check(history: History, state: CrashState, seed: number): void {
  const told = (): string => `seed ${seed}: ${state.describe()}`
  const images = history.imagesAt(state)
  if (!state.fs.list('/').includes('a')) {
    if (state.index >= 2) throw new Error(`${told()}: the file is gone`)
    return
  }
  const found = state.fs.contents('/a')
  if (!images.some((image) => image.length === found.length)) throw new Error(`${told()}: ${found.length} bytes`)
  for (let i = 0; i < found.length; i++) {
    if (!images.some((image) => (image[i] ?? 0) === found[i])) throw new Error(`${told()}: ${found[i]} at ${i}`)
  }
}

function checkNewest(history: History, seed: number): void {
  const newest = Buffer.from(history.images.at(-1)!)
  const from = history.fs.trace.length
  const states = [...history.fs.crashStates({ seed, kinds: ['power'], from, unitsMax: 12 })]
  const isThere = states.some((state) => newest.equals(state.fs.contents('/a')))
  // 4,096 ways at most are gone through; of more than those only some are drawn.
  if (!isThere && history.images.length <= 4) throw new Error(`seed ${seed}: the newest contents are missing`)
}

it(`leaves after a power failure what was written since the last sync (MILLRACE_SEED=${SEED})`, async () => {
  let states = 0
  for (let run = 0; run < RUNS; run++) {
    const seed = SEED + run
    const history = new History(seed)
    for (let crashes = history.random.below(3); crashes >= 0; crashes--) {
      await history.run()
      for (const state of history.fs.crashStates({ seed, kinds: ['power'], samples: 20, unitsMax: 5 })) {
        check(history, state, seed)
        states++
      }
      checkNewest(history, seed)
      if (crashes > 0) history.crash()
    }
  }
  expect(states).toBeGreaterThan(RUNS)
}, 600_000)

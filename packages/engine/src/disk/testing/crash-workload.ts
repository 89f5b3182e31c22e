/**
 * A store that works on a simulated disk while everything that matters is written down: the state after each group of
 * changes, and, as marks in the disk's trace, what was promised by when.
 *
 *   trace    … write │ write │ mark 'written 7' │ sync │ mark 'durable 7' │ …
 *   states   7 → stateText
 *
 * `check` holds what is recovered from a crash against it: the state after some group, none between, and none before what had
 * been promised: `written` when the process died (P2), `durable` when the power failed (P1).
 */
import { Databases } from '../../databases.ts'
import { RandomHistory } from '../../random-history.ts'
import type { Seeded } from '../../seeded.ts'
import type { FsyncPolicy } from '../journal-options.ts'
import { findManifest, recovering, scanOf } from '../recovery.ts'
import { loadSnapshot } from '../snapshot.ts'
import { stateText } from '../state-text.ts'
import { Store, type StoreOptions } from '../store.ts'
import { settled, SimEnv } from './sim-env.ts'
import type { CrashState, SimFs } from './sim-fs.ts'

export const DIRECTORY = '/data'

export interface Recovery {
  readonly seq: number
  readonly text: string
}

export class CrashWorkload {
  readonly fs: SimFs
  readonly env: SimEnv
  readonly states = new Map<number, string>([[0, '']])
  readonly #random: Seeded
  readonly #options: Omit<StoreOptions, 'env'>
  store: Store | undefined = undefined
  #history: RandomHistory | undefined = undefined
  readonly #known = new Map<string, Recovery>()

  constructor(fs: SimFs, random: Seeded, options: Omit<StoreOptions, 'env'>) {
    this.fs = fs
    this.env = new SimEnv(fs, random.below(2 ** 31))
    this.#random = random
    this.#options = options
    this.states.set(0, stateText(new Databases()))
  }

  /** What goes on after a crash: `seq` groups were recovered, of those that this one has made. */
  afterCrash(fs: SimFs, seq: number): CrashWorkload {
    const next = new CrashWorkload(fs, this.#random, this.#options)
    for (const [group, text] of this.states) if (group <= seq) next.states.set(group, text)
    return next
  }

  get policy(): FsyncPolicy {
    return this.#options.fsync ?? 'always'
  }

  /** Opens the directory; some syncs of the journal end late from then on. */
  async open(): Promise<void> {
    const store = await Store.open(DIRECTORY, { env: this.env, ...this.#options })
    this.store = store
    this.#history = new RandomHistory(store.databases, this.#random)
    let told = store.journal.durableSeq
    // What was recovered is shown from now on, and so it is durable.
    this.fs.mark(`durable ${told}`)
    store.onChange = () => {
      // With `always` what is told to be safe is promised to be durable.
      const seq = this.policy === 'always' ? store.safeSeq : store.journal.durableSeq
      if (seq > told) this.fs.mark(`durable ${seq}`)
      told = seq
    }
  }

  /** One turn of the event loop: some commands, then their group. */
  turn(): void {
    const { store } = this
    if (store === undefined) throw new Error('the store is not open')
    const steps = 1 + this.#random.below(4)
    for (let i = 0; i < steps; i++) this.#history!.step()
    const seq = store.commit()
    this.states.set(seq, stateText(store.databases))
    // With `always` a reply waits for more than that, so nothing is promised yet.
    if (this.policy !== 'always' && store.safeSeq >= seq) this.fs.mark(`written ${seq}`)
  }

  async run(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) {
      this.fs.holdSyncs = this.#random.below(3) === 0
      this.turn()
      // One that fails leaves everything as it was, and says so: here it only has to do no harm.
      if (this.#random.below(6) === 0) void this.store!.snapshot().catch(() => undefined)
      if (this.#random.below(4) === 0) await this.env.advance(this.#random.below(1500))
      this.fs.holdSyncs = false
      if (this.#random.below(3) > 0) {
        this.fs.release()
        await settled()
      }
    }
    this.fs.release()
    await settled()
  }

  /** What the history promises at a crash. */
  required({ kind, index }: Pick<CrashState, 'kind' | 'index'>): number {
    const names = kind === 'power' ? ['durable'] : ['durable', 'written']
    let seq = 0
    for (const mark of this.fs.marks(index)) {
      const [name, number] = mark.split(' ')
      if (names.includes(name!)) seq = Math.max(seq, Number(number))
    }
    return seq
  }

  /** What is wrong with a crash's recovery; undefined: nothing. */
  check(state: CrashState, required: number): string | undefined {
    let found: Recovery
    try {
      // Of the same bytes comes the same state: it is looked at once, and now and then again.
      const scanned = scanFrom(state.fs)
      const known = this.#known.get(scanned)
      found = known === undefined || state.number % 64 === 0 ? recoverFrom(state.fs) : known
      this.#known.set(scanned, found)
    } catch (error) {
      return `refused: ${(error as Error).message}`
    }
    if (found.seq < required) return `recovered up to group ${found.seq}; ${required} had been promised`
    const expected = this.states.get(found.seq)
    if (expected === undefined) return `recovered up to ${found.seq}, which is no whole group`
    return expected === found.text ? undefined : `the state after group ${found.seq} is another`
  }
}

/** What is in a directory's journal, told by checksums. */
function scanFrom(fs: SimFs): string {
  if (!fs.list('/').includes(DIRECTORY.slice(1))) return 'none'
  const manifest = findManifest(fs, DIRECTORY)
  if (manifest === undefined) return 'none'
  const reading = scanOf(fs, DIRECTORY, manifest, () => undefined).run()
  let step = reading.next()
  while (step.done !== true) step = reading.next()
  const { end, ends } = step.value
  return JSON.stringify([manifest.directory, manifest.snapshot, end.seq, [...ends]])
}

/** Reads a directory to the end, at once. */
export function recoverFrom(fs: SimFs): Recovery {
  const databases = new Databases()
  if (!fs.list('/').includes(DIRECTORY.slice(1))) return { seq: 0, text: stateText(databases) }
  const steps = recovering(fs, DIRECTORY, databases, loadSnapshot)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return { seq: step.value?.journal.end.seq ?? 0, text: stateText(databases) }
}

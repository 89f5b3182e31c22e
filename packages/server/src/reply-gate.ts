/**
 * The gate before the sockets of a server that keeps its data on disk: nothing leaves that may tell of a change which is not
 * safe yet, whoever made the change and whatever tells of it (a reply, a message, a line of MONITOR).
 *
 *   round of the event loop            what was changed is group n + 1
 *   its end ──commit()──► durability   group n + 1 is written, up to a number of the durability's
 *   safeSeq ≥ that number              group n + 1 is safe: what is held for it leaves
 *
 * With `always` a sync is what a group costs, and one for fifty connections costs as much as one for three. So a group begins
 * when the one before is safe, and is open for a moment: until as many have joined as before, or nobody does any more.
 *
 *   safe ──► replies of fifty ──► 3, 9, 26, 41, 50 have sent the next ──commit()──► one sync
 *
 * Reads are held too, since what they tell may be a change that is not safe. Requests go on meanwhile, within the limits on a
 * connection's unsent output, and their replies queue behind (held-replies.ts).
 *
 * A commit happens only here, at the end of a round: a command, or transaction, is never cut in two by one.
 *
 * While all writes are refused (the disk fails, and is tried again and again) reads go on: what is told to a connection that
 * holds nothing leaves, though it may tell of a change that was made just before and is not safe. Who made that still waits.
 */
import type { Databases } from '@millrace/engine'
import type { Durability } from './durability.ts'

/** Who holds replies back. */
export interface Holder {
  /** Sends what may leave now; true when nothing more is held. */
  letGo(): boolean
}

/** Rounds of the event loop, of some microseconds, in which nobody joins. */
const QUIET_ROUNDS = 24
/** However many join: some milliseconds. */
const JOINING_ROUNDS_MAX = 1000

interface Written {
  readonly group: number
  readonly seq: number
}

export class ReplyGate {
  readonly #databases: Databases
  readonly #durability: Durability
  readonly #arriving: () => number
  readonly #holders = new Set<Holder>()
  /** Groups that are written and not safe, in their order. */
  readonly #written: Written[] = []
  /** The last group that was written, and the last one that is safe. */
  #group = 0
  #safeGroup = 0
  /** Changes of the databases when that was. */
  #changes: number
  #isCommitDue = false
  /** How many connections the last group was for. */
  #wanted = 0
  /** Of the group that is open: who has joined, how many rounds ago the last one did, and how many rounds it is open. */
  #joined = 0
  #quietRounds = 0
  #rounds = 0
  /** All writes are refused, and the replies to those before are held. */
  #isPassing = false

  /** `arriving`: how many connections wait with replies that are not held yet. */
  constructor(databases: Databases, durability: Durability, arriving: () => number = () => 0) {
    this.#arriving = arriving
    this.#databases = databases
    this.#durability = durability
    this.#changes = databases.changeCount
  }

  /** Hot: nothing has changed that is not safe. */
  get isOpen(): boolean {
    if (this.#isPassing) return true
    return this.#safeGroup === this.#group && this.isCommitted
  }

  /** All that has changed is written. */
  get isCommitted(): boolean {
    return this.#databases.changeCount === this.#changes
  }

  /** The last group that is safe. */
  get safeGroup(): number {
    return this.#safeGroup
  }

  /** The group that has to be safe before what is told now may leave. */
  get tellableGroup(): number {
    return this.isCommitted ? this.#group : this.#group + 1
  }

  /** How many connections hold replies back. */
  get holderCount(): number {
    return this.#holders.size
  }

  /** Somebody holds replies back: is called when more may leave, and before long what has changed is written. */
  hold(holder: Holder): void {
    this.#holders.add(holder)
    this.commitSoon()
  }

  /** It holds nothing more. */
  leave(holder: Holder): void {
    this.#holders.delete(holder)
  }

  /** Writes what has changed at the end of this round of the event loop, or when whoever is about to join has. */
  commitSoon(): void {
    if (this.#isCommitDue || this.isCommitted || this.#isDiskBusy) return
    this.#isCommitDue = true
    setImmediate(this.#endRound)
  }

  readonly #endRound = (): void => {
    if (this.isJoining()) {
      setImmediate(this.#endRound)
      return
    }
    this.#isCommitDue = false
    this.commitUnlessBusy()
  }

  /** To be asked once a round: whether more connections are about to join the group that is open. */
  isJoining(): boolean {
    const { size } = this
    if (size >= this.#wanted || this.isCommitted || this.#isDiskBusy || this.#durability.fsync !== 'always')
      return false
    this.#quietRounds = size > this.#joined ? 0 : this.#quietRounds + 1
    this.#joined = size
    return this.#quietRounds < QUIET_ROUNDS && ++this.#rounds < JOINING_ROUNDS_MAX
  }

  /** Writes what has changed, unless a sync is on its way: when it has ended, the next group is for all who wait by then. */
  commitUnlessBusy(): void {
    if (!this.#isDiskBusy) this.commit()
  }

  get #isDiskBusy(): boolean {
    const { fsync, isSyncing, refusal } = this.#durability
    return fsync === 'always' && isSyncing && refusal === undefined
  }

  /** How many connections wait for the group that is open, or for those before. */
  get size(): number {
    return this.#holders.size + this.#arriving()
  }

  /** Writes what has changed, and lets go what is safe by that. To be called between commands only. */
  commit(): void {
    const { changeCount } = this.#databases
    if (changeCount === this.#changes) return
    this.#changes = changeCount
    this.#wanted = this.size
    this.#joined = 0
    this.#quietRounds = 0
    this.#rounds = 0
    const seq = this.#durability.commit()
    this.#written.push({ group: ++this.#group, seq })
    this.advance()
  }

  /** Lets go what has become safe. To be called when the durability has changed. */
  advance(): void {
    this.commitSoon()
    const { safeSeq, refusal } = this.#durability
    if (refusal?.kind !== 'all') this.#isPassing = false
    // Not at once: replies to writes of this round may not be held yet.
    else if (!this.#isPassing) setImmediate(() => (this.#isPassing = this.#durability.refusal?.kind === 'all'))
    let count = 0
    while (count < this.#written.length && this.#written[count]!.seq <= safeSeq) count++
    if (count === 0) return
    this.#safeGroup = this.#written[count - 1]!.group
    this.#written.splice(0, count)
    this.#wanted = Math.max(this.#wanted, this.#holders.size)
    for (const holder of this.#holders) if (holder.letGo()) this.#holders.delete(holder)
  }
}

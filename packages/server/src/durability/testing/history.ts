/**
 * Clients that load a server with commands in pipelines, and know at every moment what was sent and what was acknowledged.
 *
 *   run(wire) ──► batches, two under way ──► replies counted ──connection ends──► done
 *   check(wire) ──► the stream as it is = the model after some number of commands, acknowledged ≤ that ≤ sent
 *                     └── goes on from there
 */
import type { Random } from '../../differential-random.ts'
import { encodeAll, type Wire } from '../../differential-wire.ts'
import { shownBy, StreamModel, type Command } from './stream-model.ts'

export class History {
  acknowledged = 0
  /** Commands that were lost or kept without an acknowledgement, in all checks so far. */
  unanswered = 0
  readonly key: string
  readonly #random: Random
  readonly #onReplies: () => void
  /** The state that the last check found. */
  #base: StreamModel
  /** The state when all that was sent is done. */
  #ahead: StreamModel
  #sent: Command[] = []
  #answered = 0

  constructor(key: string, random: Random, onReplies: () => void = () => undefined) {
    this.key = key
    this.#random = random
    this.#onReplies = onReplies
    this.#base = new StreamModel(key)
    this.#ahead = this.#base.copy()
  }

  async create(wire: Wire): Promise<void> {
    const reply = await wire.ask('XGROUP', 'CREATE', this.key, 'g', '0', 'MKSTREAM')
    if (reply !== '+OK\r\n') throw new Error(reply)
  }

  /** Sends until the connection ends, or so many commands were sent. */
  async run(wire: Wire, pipeline: number, limit = Infinity): Promise<void> {
    const under: number[] = []
    while (this.#sent.length < limit && !wire.isClosed) {
      under.push(this.#send(wire, Math.min(pipeline, limit - this.#sent.length)))
      if (under.length === 2) await this.#take(wire, under.shift()!)
    }
    for (const count of under) await this.#take(wire, count)
  }

  /** The state is one that a prefix of the commands gives, in which none that was acknowledged is missing. */
  async check(wire: Wire): Promise<void> {
    const shown = await shownBy((...words) => wire.ask(...words), this.key)
    const model = this.#base.copy()
    const seen: string[] = []
    for (let done = 0; done <= this.#sent.length; done++) {
      if (done > 0) model.apply(this.#sent[done - 1]!)
      if (done < this.#answered) continue
      if (model.text() === shown) {
        this.unanswered += this.#sent.length - this.#answered
        this.#base = model
        this.#ahead = model.copy()
        this.#sent = []
        this.#answered = 0
        return
      }
      seen.push(model.text())
    }
    throw new Error(this.#difference(shown, seen))
  }

  #difference(shown: string, seen: readonly string[]): string {
    const model = this.#base.copy()
    const before = [model.text(), ...this.#sent.slice(0, this.#answered).map((c) => (model.apply(c), model.text()))]
    const at = before.lastIndexOf(shown)
    const what = at < 0 ? 'no state that it was ever in' : `its state after ${at} of these`
    return `'${this.key}' after ${this.#answered} acknowledged of ${this.#sent.length} sent commands is in ${what}.\nFound:\n${shown}\nExpected, or later:\n${seen[0]}`
  }

  #send(wire: Wire, count: number): number {
    const words: string[][] = []
    for (let i = 0; i < count; i++) {
      const command = this.#ahead.next(this.#random)
      words.push(this.#ahead.words(command))
      this.#ahead.apply(command)
      this.#sent.push(command)
    }
    wire.send(encodeAll(words))
    return count
  }

  async #take(wire: Wire, count: number): Promise<void> {
    for (let left = count; left > 0 && !wire.isClosed; left--) {
      const [reply] = await wire.take(1)
      if (reply === undefined) return
      if (reply.startsWith('-')) throw new Error(`The server answered ${reply}`)
      this.#answered++
      this.acknowledged++
      this.#onReplies()
    }
  }
}

/**
 * Who decides what a crash leaves. `EveryChoice` goes through all ways there are, as an odometer of which each digit learns
 * its base when it is first asked for:
 *
 *   0 0 0 ──next()──► 0 0 1 ──next()──► 0 1 ──next()──► 1 0 …     a decision that other decisions make needless is not asked
 *
 * `SomeChoices` draws one way, with a leaning that is drawn first: fair draws alone would hardly ever lose just one sector
 * of fifty, or keep just one.
 */
import type { Seeded } from '../../seeded.ts'
import { SECTOR_BYTES, type Version } from './sim-file.ts'

export interface Choices {
  below(limit: number): number
  isKept(): boolean
  /** The version that is found on the disk. */
  version<T>(head: Version<T>): Version<T>
  /** Where the sector whose version was asked for last is torn; 0: it is whole. */
  tornAt(): number
}

export class EveryChoice implements Choices {
  readonly #digits: number[] = []
  readonly #limits: number[] = []
  #at = 0

  below(limit: number): number {
    if (limit === 1) return 0
    if (this.#at === this.#digits.length) {
      this.#digits.push(0)
      this.#limits.push(limit)
    }
    return this.#digits[this.#at++]!
  }

  isKept(): boolean {
    return this.below(2) === 1
  }

  version<T>(head: Version<T>): Version<T> {
    return versionsBefore(head, this.below(head.depth + 1))
  }

  tornAt(): number {
    return 0
  }

  /** Goes on to the next way; false: there is none. */
  next(): boolean {
    this.#at = 0
    while (this.#digits.length > 0 && this.#digits.at(-1)! + 1 === this.#limits.at(-1)) {
      this.#digits.pop()
      this.#limits.pop()
    }
    if (this.#digits.length === 0) return false
    this.#digits[this.#digits.length - 1]!++
    return true
  }
}

const LEANINGS = [2, 10, 25, 50, 75, 90, 98, 100]
const BETWEEN_PERCENT = 15
/** How far back a version between the newest and the durable one is looked for. */
const BACK_MAX = 64

export class SomeChoices implements Choices {
  readonly #random: Seeded
  readonly #keptPercent: number
  /** How many sectors are asked about before the one that is torn; below 0: none is. */
  #tornAfter: number

  constructor(random: Seeded, tornAfter = random.below(4) === 0 ? random.below(8) : -1) {
    this.#random = random
    this.#keptPercent = random.pick(LEANINGS)
    this.#tornAfter = tornAfter
  }

  below(limit: number): number {
    return this.#random.below(limit)
  }

  isKept(): boolean {
    return this.#random.below(100) < this.#keptPercent
  }

  version<T>(head: Version<T>): Version<T> {
    if (head.depth === 0) return head
    if (head.depth > 1 && this.#random.below(100) < BETWEEN_PERCENT) {
      return versionsBefore(head, 1 + this.#random.below(Math.min(head.depth, BACK_MAX)))
    }
    return this.isKept() ? head : (head.base ?? head)
  }

  tornAt(): number {
    if (this.#tornAfter < 0 || this.#tornAfter-- > 0) return 0
    const at = 1 + this.#random.below(SECTOR_BYTES - 1)
    return this.#random.below(4) === 0 ? -at : at
  }
}

function versionsBefore<T>(head: Version<T>, count: number): Version<T> {
  let at = head
  for (let i = 0; i < count && at.before !== undefined; i++) at = at.before
  return at
}

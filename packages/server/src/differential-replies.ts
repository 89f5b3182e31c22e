/**
 * Are two replies the same? Byte for byte they are, or but for the clock, or but for a listed difference.
 *
 *   frames ──equal──► same
 *     └──differ──► trees ──equal but for the clock──► same
 *                    └──explained by an entry of differential-allowed.ts──► counted, and taken for the same
 *                    └──► a difference
 *
 * EXEC's reply is compared item by item, as the replies of what was queued.
 */
import { allowedReplies } from './differential-allowed.ts'
import type { CountedStreams } from './differential-counts.ts'
import { isSameButClock, treeOf, type Tree } from './differential-tree.ts'

/** Compares the replies of one connection in order, since EXEC's reply is read by what was queued. */
export class ReplyComparer {
  /** How often each listed difference was met. */
  readonly hits: Map<string, number>
  /** How far times may be apart: for how long it is not known when each server has run a command, and the one it is about. */
  clockMsMax = 0
  /** After an allowed difference that leaves the servers with different keys. */
  hasParted = false
  /** Of all commands since both servers were empty; without it no stream is known to be counted alike. */
  counted: CountedStreams | undefined = undefined
  #queued: (readonly string[])[] | undefined = undefined

  constructor(hits: Map<string, number> = new Map()) {
    this.hits = hits
  }

  /** Whether both replies mean the same, listed differences included. */
  isSame(args: readonly string[], ours: string, theirs: string): boolean {
    const queued = this.#follow(args, theirs)
    this.#note(args, queued, theirs)
    if (ours === theirs) return true
    const [mine, other] = [treeOf(ours), treeOf(theirs)]
    if (queued === undefined || !Array.isArray(mine) || !Array.isArray(other)) return this.#matches(args, mine, other)
    if (mine.length !== other.length || mine.length !== queued.length + 1) return false
    return queued.every((inner, i) => this.#matches(inner, mine[i + 1]!, other[i + 1]!))
  }

  /** What EXEC runs, when that is what `args` is. */
  #follow(args: readonly string[], theirs: string): readonly (readonly string[])[] | undefined {
    const queued = this.#queued
    if (theirs === '+QUEUED\r\n') {
      queued?.push(args)
      return undefined
    }
    const word = args[0]?.length === 4 || args[0]?.length === 5 || args[0]?.length === 7 ? args[0].toLowerCase() : ''
    if (word === 'multi' && theirs === '+OK\r\n') this.#queued = []
    if (word === 'discard' || word === 'reset') this.#queued = undefined
    if (word !== 'exec') return undefined
    this.#queued = undefined
    return queued
  }

  /** Tells `counted` what has run. */
  #note(args: readonly string[], queued: readonly (readonly string[])[] | undefined, theirs: string): void {
    if (this.counted === undefined || theirs === '+QUEUED\r\n') return
    // Which of them was refused is not looked for.
    if (queued !== undefined && theirs.startsWith('*')) for (const inner of queued) this.counted.note(inner, true)
    else this.counted.note(args, theirs.startsWith('-'))
  }

  #matches(args: readonly string[], ours: Tree, theirs: Tree): boolean {
    let [mine, other] = [ours, theirs]
    if (isSameButClock(args, mine, other, this.clockMsMax)) return true
    const met: string[] = []
    const isCountedAlike = this.counted?.isAlike(args[2] ?? '') === true
    for (const allowed of allowedReplies) {
      if (allowed.explains?.({ args, ours: mine, theirs: other }) === true) {
        this.hasParted ||= allowed.parts?.(args) === true
        return this.#count([allowed.name])
      }
      if (allowed.without === undefined) continue
      const left = allowed.without(args, mine, isCountedAlike)
      const otherLeft = allowed.without(args, other, isCountedAlike)
      if (isSameButClock(args, left, mine, this.clockMsMax) && isSameButClock(args, otherLeft, other, this.clockMsMax))
        continue
      met.push(allowed.name)
      mine = left
      other = otherLeft
      if (isSameButClock(args, mine, other, this.clockMsMax)) return this.#count(met)
    }
    return false
  }

  #count(names: readonly string[]): true {
    for (const name of names) this.hits.set(name, (this.hits.get(name) ?? 0) + 1)
    return true
  }
}

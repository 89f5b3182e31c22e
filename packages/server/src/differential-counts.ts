/**
 * For which streams 7.0 and 8.x count alike: the rules for entries-read and lag differ only once entries have gone, or a
 * client has set a count.
 *
 *   made ──XDEL, XTRIM, XADD that trims, XSETID, ENTRIESREAD──► apart ──DEL, SET, FLUSHALL──► made
 *                                                                 └──COPY, RENAME──► the other one apart too
 *
 * What was refused counts as done, but for what brings a stream back: rather too few are compared strictly than too many.
 */

export class CountedStreams {
  readonly #apart = new Set<string>()
  /** Names do not tell any more which stream is meant. */
  #isSwapped = false

  /** Whether entries-read and lag of this stream must be the same. */
  isAlike(key: string): boolean {
    return !this.#isSwapped && !this.#apart.has(key)
  }

  /** A command has run. */
  note(args: readonly string[], isRefused: boolean): void {
    const name = args[0]!.toLowerCase()
    const key = args[1] ?? ''
    if (setting.has(name) || (name === 'xadd' && args.some(isTrimming))) this.#apart.add(key)
    else if (name === 'xgroup' && args.some(isEntriesRead)) this.#apart.add(args[2] ?? '')
    else if (name.startsWith('rename') || name === 'copy') this.#share(key, args[2] ?? '')
    else if (name === 'swapdb') this.#isSwapped = true
    else if (isRefused) return
    else if (name === 'del' || name === 'unlink') for (const gone of args.slice(1)) this.#apart.delete(gone)
    else if (name === 'set') this.#apart.delete(key)
    else if (name === 'flushall' || name === 'flushdb') this.#apart.clear()
  }

  #share(one: string, other: string): void {
    if (this.isAlike(one) && this.isAlike(other)) return
    this.#apart.add(one)
    this.#apart.add(other)
  }
}

const setting = new Set(['xdel', 'xtrim', 'xsetid'])

/** Options end at a NUL. */
function isTrimming(arg: string): boolean {
  return /^(?:maxlen|minid)(?:\0|$)/i.test(arg)
}

function isEntriesRead(arg: string): boolean {
  return /^entriesread(?:\0|$)/i.test(arg)
}

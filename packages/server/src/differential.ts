/**
 * The same commands to two servers, ours and a reference, and their replies compared.
 *
 *   commands ──one pipeline──► ours, theirs ──frames──► ReplyComparer ──► nothing, or the first difference
 *                                                                           └──► shrink(): fewer commands, same difference
 *
 * A history begins on two empty servers with fresh connections, so that its commands alone repeat it.
 */
import { encodeAll, Wire } from './differential-wire.ts'
import { CountedStreams } from './differential-counts.ts'
import { ReplyComparer } from './differential-replies.ts'
import { isMakeUp, type Args } from './differential-grammar.ts'

export interface Ports {
  readonly ours: number
  readonly theirs: number
}

export interface Difference {
  /** Which of the commands. */
  readonly index: number
  readonly args: Args
  readonly ours: string
  readonly theirs: string
}

export interface HistoryOptions {
  readonly protocol: 2 | 3
  /** Entries and bytes of a stream's node, which decide what `~` trims. */
  readonly nodeEntriesMax: number
  readonly nodeBytesMax: number
}

export class History {
  readonly #ours: Wire
  readonly #theirs: Wire
  readonly #comparer: ReplyComparer
  #longestMs = 0

  private constructor(ours: Wire, theirs: Wire, comparer: ReplyComparer) {
    this.#ours = ours
    this.#theirs = theirs
    this.#comparer = comparer
    comparer.counted = new CountedStreams()
  }

  static async begin(ports: Ports, options: HistoryOptions, hits?: Map<string, number>): Promise<History> {
    const [ours, theirs] = await Promise.all([Wire.connect(ports.ours), Wire.connect(ports.theirs)])
    const entries = ['CONFIG', 'SET', 'stream-node-max-entries', String(options.nodeEntriesMax)]
    const bytes = ['CONFIG', 'SET', 'stream-node-max-bytes', String(options.nodeBytesMax)]
    const before = [['FLUSHALL'], entries, bytes, ...(options.protocol === 3 ? [['HELLO', '3']] : [])]
    for (const wire of [ours, theirs]) wire.send(encodeAll(before))
    const replies = await Promise.all([ours.take(before.length), theirs.take(before.length)])
    for (const [i, reply] of replies.flat().entries()) {
      if (reply.startsWith('-')) throw new Error(`A server refused ${before[i % before.length]!.join(' ')}: ${reply}`)
    }
    return new History(ours, theirs, new ReplyComparer(hits))
  }

  /** Sends all of them at once; the first difference, if there is one. */
  async run(commands: readonly Args[]): Promise<Difference | undefined> {
    const bytes = encodeAll(commands)
    const startedMs = performance.now()
    this.#ours.send(bytes)
    this.#theirs.send(bytes)
    const [ours, theirs] = await Promise.all([this.#ours.take(commands.length), this.#theirs.take(commands.length)])
    // An idle time reaches from one pipeline, perhaps the longest, to this one.
    this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs)
    this.#comparer.clockMsMax = 2 * this.#longestMs
    for (let index = 0; index < commands.length; index++) {
      const [mine = 'closed', other = 'closed'] = [ours[index], theirs[index]]
      const args = commands[index]!
      if (mine === 'closed' && other === 'closed') return undefined
      const isSame = mine !== 'closed' && other !== 'closed' && this.#comparer.isSame(args, mine, other)
      if (!isSame) return { index, args, ours: mine, theirs: other }
    }
    return undefined
  }

  end(): void {
    this.#ours.destroy()
    this.#theirs.destroy()
  }
}

/** The first difference in a history of these commands, sent in pipelines of a few hundred. */
export async function firstDifference(
  ports: Ports,
  options: HistoryOptions,
  commands: readonly Args[],
  hits?: Map<string, number>,
): Promise<Difference | undefined> {
  const history = await History.begin(ports, options, hits)
  try {
    for (let at = 0; at < commands.length; at += PIPELINE) {
      const found = await history.run(commands.slice(at, at + PIPELINE))
      if (found !== undefined) return { ...found, index: found.index + at }
    }
    return undefined
  } finally {
    history.end()
  }
}

/** How many commands go in one write. */
export const PIPELINE = 300
/** How many commands are sent, at most, to find a shorter history. */
const SHRINK_COMMANDS_MAX = 300_000

/** Fewer of these commands that still differ at a command of the same name; bounded, so perhaps not the fewest. */
export async function shrink(ports: Ports, options: HistoryOptions, commands: readonly Args[]): Promise<Args[]> {
  const first = await firstDifference(ports, options, commands)
  if (first === undefined) return [...commands]
  const name = nameOf(first.args)
  let kept = units(commands.slice(0, first.index + 1))
  let sent = 0
  for (let size = Math.ceil(kept.length / 2); size >= 1 && sent < SHRINK_COMMANDS_MAX; size = nextSize(size)) {
    for (let from = kept.length - 1; from > 0 && sent < SHRINK_COMMANDS_MAX; from -= size) {
      const fewer = [...kept.slice(0, Math.max(from - size, 0)), ...kept.slice(from)]
      const left = fewer.flat()
      sent += left.length
      const found = await firstDifference(ports, options, left)
      if (found !== undefined && nameOf(found.args) === name) kept = units(left.slice(0, found.index + 1))
    }
  }
  return kept.flat()
}

/** Commands that stay together: those that make up for an allowed difference go with the one that has it. */
function units(commands: readonly Args[]): Args[][] {
  const made: Args[][] = []
  for (const args of commands) {
    if (isMakeUp(args) && made.length > 0) made.at(-1)!.push(args)
    else made.push([args])
  }
  return made
}

function nextSize(size: number): number {
  return size === 1 ? 0 : Math.ceil(size / 2)
}

function nameOf(args: Args): string {
  return args[0]!.toLowerCase()
}

/** A difference as somebody wants to read it: the seed, the commands as they can be typed, and both replies. */
export function report(title: string, commands: readonly Args[], difference: Difference): string {
  const lines = commands.map((args) => `  ${args.map(quoted).join(' ')}`)
  return [title, ...lines, `  ours:   ${quoted(difference.ours)}`, `  theirs: ${quoted(difference.theirs)}`].join('\n')
}

/** An argument as redis-cli takes it. */
export function quoted(arg: string): string {
  if (/^[\w.:*$>+~=()-]+$/.test(arg)) return arg.length > 300 ? `${arg.slice(0, 300)}…` : arg
  const text = JSON.stringify(arg).replaceAll(/[\u0080-\u00ff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`)
  return text.replaceAll(/\\u00(..)/g, '\\x$1').slice(0, 600)
}

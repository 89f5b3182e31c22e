/**
 * Schedules: several connections to two servers, some of them blocked, and every reply in its order on its connection.
 *
 *   step ──► both servers ──barrier──► what has arrived on each connection, and how many are blocked: the same?
 *
 * The barrier is two requests on a connection of its own. What came before the first is read in the same turn of the
 * server's loop at the latest, and that turn's replies are written before the second is read: so they have arrived here
 * when the second one's reply has, and one turn of our own loop later they are read. Nothing sleeps; where a timeout is
 * the point, the reply itself is awaited.
 */
import type { Ports } from './differential.ts'
import { CountedStreams } from './differential-counts.ts'
import type { Args } from './differential-grammar.ts'
import { ReplyComparer } from './differential-replies.ts'
import type { Step } from './differential-step.ts'
import { encode, Wire } from './differential-wire.ts'

export interface ScheduleDifference {
  readonly step: number
  readonly what: string
  readonly ours: string
  readonly theirs: string
}

export const CONNECTIONS = 5
const POLLS_MAX = 300

interface Side {
  readonly wire: Wire
  readonly id: string
}

/** One connection on both servers. */
class Line {
  readonly ours: Side
  readonly theirs: Side
  readonly #comparer: ReplyComparer
  #unanswered: Args[] = []
  #isDirty = false
  #isClosed = false

  private constructor(ours: Side, theirs: Side, hits: Map<string, number>) {
    this.ours = ours
    this.theirs = theirs
    this.#comparer = new ReplyComparer(hits)
  }

  static async open(ports: Ports, protocol: 2 | 3, hits: Map<string, number>): Promise<Line> {
    const [ours, theirs] = await Promise.all([openSide(ports.ours, protocol), openSide(ports.theirs, protocol)])
    return new Line(ours, theirs, hits)
  }

  /** Nothing is left of what it did, so that another schedule can use it. */
  get isClean(): boolean {
    return this.#unanswered.length === 0 && !this.#isDirty && !this.#isClosed
  }

  /** The servers do not hold the same any more. */
  get hasParted(): boolean {
    return this.#comparer.hasParted
  }

  send(args: Args, lines: readonly Line[]): void {
    this.ours.wire.send(encode(args.map((arg) => withId(arg, (at) => lines[at]!.ours.id))))
    this.theirs.wire.send(encode(args.map((arg) => withId(arg, (at) => lines[at]!.theirs.id))))
    this.#unanswered.push(args)
    if (/^(?:multi|watch|select)$/i.test(args[0]!)) this.#isDirty = true
  }

  /** Times may be so far apart; `counted` hears of all connections. */
  allow(clockMsMax: number, counted: CountedStreams): void {
    this.#comparer.clockMsMax = clockMsMax
    this.#comparer.counted = counted
  }

  /** Waits for the next reply on both sides. */
  async settle(): Promise<Omit<ScheduleDifference, 'step'> | undefined> {
    const [ours, theirs] = await Promise.all([this.ours.wire.take(1), this.theirs.wire.take(1)])
    return this.#compare(ours, theirs)
  }

  /** Compares what has arrived by now. */
  compare(): Omit<ScheduleDifference, 'step'> | undefined {
    return this.#compare(this.ours.wire.arrived(), this.theirs.wire.arrived())
  }

  #compare(ours: readonly string[], theirs: readonly string[]): Omit<ScheduleDifference, 'step'> | undefined {
    for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
      const args = this.#unanswered.shift() ?? ['(nothing)']
      const [mine = '(no reply)', other = '(no reply)'] = [ours[i], theirs[i]]
      const isSame = ours[i] !== undefined && theirs[i] !== undefined && this.#comparer.isSame(args, mine, other)
      if (!isSame) return { what: args.join(' '), ours: mine, theirs: other }
    }
    return undefined
  }

  close(): void {
    this.#isClosed = true
    this.ours.wire.destroy()
    this.theirs.wire.destroy()
  }
}

async function openSide(port: number, protocol: 2 | 3): Promise<Side> {
  const wire = await Wire.connect(port)
  if (protocol === 3) await wire.ask('HELLO', '3')
  return { wire, id: (await wire.ask('CLIENT', 'ID')).slice(1).trim() }
}

function withId(arg: string, idOf: (connection: number) => string): string {
  return arg.startsWith('{client:') ? idOf(Number(arg.slice(8, -1))) : arg
}

/** Plays schedules one after another; connections that a schedule left clean serve the next one. */
export class Stage {
  readonly #ports: Ports
  readonly #protocol: 2 | 3
  readonly #control: readonly [ours: Wire, theirs: Wire]
  readonly #hits: Map<string, number>
  readonly #lines: Line[] = []
  #startedMs = 0
  #counted = new CountedStreams()

  private constructor(ports: Ports, protocol: 2 | 3, options: { control: [Wire, Wire]; hits: Map<string, number> }) {
    this.#ports = ports
    this.#protocol = protocol
    this.#control = options.control
    this.#hits = options.hits
  }

  static async open(ports: Ports, protocol: 2 | 3, hits: Map<string, number> = new Map()): Promise<Stage> {
    const control: [Wire, Wire] = [await Wire.connect(ports.ours), await Wire.connect(ports.theirs)]
    for (const wire of control) {
      await wire.ask('CONFIG', 'SET', 'stream-node-max-entries', '100')
      await wire.ask('CONFIG', 'SET', 'stream-node-max-bytes', '4096')
    }
    return new Stage(ports, protocol, { control, hits })
  }

  /** Plays one from empty servers; the first difference, if there is one. */
  async play(steps: readonly Step[]): Promise<ScheduleDifference | undefined> {
    await this.#prepare()
    this.#startedMs = performance.now()
    this.#counted = new CountedStreams()
    const found = await this.#playAll(steps)
    // Connections that still wait, or are in the middle of something, end here; the others serve the next schedule.
    // So do all when the servers have parted: what one of them has answered the other may still hold.
    const isOver = found !== undefined || this.#hasParted
    for (const line of this.#lines) if (isOver || !line.isClean) line.close()
    return found
  }

  /** By an allowed difference, after which they do not hold the same. */
  get #hasParted(): boolean {
    return this.#lines.some((line) => line.hasParted)
  }

  /** Since the schedule began: no two times of it are further apart. */
  get #passedMs(): number {
    return performance.now() - this.#startedMs
  }

  async #playAll(steps: readonly Step[]): Promise<ScheduleDifference | undefined> {
    for (const [index, step] of steps.entries()) {
      const found = await this.#step(step)
      // What else differs from here on follows from that.
      if (this.#hasParted) return undefined
      if (found !== undefined) return { ...found, step: index }
    }
    const found = (await this.#settle()) ?? (await this.#compareState())
    return found === undefined ? undefined : { ...found, step: steps.length }
  }

  close(): void {
    for (const wire of this.#control) wire.destroy()
    for (const line of this.#lines) line.close()
  }

  async #prepare(): Promise<void> {
    for (let i = 0; i < CONNECTIONS; i++) {
      if (this.#lines[i]?.isClean === true) continue
      this.#lines[i]?.close()
      this.#lines[i] = await Line.open(this.#ports, this.#protocol, this.#hits)
    }
    for (let polls = 0; (await this.#blocked()).some((count) => count !== '0'); polls++) {
      if (polls > POLLS_MAX) throw new Error('A client is still blocked whose connection has ended')
    }
    await this.#ask('FLUSHALL')
  }

  async #step(step: Step): Promise<Omit<ScheduleDifference, 'step'> | undefined> {
    const line = this.#lines[step.connection]!
    if (step.kind === 'close') {
      line.close()
      this.#lines[step.connection] = await Line.open(this.#ports, this.#protocol, this.#hits)
    } else {
      line.send(step.args, this.#lines)
    }
    if (step.kind === 'quiet command') return undefined
    if (step.kind === 'timeout') return await line.settle()
    return await this.#settle()
  }

  /** Compares what has arrived, and how many wait, once all that was sent has run. */
  async #settle(): Promise<Omit<ScheduleDifference, 'step'> | undefined> {
    await this.#ask('PING')
    let [ours, theirs] = await this.#blocked()
    await new Promise((resolve) => setImmediate(resolve))
    const found = this.#lines.map((line) => {
      line.allow(this.#passedMs, this.#counted)
      return line.compare()
    })
    const first = found.find((difference) => difference !== undefined)
    if (first !== undefined || this.#hasParted) return first
    // The end of a connection may take a server some turns more.
    for (let polls = 0; ours !== theirs && polls < POLLS_MAX; polls++) [ours, theirs] = await this.#blocked()
    return ours === theirs ? undefined : { what: 'blocked_clients', ours, theirs }
  }

  /** How many clients wait on each server. */
  async #blocked(): Promise<[ours: string, theirs: string]> {
    const [ours, theirs] = await this.#ask('INFO', 'clients')
    return [blockedClients(ours), blockedClients(theirs)]
  }

  async #compareState(): Promise<Omit<ScheduleDifference, 'step'> | undefined> {
    for (const key of ['s', 't']) {
      for (const args of [
        ['XINFO', 'STREAM', key, 'FULL'],
        ['TYPE', key],
      ]) {
        const [ours, theirs] = await this.#ask(...args)
        const comparer = new ReplyComparer(this.#hits)
        comparer.clockMsMax = this.#passedMs
        comparer.counted = this.#counted
        if (!comparer.isSame(args, ours, theirs)) return { what: args.join(' '), ours, theirs }
      }
    }
    return undefined
  }

  async #ask(...args: string[]): Promise<[ours: string, theirs: string]> {
    const [ours, theirs] = this.#control
    return await Promise.all([ours.ask(...args), theirs.ask(...args)])
  }
}

function blockedClients(info: string): string {
  return /blocked_clients:(\d+)/.exec(info)?.[1] ?? info.slice(0, 200)
}

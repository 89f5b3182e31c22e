/**
 * One side of `embedded.ts` in a process of its own, and its end of the line to the bench.
 *
 *   bench                              side
 *     ──fork, Redis's URL──►
 *                        ◄──ready──
 *     ──{ way, times }──►               empty stream and group, garbage collected, then the way is run and timed
 *                        ◄──{ ns, cpuNs }──
 *     ──disconnect──►                   ends
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** The value of every entry, under the name `field`. */
export const VALUE = 'abcdefghijklmnopqrstuvwxyz01'
export const IN_FLIGHT = 1000
/** How many entries one turn of the cycle has. */
export const PAGE = 100

export interface Timing {
  readonly ns: number
  readonly cpuNs: number
}

/** Does a thing so many times; a multiple of `PAGE`. */
export type Way = (times: number) => Promise<void>

export interface Side {
  readonly ways: Readonly<Record<string, Way>>
  /**
   * Leaves the stream `s` empty, with a group `g`. A stream `kept`, with an entry that is pending in a group, is there
   * throughout, on all sides: a program has some streams that are not new, and V8 throws compiled code away with the last
   * object of a class that it was made for.
   */
  readonly reset: () => Promise<void>
  readonly close: () => Promise<void>
}

interface Run {
  readonly way: string
  readonly times: number
}

/** Serves the bench until it ends. */
export function serve({ ways, reset, close }: Side): void {
  process.on('message', ({ way, times }: Run) => void timed(way, times))
  process.once('disconnect', () => void close())
  process.send!('ready')

  async function timed(way: string, times: number): Promise<void> {
    await reset()
    globalThis.gc?.()
    const before = process.cpuUsage()
    const start = performance.now()
    await ways[way]!(times)
    const ns = (performance.now() - start) * 1e6
    const { user, system } = process.cpuUsage(before)
    process.send!({ ns, cpuNs: (user + system) * 1000 } satisfies Timing)
  }
}

/** The bench's end of a side. */
export class SideProcess {
  readonly #child: ChildProcess
  /** Rejects when the process ends. */
  readonly #gone: Promise<never>

  private constructor(name: string, child: ChildProcess) {
    this.#child = child
    this.#gone = once(child, 'exit').then(([code]) => {
      throw new Error(`The process of ${name} ended with ${code}`)
    })
    // Of interest only to a run, which it is raced with.
    this.#gone.catch(() => undefined)
  }

  static async start(name: string, redisUrl: string): Promise<SideProcess> {
    const child = fork(new URL(`./embedded-${name}.ts`, import.meta.url), [redisUrl])
    await once(child, 'message')
    return new SideProcess(name, child)
  }

  async run(way: string, times: number): Promise<Timing> {
    const answered = once(this.#child, 'message')
    this.#child.send({ way, times } satisfies Run)
    const [timing] = (await Promise.race([answered, this.#gone])) as [Timing]
    return timing
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

/** Many calls on their way, a window of them at a time. */
export async function windowed(times: number, call: () => Promise<unknown>, size = IN_FLIGHT): Promise<void> {
  for (let left = times; left > 0; left -= size) {
    // The promise of each call as it is: another one around it would cost more than some of the calls.
    const calls: Promise<unknown>[] = []
    for (let i = Math.min(left, size); i > 0; i--) calls.push(call())
    await Promise.all(calls)
  }
}

export async function oneByOne(times: number, call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < times; i++) await call()
}

export function expectAll(acknowledged: number): void {
  if (acknowledged !== PAGE) throw new Error(`acknowledged ${acknowledged} of ${PAGE}`)
}

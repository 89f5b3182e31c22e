/**
 * One side of `workers.ts` in a process of its own, and its end of the line to the bench.
 *
 *   bench                                         side
 *     ──fork, name, Redis's URL──►
 *                                    ◄──ready──
 *     ──{ task: produce, times }──►               from nothing: adds them all, timed until the last one is known to be kept
 *     ──{ task: consume, times, concurrency }──►  fills, untimed; then one worker with a no-op handler, timed until the last is acknowledged
 *     ──{ task: latency, times, perSecond }──►    adds at a steady rate, a worker in the same process handles: milliseconds from add to handler
 *                                    ◄──{ ns, latenciesMs }──
 *     ──disconnect──►                             ends
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export interface Task {
  readonly task: 'produce' | 'consume' | 'latency'
  readonly times: number
  readonly concurrency?: number
  readonly perSecond?: number
}

export interface Outcome {
  readonly ns: number
  readonly latenciesMs: readonly number[]
}

/** What each side can do; every call begins with an empty queue. */
export interface QueueSide {
  readonly reset: () => Promise<void>
  /** Adds so many payloads as fast as it can with 1,000 on their way. */
  readonly produce: (times: number) => Promise<void>
  /** Handles and acknowledges `times` messages that are there, and stops. `onMessage` is the handler. */
  readonly consume: (times: number, concurrency: number) => Promise<void>
  /** Starts a worker whose handler is given each payload; resolves how it is stopped. */
  readonly work: (onPayload: (payload: Payload) => void, concurrency: number) => Promise<() => Promise<void>>
  readonly add: (payload: Payload) => Promise<unknown>
  readonly close: () => Promise<void>
}

export interface Payload {
  readonly n: number
  /** When it was added, by the process's own clock. */
  readonly atMs: number
  readonly text: string
}

/** The message that is not measured. */
const FIRST = -1
const TEXT = 'abcdefghijklmnopqrstuvwxyz0123456789'

export function payload(n: number): Payload {
  return { n, atMs: performance.now(), text: TEXT }
}

/** Serves the bench until it ends. */
export function serve(side: QueueSide): void {
  process.on('message', (task: Task) => void answer(task))
  process.once('disconnect', () => void side.close().then(() => process.exit(0)))
  process.send!('ready')

  async function answer(task: Task): Promise<void> {
    await side.reset()
    process.send!(task.task === 'latency' ? await latency(side, task) : await timed(side, task))
  }
}

async function timed(side: QueueSide, { task, times, concurrency = 1 }: Task): Promise<Outcome> {
  if (task === 'consume') await side.produce(times)
  globalThis.gc?.()
  const start = performance.now()
  if (task === 'produce') await side.produce(times)
  else await side.consume(times, concurrency)
  return { ns: (performance.now() - start) * 1e6, latenciesMs: [] }
}

async function latency(side: QueueSide, { times, perSecond = 1000 }: Task): Promise<Outcome> {
  const latenciesMs: number[] = []
  const { promise, resolve } = deferred()
  const { promise: begun, resolve: begin } = deferred()
  const stop = await side.work(({ n, atMs }) => {
    if (n === FIRST) return begin()
    latenciesMs.push(performance.now() - atMs)
    if (latenciesMs.length === times) resolve()
  }, 16)
  // How long a worker takes to begin (its group, its connections) is another question, on every side.
  await side.add(payload(FIRST))
  await begun
  const start = performance.now()
  await paced(times, perSecond, (n) => side.add(payload(n)))
  await promise
  await stop()
  return { ns: (performance.now() - start) * 1e6, latenciesMs }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

/** Calls at a steady rate, whatever the calls take: what is late is caught up. */
async function paced(times: number, perSecond: number, call: (n: number) => Promise<unknown>): Promise<void> {
  const start = performance.now()
  const calls: Promise<unknown>[] = []
  for (let sent = 0; sent < times;) {
    const due = Math.min(times, Math.floor(((performance.now() - start) * perSecond) / 1000))
    for (; sent < due; sent++) calls.push(call(sent))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(calls)
}

/** The bench's end of a side. */
export class WorkersSide {
  readonly #child: ChildProcess
  readonly #gone: Promise<never>

  private constructor(name: string, child: ChildProcess) {
    this.#child = child
    this.#gone = once(child, 'exit').then(([code]) => {
      throw new Error(`The process of ${name} ended with ${code}`)
    })
    // Of interest only to a task, which it is raced with.
    this.#gone.catch(() => undefined)
  }

  static async start(program: string, args: readonly string[]): Promise<WorkersSide> {
    const child = fork(new URL(`./${program}.ts`, import.meta.url), [...args])
    await once(child, 'message')
    return new WorkersSide(program, child)
  }

  async run(task: Task): Promise<Outcome> {
    const answered = once(this.#child, 'message')
    this.#child.send(task)
    const [outcome] = (await Promise.race([answered, this.#gone])) as [Outcome]
    return outcome
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.disconnect()
    await gone
  }
}

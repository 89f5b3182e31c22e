/** Worker processes that are started again when they end, as a supervisor does, and what they have noted. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { endChild, startChild, temporaryDirectory } from '@millrace/testing'
import { HistoryLog } from './history-log.ts'
import type { ChildOptions } from './worker-child.ts'

const PROGRAM = join(import.meta.dirname, 'worker-child.ts')

export type ChildSettings = Omit<ChildOptions, 'log' | 'marks'>

export class WorkerChildren {
  readonly log = new HistoryLog()
  readonly children = new Set<ChildProcess>()
  /** How many have ended by themselves or by a mark. */
  ended = 0
  /** What they have printed as errors, the last 4,000 characters. */
  errors = ''
  readonly #marks = temporaryDirectory('marks')
  readonly #settings: ChildSettings
  readonly #nodeOptions: readonly string[]
  #isOver = false

  constructor(settings: ChildSettings, nodeOptions: readonly string[] = []) {
    this.#settings = settings
    this.#nodeOptions = nodeOptions
  }

  /** Keeps `count` of them running until `stop`. */
  keep(count: number): void {
    for (let i = 0; i < count; i++) this.start(true)
  }

  start(isKept = false): ChildProcess {
    const options: ChildOptions = { ...this.#settings, log: this.log.path, marks: this.#marks }
    const node = [...this.#nodeOptions, '--conditions=@millrace/source', '--import', 'tsx', PROGRAM]
    const child = startChild(process.execPath, [...node, JSON.stringify(options)])
    child.stderr?.on('data', (bytes: Buffer) => (this.errors = (this.errors + bytes.toString()).slice(-4000)))
    child.stdout?.resume()
    this.children.add(child)
    child.once('exit', () => {
      this.children.delete(child)
      this.ended++
      if (isKept && !this.#isOver) this.start(true)
    })
    return child
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isOver = true
    await Promise.all([...this.children].map(async (child) => await endChild(child, signal)))
  }
}

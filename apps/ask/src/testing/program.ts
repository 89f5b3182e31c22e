/**
 * The application in a process of its own, as `npm start` runs it, but from source, on free ports, and with its streams in
 * memory unless the test says where.
 *
 *   running ──signal(), kill()──► ended        `output`: what it has said
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { endChild, startChild, waitFor } from '@millrace/testing'

export class Program {
  readonly #child: ChildProcess
  output = ''

  constructor(env: Readonly<Record<string, string>>, ...words: readonly string[]) {
    const main = join(import.meta.dirname, '../main.ts')
    const given = { LLM_KIND: 'guide', NODE_OPTIONS: '', PORT: '0', PAGE_PORT: '0', DATA_DIR: 'memory' }
    this.#child = startChild(process.execPath, ['--conditions=@millrace/source', '--import', 'tsx', main, ...words], {
      ...process.env,
      ...given,
      ...env,
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.output += bytes.toString()))
    }
  }

  async address(of: RegExp): Promise<string> {
    const found = (): string | undefined => {
      const address = of.exec(this.output)?.[1]
      if (address === undefined && this.#child.exitCode !== null) throw new Error(`The program ended: ${this.output}`)
      return address
    }
    return await waitFor(found, { what: 'the address that the program says', timeoutMs: 25_000 })
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Ends it in the middle of whatever it does; resolves when it has ended. */
  async kill(): Promise<void> {
    await endChild(this.#child, 'SIGKILL')
  }

  async exitCode(): Promise<number> {
    const ended = () => this.#child.exitCode ?? undefined
    return await waitFor(ended, { what: `the program to end: ${this.output}`, timeoutMs: 18_000 })
  }
}

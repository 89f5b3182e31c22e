/** The program `millrace` from source, as a process of a test. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { endChild, startChild } from '@millrace/testing'

const program = join(import.meta.dirname, '..', 'program.ts')
const children: ChildProcess[] = []

/** Ends those that still run. */
export async function endRuns(): Promise<void> {
  for (const child of children.splice(0)) await endChild(child, 'SIGKILL')
}

/** `millrace …` from source: what it has printed so far, and its end. */
export class Run {
  readonly child: ChildProcess
  out = ''
  err = ''

  constructor(...args: readonly string[]) {
    const start = `import { run } from ${JSON.stringify(program)}; const code = await run(process.argv.slice(1)); if (code !== undefined) process.exitCode = code`
    const node = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e', start, '--']
    this.child = startChild(process.execPath, [...node, ...args])
    children.push(this.child)
    this.child.stdout!.on('data', (bytes: Buffer) => (this.out += bytes.toString()))
    this.child.stderr!.on('data', (bytes: Buffer) => (this.err += bytes.toString()))
  }

  async ready(lines: number): Promise<string[]> {
    while (this.out.split('\n').length <= lines) {
      await Promise.race([once(this.child.stdout!, 'data'), once(this.child, 'close')])
      if (this.child.exitCode !== null) throw new Error(`It ended: ${this.err}`)
    }
    return this.out.trimEnd().split('\n')
  }

  async end(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'close')
    return this.child.exitCode
  }
}

/**
 * Programs of Redis as child processes: run to their end, or kept open and read line by line.
 *
 *   open ──► lines arrive, lines are written ──end()──► ended by its own process id
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { bounded, Inbox } from './scenario.ts'

export interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** Runs a program to its end, with `input` as its standard input. */
export async function run(command: string, args: readonly string[], input: string | Buffer = ''): Promise<Outcome> {
  const child = spawn(command, args)
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes))
  try {
    const code = await bounded(ended(child, input), `the end of ${command} ${args.join(' ')}`)
    return { code, output: Buffer.concat(output).toString(), errors: Buffer.concat(errors).toString() }
  } finally {
    child.kill('SIGKILL')
  }
}

/** A program that goes on until it is ended. */
export class OpenProgram {
  readonly lines = new Inbox<string>()
  readonly #child: ChildProcessWithoutNullStreams

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args)
    // It can end before it has read all of its input.
    this.#child.stdin.on('error', () => undefined)
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(line))
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await bounded(gone, 'a program to end')
  }
}

async function ended(child: ChildProcessWithoutNullStreams, input: string | Buffer): Promise<number | null> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
    // It can end before it has read all of its input.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

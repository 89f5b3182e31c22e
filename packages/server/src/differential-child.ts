/**
 * Starts differential-server.ts and speaks with it: its port, the memory that it uses, whether it still runs.
 *
 *   starting ──"ready on …"──► running ──stop()──► ended
 *                                └──exits by itself──► crashed: `failure` says how
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export class OurServer {
  readonly port: number
  /** What the process wrote to standard error, and how it ended; empty while all is well. */
  failure = ''
  readonly #child: ChildProcess
  readonly #lines: (line: string) => Promise<string>
  #isStopped = false

  private constructor(child: ChildProcess, port: number, lines: (line: string) => Promise<string>) {
    this.#child = child
    this.port = port
    this.#lines = lines
    child.stderr!.on('data', (bytes: Buffer) => (this.failure = (this.failure + bytes.toString()).slice(-4000)))
    child.once('exit', (code, signal) => {
      if (!this.#isStopped) this.failure += `\nthe server ended by itself: code ${code}, signal ${signal}`
    })
  }

  static async start(): Promise<OurServer> {
    const program = fileURLToPath(new URL('differential-server.ts', import.meta.url))
    const flags = ['--expose-gc', '--conditions=@millrace/source', '--import', 'tsx', program]
    const child = spawn(process.execPath, flags, { stdio: ['pipe', 'pipe', 'pipe'] })
    const waiting: ((line: string) => void)[] = []
    createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line))
    const nextLine = async (): Promise<string> =>
      await new Promise((resolve, reject) => {
        waiting.push(resolve)
        child.once('exit', () => reject(new Error('the server ended')))
      })
    let errors = ''
    child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    const ready = await nextLine().catch((error: Error) => {
      throw new Error(`${error.message}:\n${errors}`)
    })
    const ask = async (line: string): Promise<string> => {
      const answer = nextLine()
      child.stdin.write(`${line}\n`)
      return await answer
    }
    return new OurServer(child, Number(ready.split(':').at(-1)), ask)
  }

  /** Bytes in use after a collection. */
  async memoryBytes(): Promise<number> {
    return Number((await this.#lines('memory')).split(' ')[1])
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.stdin!.end()
    await ended
  }
}

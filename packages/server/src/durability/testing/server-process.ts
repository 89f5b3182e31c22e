/**
 * A server with a directory in a process of its own, which can be killed at any moment: ours, or redis-server beside it. Through
 * strace, if it is told to, that delays, fails or kills at a system call.
 *
 *   start ──loaded──► running ──kill()──► ended
 *                              └──exits by itself──► ended: `output` tells what it said
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { freePort, waitFor } from '@millrace/testing'
import { Wire } from '../../differential-wire.ts'
import { compiledServer } from './compiled.ts'

export type Policy = 'always' | 'everysec' | 'no'

export interface ProcessOptions {
  readonly directory: string
  readonly fsync: Policy
  /** Default: ours. */
  readonly program?: 'millrace' | 'redis'
  /** Arguments of strace: `['-e', 'inject=fdatasync:delay_enter=1500000']`. */
  readonly strace?: readonly string[]
}

export interface Ended {
  /** What ended it; `undefined` when it was itself. */
  readonly signal: NodeJS.Signals | undefined
  readonly output: string
}

const STRACE_MISSING =
  'strace was not found. Install it (Debian and Ubuntu: apt-get install strace); there is none for other systems than Linux.'

export class ServerProcess {
  readonly port: number
  readonly pid: number
  readonly #child: TracedChild

  private constructor(child: TracedChild, port: number, pid: number) {
    this.#child = child
    this.port = port
    this.pid = pid
  }

  /** Resolves when the data are loaded, or the process has ended before. */
  static async tryStart(options: ProcessOptions): Promise<ServerProcess | Ended> {
    const isRedis = options.program === 'redis'
    const wantedPort = isRedis ? await freePort() : 0
    const child = new TracedChild(commandOf(options, wantedPort), options.strace)
    const ready = (): Promise<Ready | undefined> | Ready | undefined =>
      isRedis ? readyRedis(child, wantedPort) : child.ready
    const found = await waitFor(async () => child.hasEnded || (await ready()), {
      what: 'a server that is ready',
      timeoutMs: 20_000,
    })
    if (found !== true) return new ServerProcess(child, found.port, found.pid)
    await child.ended
    return { signal: child.signal, output: child.output }
  }

  static async start(options: ProcessOptions): Promise<ServerProcess> {
    const started = await ServerProcess.tryStart(options)
    if (started instanceof ServerProcess) return started
    throw new Error(`The server did not start:\n${started.output}`)
  }

  get output(): string {
    return this.#child.output
  }

  async connect(): Promise<Wire> {
    return await Wire.connect(this.port)
  }

  /** The signal is sent when this returns; resolves when the process is gone. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<unknown> {
    // Through strace the server is not the process that was started.
    if (!this.#child.hasEnded) signalTo(this.pid, signal)
    return this.#child.ended
  }

  /** Resolves when the process has ended, however that comes. */
  async ended(): Promise<Ended> {
    await this.#child.ended
    return { signal: this.#child.signal, output: this.output }
  }
}

interface Ready {
  readonly port: number
  readonly pid: number
}

/** A child whose end, and failure to begin, are waited for in one place. */
class TracedChild {
  readonly ended: Promise<unknown>
  output = ''
  readonly #child: ChildProcess

  constructor(command: readonly string[], strace: readonly string[] | undefined) {
    // One thread for the disk: strace counts in each thread by itself, and so counts all of the calls.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_OPTIONS: '' }
    const trace = strace === undefined ? [] : ['strace', '-f', '-o', '/dev/null', ...strace]
    const [program, ...words] = [...trace, ...command]
    // Ours ends when its standard input does: with this process, whichever way that ends.
    this.#child = spawn(program!, words, { stdio: ['pipe', 'pipe', 'pipe'], env })
    const keep = (bytes: Buffer): void => {
      this.output = (this.output + bytes.toString()).slice(-4000)
    }
    this.#child.stdout!.on('data', keep)
    this.#child.stderr!.on('data', keep)
    this.#child.stdin!.on('error', () => undefined)
    this.#child.on('error', (error: NodeJS.ErrnoException) => {
      this.output = error.code === 'ENOENT' && trace.length > 0 ? STRACE_MISSING : String(error)
    })
    this.ended = once(this.#child, 'close').catch(() => undefined)
  }

  /** What kept-server.ts prints when it has loaded its data. */
  get ready(): Ready | undefined {
    const line = /^ready (\d+) (\d+)$/m.exec(this.output)
    return line === null ? undefined : { port: Number(line[1]), pid: Number(line[2]) }
  }

  /** Whether a process is this one, or, through strace, its child. */
  isOrStarted(pid: number): boolean {
    if (pid === this.#child.pid) return true
    if (!existsSync(`/proc/${pid}/stat`)) return false
    // Behind the name, in parentheses: the state, and the parent.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]) === this.#child.pid
  }

  get signal(): NodeJS.Signals | undefined {
    return this.#child.signalCode ?? undefined
  }

  get hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

function commandOf({ program, directory, fsync }: ProcessOptions, port: number): string[] {
  if (program !== 'redis') return [process.execPath, compiledServer(), directory, fsync]
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
  const redis = process.env['REDIS_SERVER'] ?? 'redis-server'
  return [redis, ...settings, '--appendonly', 'yes', '--appendfsync', fsync]
}

/** Of a redis-server that has loaded its data; a port that was free a moment ago may be another program's by now. */
async function readyRedis(child: TracedChild, port: number): Promise<Ready | undefined> {
  const wire = await Wire.connect(port).catch(() => undefined)
  if (wire === undefined) return undefined
  try {
    if ((await wire.ask('PING')) !== '+PONG\r\n') return undefined
    const pid = Number(/process_id:(\d+)/.exec(await wire.ask('INFO', 'server'))?.[1])
    return child.isOrStarted(pid) ? { port, pid } : undefined
  } finally {
    wire.destroy()
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

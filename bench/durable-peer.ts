/**
 * A server that keeps its data in a directory, in a process of its own: ours, or redis-server with its append-only file.
 *
 *   start ──spawn──► no connection ──► -LOADING ──► +PONG: ready, `startMs` after the spawn ──stop()──► SIGTERM, ended
 *                                                                                           └─kill()──► SIGKILL, ended
 *
 * Both alike: no snapshots by time, and no rewriting of the journal by its size, which would come in some runs and not in
 * others.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, waitFor } from '@millrace/testing'
import { encode } from './peer.ts'

export type Policy = 'always' | 'everysec' | 'no'
export type PeerName = 'millrace' | 'redis'

export interface DurableOptions {
  readonly name: PeerName
  readonly directory: string
  readonly policy: Policy
  /** What the server is started through: strace, with its arguments. */
  readonly through?: readonly string[]
}

/** How late an event loop was. */
export interface Delay {
  readonly p999Ms: number
  readonly maxMs: number
}

const program = fileURLToPath(new URL('./durable-server.mjs', import.meta.url))
const settings = [
  ['save', ''],
  ['auto-aof-rewrite-percentage', '0'],
] as const
const running = new Set<ChildProcess>()
const directories = new Set<BenchDirectory>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const directory of directories) directory.remove()
})
// A signal ends a process without 'exit' unless somebody listens.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

export class DurablePeer {
  readonly name: PeerName
  readonly port: number
  /** Of the server itself, whatever it was started through. */
  readonly pid: number
  /** From the spawn to the first reply that is not LOADING. */
  readonly startMs: number
  readonly #child: ChildProcess

  private constructor(name: PeerName, child: ChildProcess, ready: { port: number; pid: number; startMs: number }) {
    this.name = name
    this.#child = child
    this.port = ready.port
    this.pid = ready.pid
    this.startMs = ready.startMs
  }

  static async start(options: DurableOptions): Promise<DurablePeer> {
    const port = await freePort()
    const [command, ...args] = [...(options.through ?? []), ...commandOf(options, port)]
    const beganMs = performance.now()
    const channel = options.name === 'millrace' ? ['ipc' as const] : []
    // What strace says of itself nobody needs.
    const errors = options.through === undefined ? 'inherit' : 'ignore'
    const child = spawn(command!, args, { stdio: ['ignore', 'ignore', errors, ...channel] })
    running.add(child)
    child.once('exit', () => running.delete(child))
    const startMs = await untilReady(child, port, beganMs)
    const pid = Number(/process_id:(\d+)/.exec(await ask(port, ['INFO', 'server']))![1])
    for (const [name, value] of settings) await ask(port, ['CONFIG', 'SET', name, value])
    return new DurablePeer(options.name, child, { port, pid, startMs })
  }

  /** Of ours: how late its event loop was since the last time that this was asked. */
  async delay(): Promise<Delay> {
    this.#child.send('watch')
    const [delay] = (await once(this.#child, 'message')) as [Delay]
    return delay
  }

  async ask(...words: readonly string[]): Promise<string> {
    return await ask(this.port, words)
  }

  /** In order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** As a crash. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const gone = once(this.#child, 'exit')
    process.kill(this.pid, signal)
    await gone
  }
}

/** A new directory, below `parent` or where the system has its temporary ones. */
export class BenchDirectory {
  readonly path: string

  constructor(parent: string | undefined) {
    this.path = mkdtempSync(join(parent ?? tmpdir(), 'millrace-bench-'))
    directories.add(this)
  }

  remove(): void {
    directories.delete(this)
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** The first bytes of the reply, on a connection of its own. */
export async function ask(port: number, words: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1', () => socket.write(encode(words)))
  try {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    return bytes.toString()
  } finally {
    socket.destroy()
  }
}

function commandOf({ name, directory, policy }: DurableOptions, port: number): string[] {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--appendfsync', policy]
  if (name === 'millrace') return [process.execPath, program, ...place]
  return [process.env['REDIS_SERVER'] ?? 'redis-server', ...place, '--appendonly', 'yes', '--loglevel', 'warning']
}

/** How long it took. */
async function untilReady(child: ChildProcess, port: number, beganMs: number): Promise<number> {
  const failed = Promise.race([once(child, 'exit'), once(child, 'error')]).then(([why]) => {
    throw new Error(`The server ended at its start: ${String(why)}`)
  })
  // Of interest only until it is ready.
  failed.catch(() => undefined)
  const isReady = async (): Promise<boolean> => (await ask(port, ['PING'])).startsWith('+PONG')
  await Promise.race([failed, waitFor(isReady, { what: 'a server that is ready', timeoutMs: 600_000 })])
  return performance.now() - beganMs
}

/**
 * A real redis-server on a free loopback port, without persistence, ready when it answers PING.
 */

import type { ChildProcess } from 'node:child_process'
import { createConnection } from 'node:net'
import { endChild, freePort, removeDirectory, startChild, temporaryDirectory } from './child.ts'

export interface RedisOptions {
  /** More arguments for redis-server: `['--maxmemory', '2mb']`. */
  readonly args?: readonly string[]
  /** Listen on this port instead of a free one: a server that comes back where it was. */
  readonly port?: number
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Ends the server and removes its directory. Idempotent. */
  stop(): Promise<void>
  /** A crash (SIGKILL, the default), a stall (SIGSTOP) or its end (SIGCONT). */
  kill(signal?: NodeJS.Signals): Promise<void>
}

const START_MS = 10_000
const MISSING =
  'redis-server was not found. Install it (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis) ' +
  'or name the program in REDIS_SERVER.'

/** Starts a server; rejects with what to install when there is none. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  // A port that was free can be taken before the server has it, so a refused start is tried again elsewhere.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options)
    } catch (error) {
      if (attempt === 5 || options.port !== undefined || !String(error).includes('in use')) throw error
    }
  }
}

async function startOnce(options: RedisOptions): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const directory = temporaryDirectory('redis')
  const settings = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ]
  const child = startChild(process.env['REDIS_SERVER'] ?? 'redis-server', [...settings, ...(options.args ?? [])])
  try {
    await untilReady(child, port)
  } catch (error) {
    await endChild(child, 'SIGKILL')
    removeDirectory(directory)
    throw error
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    stop: async () => {
      // There is nothing to save, and a polite end would wait for replicas.
      await endChild(child, 'SIGKILL')
      removeDirectory(directory)
    },
    kill: async (signal = 'SIGKILL') => {
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') child.kill(signal)
      else await endChild(child, signal)
    },
  }
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  let output = ''
  child.stdout?.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4000)))
  child.stderr?.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4000)))
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(MISSING, { cause: error }) : error),
    )
    child.once('exit', (code) => reject(new Error(`redis-server ended at its start with code ${code}:\n${output}`)))
  })
  // The race below hears the failure; afterwards the server may exit without anybody waiting.
  failed.catch(() => undefined)
  const deadline = Date.now() + START_MS
  while (!(await Promise.race([failed, answersPing(port)]))) {
    if (Date.now() > deadline) throw new Error(`redis-server gave no PONG within ${START_MS} ms:\n${output}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function answersPing(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'))
    const settle = (ready: boolean): void => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(1000, () => settle(false))
    socket.once('error', () => settle(false))
    socket.once('data', (bytes) => settle(/^(\+PONG|-NOAUTH)/.test(bytes.toString())))
  })
}

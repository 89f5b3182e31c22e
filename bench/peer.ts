/**
 * The two sides of a comparison, each in a process of its own, memory only, on loopback: our server and redis-server.
 *
 *   bench ──fork──► wire-server.mjs (Millrace)        ──spawn──► redis-server
 *         ◄── port, pid, CPU seconds so far ─────────────────────┘
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { startRedis } from '@millrace/testing'

/** Our server, of what was built. */
export const millraceProgram = new URL('./wire-server.mjs', import.meta.url)

export interface Stall {
  readonly stallMs: number
  /** Of that, how long other processes had the processors; NaN where the system does not tell. */
  readonly waitedMs: number
}

export interface Peer {
  readonly name: 'millrace' | 'redis'
  readonly port: number
  readonly pid: number
  /** Of ours: bytes after a garbage collection, resident and as V8 counts them. */
  readonly memory?: () => Promise<{ readonly bytes: number; readonly counted: number }>
  /** Of ours: the longest stall of its event loop since the last time it was asked. */
  readonly stall?: () => Promise<Stall>
  stop(): Promise<void>
}

export async function startPeers(): Promise<readonly [Peer, Peer]> {
  return [await startMillrace(), await startRedisPeer()]
}

export async function startMillrace(): Promise<Peer> {
  const child: ChildProcess = fork(millraceProgram, { execArgv: ['--expose-gc'] })
  const [message] = (await once(child, 'message')) as [{ readonly port: number }]
  return {
    name: 'millrace',
    port: message.port,
    pid: child.pid!,
    memory: async () => {
      child.send('memory')
      const [memory] = (await once(child, 'message')) as [{ readonly bytes: number; readonly counted: number }]
      return memory
    },
    stall: async () => {
      child.send('stall')
      const [stall] = (await once(child, 'message')) as [Stall]
      return stall
    },
    stop: async () => {
      const gone = once(child, 'exit')
      child.send('stop')
      await gone
    },
  }
}

export async function startRedisPeer(): Promise<Peer> {
  const redis = await startRedis()
  return { name: 'redis', port: redis.port, pid: redis.pid, stop: async () => await redis.stop() }
}

/** Seconds of processor time that a process has used; NaN where the system does not tell (not Linux). */
export function cpuSeconds(pid: number): number {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return Number.NaN
  const fields = readFileSync(file, 'utf8').split(') ')[1]!.split(' ')
  // utime and stime, in ticks of 1/100 s, which is what Linux shows to programs everywhere.
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function encode(args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`
  for (const arg of args) text += `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`
  return text
}

/** A raw connection that sends whole batches and waits until as many replies are there. One-line and bulk replies only. */
export class RawClient {
  readonly #socket: Socket
  #left = 0
  #done: (() => void) | undefined
  #lines = 0
  /** Whether some of the batch's replies have come. */
  #isMiddle = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#count(chunk))
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** Resolves after so many reply lines. An integer or status is one line, a bulk string two. */
  async send(batch: string | Buffer, lines: number): Promise<void> {
    this.#left = lines
    const done = new Promise<void>((resolve) => (this.#done = resolve))
    this.#socket.write(batch)
    await done
  }

  /** The next reply as text: one bulk string, whole when its last line is. */
  async text(request: string): Promise<string> {
    return await new Promise((resolve) => {
      let text = ''
      const listener = (chunk: Buffer): void => {
        text += chunk.toString('latin1')
        const header = /^[$=](\d+)\r\n/.exec(text)
        if (header === null || text.length < header[0].length + Number(header[1]) + 2) return
        this.#socket.off('data', listener)
        resolve(text)
      }
      this.#socket.on('data', listener)
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #count(chunk: Buffer): void {
    // Only where a reply begins: in the middle of one a chunk may begin with the dash of an ID.
    if (!this.#isMiddle && chunk[0] === 0x2d)
      throw new Error(`The server answered ${chunk.toString().split('\r\n')[0]}`)
    this.#isMiddle = true
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.#lines++
    if (this.#lines < this.#left) return
    this.#lines -= this.#left
    this.#isMiddle = false
    this.#done?.()
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * The same stream over the wire: `millrace serve` of what was built, as users run it, without a directory, with one, and with one
 * and a budget; journal and snapshots included.
 *
 *   append ─► scan from 0 ─► group read ─► claim ─► last 100 ─► BGSAVE ─► SIGTERM ─► load ─► scan again
 *
 * Every byte of every reply is compared with what it should be. Memory is what the system says of the server's process, at its
 * highest since its start (VmHWM).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { encode } from './peer.ts'

const program = fileURLToPath(new URL('./durable-server.mjs', import.meta.url))
const START_MS = 1_700_000_000_000
const PAGE = 100
const SCAN_PAGE = 500
/** Requests that wait for their replies. */
const IN_FLIGHT = 2
const GROUP_ENTRIES_MAX = 200_000
const POLL_MS = 50

export interface WireSettings {
  readonly bytes: number
  readonly entryBytes: number
  /** 0: with a directory, and all in memory. Undefined: without a directory. */
  readonly budgetBytes: number | undefined
  readonly policy: string
  /** Where the directory is made. */
  readonly parent: string | undefined
}

export interface WirePhase {
  readonly name: string
  readonly entries: number
  readonly seconds: number
  /** Of the server's process, at its highest so far. */
  readonly peakBytes: number
}

/** What is sent, and what has to come back, byte for byte. */
interface Exchange {
  readonly request: string
  readonly reply: Buffer
}

/** Runs all phases; throws when a reply is not what it should be. */
export async function measureWire(settings: WireSettings): Promise<WirePhase[]> {
  const directory = mkdtempSync(join(settings.parent ?? tmpdir(), 'millrace-cold-'))
  const bench = new WireBench(settings, directory)
  try {
    return await bench.run()
  } finally {
    await bench.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

class WireBench {
  readonly #settings: WireSettings
  readonly #directory: string
  readonly #entries: number
  readonly #phases: WirePhase[] = []
  readonly #filling: string
  #child: ChildProcess | undefined = undefined
  #socket: Socket | undefined = undefined

  constructor(settings: WireSettings, directory: string) {
    this.#settings = settings
    this.#directory = join(directory, 'data')
    this.#entries = Math.ceil(settings.bytes / settings.entryBytes / PAGE) * PAGE
    this.#filling = 'v'.repeat(settings.entryBytes)
  }

  async run(): Promise<WirePhase[]> {
    const entries = this.#entries
    const grouped = Math.min(GROUP_ENTRIES_MAX, entries)
    await this.#start()
    await this.#phase('append', entries, this.#appends())
    await this.#phase('scan from 0', entries, this.#scan())
    await this.#phase('group read', grouped, this.#groupReads(grouped))
    await this.#phase('claim', grouped, this.#claims(grouped))
    if (this.#settings.budgetBytes === undefined) return this.#phases
    const savedMs = performance.now()
    await this.#talk([{ request: encode(['BGSAVE']), reply: Buffer.from('+Background saving started\r\n') }])
    await this.#until(async () => /rdb_bgsave_in_progress:0[^]*rdb_last_bgsave_status:ok/.test(await this.#info()))
    this.#note('snapshot', entries, savedMs)
    await this.end()
    const startedMs = performance.now()
    await this.#start()
    await this.#until(async () => /[^_]loading:0/.test(await this.#info()))
    this.#note('load', entries, startedMs)
    await this.#phase('scan from 0', entries, this.#scan())
    return this.#phases
  }

  /** In order. */
  async end(): Promise<void> {
    this.#socket?.destroy()
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  async #start(): Promise<void> {
    const { budgetBytes, policy } = this.#settings
    const kept =
      budgetBytes === undefined
        ? []
        : ['--dir', this.#directory, '--appendfsync', policy, '--maxmemory', String(budgetBytes)]
    const args = [program, '--port', '0', '--bind', '127.0.0.1', ...kept]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#child = child
    let told = ''
    for await (const chunk of child.stdout!) {
      told += String(chunk)
      const port = /ready on \S+:(\d+)\n/.exec(told)?.[1]
      if (port === undefined) continue
      this.#socket = connect(Number(port), '127.0.0.1')
      await once(this.#socket, 'connect')
      this.#socket.setNoDelay(true)
      return
    }
    throw new Error('The server ended at its start')
  }

  async #phase(name: string, entries: number, exchanges: Iterable<Exchange>): Promise<void> {
    const startedMs = performance.now()
    await this.#talk(exchanges)
    this.#note(name, entries, startedMs)
  }

  #note(name: string, entries: number, startedMs: number): void {
    const seconds = (performance.now() - startedMs) / 1000
    this.#phases.push({ name, entries, seconds, peakBytes: peakBytesOf(this.#child!.pid!) })
  }

  /** Sends requests, so many at a time, and compares what comes. */
  async #talk(exchanges: Iterable<Exchange>): Promise<void> {
    const socket = this.#socket!
    const waiting: Buffer[] = []
    const next = exchanges[Symbol.iterator]()
    let at = 0
    const send = (): void => {
      while (waiting.length < IN_FLIGHT) {
        const step = next.next()
        if (step.done === true) return
        waiting.push(step.value.reply)
        socket.write(step.value.request, 'latin1')
      }
    }
    await new Promise<void>((resolve, reject) => {
      const receive = (chunk: Buffer): void => {
        for (let from = 0; from < chunk.length;) {
          const wanted = waiting[0] ?? Buffer.alloc(0)
          const length = Math.min(chunk.length - from, wanted.length - at)
          if (length === 0 || chunk.compare(wanted, at, at + length, from, from + length) !== 0) {
            return reject(new Error(`Expected ${shown(wanted, at)}, got ${shown(chunk, from)}`))
          }
          from += length
          at += length
          if (at < wanted.length) continue
          waiting.shift()
          at = 0
        }
        send()
        if (waiting.length > 0) return
        socket.off('data', receive)
        resolve()
      }
      socket.on('data', receive)
      socket.once('close', () => reject(new Error('The server has closed the connection')))
      send()
    })
  }

  *#appends(): Generator<Exchange> {
    for (let from = 0; from < this.#entries; from += PAGE) {
      let [request, reply] = ['', '']
      for (let i = from; i < from + PAGE; i++) {
        request += encode(['XADD', 's', idOf(i), 'f', this.#valueOf(i)])
        reply += bulk(idOf(i))
      }
      yield { request, reply: Buffer.from(reply, 'latin1') }
    }
  }

  /** A page at a time, as clients do. */
  *#scan(): Generator<Exchange> {
    for (let from = 0; from < this.#entries; from += SCAN_PAGE) {
      const begin = from === 0 ? '-' : `(${idOf(from - 1)}`
      const to = Math.min(from + SCAN_PAGE, this.#entries)
      yield { request: encode(['XRANGE', 's', begin, '+', 'COUNT', SCAN_PAGE]), reply: this.#page(from, to) }
    }
  }

  /** The oldest entries go to one consumer of a group, who never acknowledges them. */
  *#groupReads(entries: number): Generator<Exchange> {
    yield { request: encode(['XGROUP', 'CREATE', 's', 'g', '0']), reply: Buffer.from('+OK\r\n') }
    for (let from = 0; from < entries; from += PAGE) {
      const reply = Buffer.concat([Buffer.from(`*1\r\n*2\r\n${bulk('s')}`), this.#page(from, from + PAGE)])
      yield { request: encode(['XREADGROUP', 'GROUP', 'g', 'a', 'COUNT', PAGE, 'STREAMS', 's', '>']), reply }
    }
  }

  /** Another consumer takes them over, from here and there: each claim meets another segment. */
  *#claims(entries: number): Generator<Exchange> {
    const pages = entries / PAGE
    // A prime above any number of pages there may be: each page once.
    for (let page = 0; page < pages; page++) {
      const from = ((page * 7919) % pages) * PAGE
      const ids = Array.from({ length: PAGE }, (_, i) => idOf(from + i))
      yield { request: encode(['XCLAIM', 's', 'g', 'b', 0, ...ids]), reply: this.#page(from, from + PAGE) }
    }
  }

  #page(from: number, to: number): Buffer {
    let text = `*${to - from}\r\n`
    for (let i = from; i < to; i++) text += `*2\r\n${bulk(idOf(i))}*2\r\n${bulk('f')}${bulk(this.#valueOf(i))}`
    return Buffer.from(text, 'latin1')
  }

  /** No two are alike. */
  #valueOf(i: number): string {
    const begin = `${i} ${Math.imul(i, 2_654_435_761) >>> 0} `
    return begin + this.#filling.slice(begin.length)
  }

  async #info(): Promise<string> {
    const socket = this.#socket!
    let text = ''
    socket.write(encode(['INFO', 'persistence']))
    while (!/^\$(\d+)\r\n/.test(text) || text.length < Number(/^\$(\d+)/.exec(text)![1])) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      text += chunk.toString('latin1')
    }
    return text
  }

  async #until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await delay(POLL_MS)
  }
}

function idOf(i: number): string {
  return `${START_MS + Math.floor(i / 1000)}-${i % 1000}`
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

function shown(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.toString('latin1', Math.max(at - 20, 0), at + 60))
}

/** NaN where the system does not tell (not Linux). */
function peakBytesOf(pid: number): number {
  const file = `/proc/${pid}/status`
  if (!existsSync(file)) return Number.NaN
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(file, 'latin1'))?.[1]) * 1024
}

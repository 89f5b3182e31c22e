/**
 * 1,000 viewers on 200 answers at 20 tokens a second each: how long from XADD to the viewer?
 *
 *   viewers-server.ts (child)                          this process: the load client
 *   scripted model ─► relay ─► streams ─► Socket.IO ─► 1,000 socket.io-clients ─► latency, gaps, text
 *
 * Latency is the arrival's time less the milliseconds of the entry's ID: both clocks are this machine's, so the figure
 * includes the relay's read, the fan-out, the socket and this client's own decoding. The entry's ID is made when the
 * append is carried out, so the relay's joining of small chunks is not in it.
 *
 *   npm run bench -- viewers [--streams embedded|redis|both] [--answers 200] [--viewers 1000] [--rate 20] [--seconds 30]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { startRedis } from '@millrace/testing'
import { io, type Socket } from 'socket.io-client'

interface Plan {
  readonly answers: number
  readonly viewers: number
  readonly rate: number
  readonly seconds: number
}

interface WireEntry {
  readonly id: string
  readonly seq: number
  readonly type: string
  readonly text?: string
  readonly chars?: number
  readonly sha256?: string
}

interface Memory {
  readonly rss: number
  readonly heapUsed: number
}

const finishMs = 60_000

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: 'both' },
    answers: { type: 'string', default: '200' },
    viewers: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
  },
})
const plan: Plan = {
  answers: Number(values.answers),
  viewers: Number(values.viewers),
  rate: Number(values.rate),
  seconds: Number(values.seconds),
}

async function main(): Promise<void> {
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; load client on the same machine`,
  )
  console.log(`${plan.viewers} viewers on ${plan.answers} answers, ${plan.rate} tokens/s each, for ${plan.seconds} s`)
  let failed = false
  if (values.streams !== 'redis') failed = !(await runOn('embedded', undefined)) || failed
  if (values.streams !== 'embedded') {
    const redis = await startRedis()
    try {
      failed = !(await runOn('redis-server 7', redis.url)) || failed
    } finally {
      await redis.stop()
    }
  }
  process.exitCode = failed ? 1 : 0
}

/** One whole run; resolves false when a viewer missed something. */
async function runOn(name: string, redisUrl: string | undefined): Promise<boolean> {
  const server = fork(new URL('./viewers-server.ts', import.meta.url), [JSON.stringify({ ...plan, redisUrl })])
  try {
    const { port } = await message<{ port: number }>(server)
    const url = `http://127.0.0.1:${port}`
    const cookies = await Promise.all(Array.from({ length: plan.answers }, () => session(url)))
    const before = await memoryOf(server)
    const viewers = await connectAll(url, cookies)
    const connected = await memoryOf(server)
    const answers = await Promise.all(cookies.map((cookie, index) => ask(url, cookie, index)))
    for (const viewer of viewers) viewer.follow(answers[viewer.answerIndex]!)
    await withDeadline(Promise.all(viewers.map((viewer) => viewer.finished)), plan.seconds * 1000 + finishMs)
    const following = await memoryOf(server)
    return report({ name, viewers, before, connected, following })
  } finally {
    server.kill('SIGTERM')
    if (server.exitCode === null) await once(server, 'exit')
  }
}

/** A browser tab, reduced to what arrives: every entry is checked, every delta timed. */
class Viewer {
  readonly answerIndex: number
  readonly latenciesMs: number[] = []
  readonly finished: Promise<void>
  fault: string | undefined
  #nextSeq = 0
  #text = ''
  readonly #socket: Socket
  #finish!: () => void

  constructor(socket: Socket, answerIndex: number) {
    this.#socket = socket
    this.answerIndex = answerIndex
    this.finished = new Promise((resolve) => (this.#finish = resolve))
    socket.on('entry', (batch: { entries: WireEntry[] }) => {
      const now = Date.now()
      for (const entry of batch.entries) this.#take(entry, now)
    })
    socket.on('follow-ended', (end: { error: { message: string } }) => this.#fail(`follow ended: ${end.error.message}`))
    socket.on('disconnect', (reason) => this.#fail(`disconnected: ${reason}`))
  }

  follow(answer: string): void {
    this.#socket.emit('follow', { answer }, (reply: { ok: boolean; error?: { message: string } }) => {
      if (!reply.ok) this.#fail(`not followed: ${reply.error?.message}`)
    })
  }

  close(): void {
    this.#socket.removeAllListeners()
    this.#socket.disconnect()
  }

  #take(entry: WireEntry, now: number): void {
    if (entry.seq !== this.#nextSeq) return this.#fail(`expected sequence ${this.#nextSeq}, came ${entry.seq}`)
    this.#nextSeq++
    if (entry.type === 'delta') {
      this.#text += entry.text ?? ''
      this.latenciesMs.push(now - Number(entry.id.split('-')[0]))
    } else if (entry.type === 'end') {
      const sha256 = createHash('sha256').update(this.#text).digest('hex')
      if (entry.chars !== this.#text.length || entry.sha256 !== sha256)
        return this.#fail('the text is not what was produced')
      this.#finish()
    } else if (entry.type === 'error' || entry.type === 'restarted') {
      this.#fail(`an entry of type ${entry.type}`)
    }
  }

  #fail(fault: string): void {
    this.fault ??= fault
    this.#finish()
  }
}

async function session(url: string): Promise<string> {
  const response = await fetch(`${url}/api/session`)
  const cookie = response.headers.get('set-cookie')
  await response.arrayBuffer()
  if (!response.ok || cookie === null) throw new Error(`no session: ${response.status}`)
  return cookie.split(';')[0]!
}

async function ask(url: string, cookie: string, index: number): Promise<string> {
  const response = await fetch(`${url}/api/answers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie },
    body: JSON.stringify({ requestId: `bench-${index}`, topic: 'Redis', question: `Question ${index}` }),
  })
  const reply = (await response.json()) as { answer?: string }
  if (reply.answer === undefined) throw new Error(`the question was refused: ${JSON.stringify(reply)}`)
  return reply.answer
}

async function connectAll(url: string, cookies: readonly string[]): Promise<Viewer[]> {
  const viewers: Viewer[] = []
  const batchSize = 50 // as many handshakes at once; a herd is another bench
  for (let from = 0; from < plan.viewers; from += batchSize) {
    const indexes = Array.from({ length: Math.min(batchSize, plan.viewers - from) }, (_, offset) => from + offset)
    viewers.push(...(await Promise.all(indexes.map((index) => connectOne(url, cookies, index % plan.answers)))))
  }
  return viewers
}

async function connectOne(url: string, cookies: readonly string[], answerIndex: number): Promise<Viewer> {
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    extraHeaders: { cookie: cookies[answerIndex]! },
  })
  const viewer = new Viewer(socket, answerIndex)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  return viewer
}

interface Run {
  readonly name: string
  readonly viewers: readonly Viewer[]
  readonly before: Memory
  readonly connected: Memory
  readonly following: Memory
}

function report(run: Run): boolean {
  const latencies = Float64Array.from(run.viewers.flatMap((viewer) => viewer.latenciesMs)).toSorted()
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? -1
  const faults = run.viewers.filter((viewer) => viewer.fault !== undefined)
  const perViewer = (from: Memory, to: Memory, what: keyof Memory): string =>
    `${((to[what] - from[what]) / run.viewers.length / 1024).toFixed(1)} KiB`
  console.log(`\n${run.name}`)
  console.log(`  deliveries       ${latencies.length} deltas to ${run.viewers.length} viewers`)
  console.log(
    `  XADD to viewer   p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, max ${at(1)} ms (bar: p99 below 250 ms)`,
  )
  console.log(`  viewers missing  ${faults.length} (bar: 0)${faults.length > 0 ? `: ${faults[0]?.fault}` : ''}`)
  console.log(
    `  memory a viewer  heap ${perViewer(run.before, run.connected, 'heapUsed')} connected, ${perViewer(run.before, run.following, 'heapUsed')} after its answer; resident ${perViewer(run.before, run.following, 'rss')}, the answers' streams included`,
  )
  for (const viewer of run.viewers) viewer.close()
  return faults.length === 0 && at(0.99) < 250
}

async function memoryOf(server: ChildProcess): Promise<Memory> {
  server.send('memory')
  return await message<Memory>(server)
}

async function message<T>(server: ChildProcess): Promise<T> {
  const [value] = (await withDeadline(once(server, 'message'), 30_000)) as [T]
  return value
}

async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Nothing after ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

// At the end: the class above has to be there.
await main()

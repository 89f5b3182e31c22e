/**
 * What a killed server has lost of what it acknowledged, when the disk is slow: our server and redis-server, both with
 * `appendfsync everysec`, on a disk that takes 1.5 seconds for every fdatasync (strace delays it).
 *
 *   start ──► 8 connections, XADD in pipelines of 16 ──► SIGKILL after 2 to 4.5 seconds ──► start without delay ──► XLEN
 *
 *   npm run bench -- slow-disk [--runs 6] [--dir DIR]
 *
 * Ends with 1 when ours has lost anything. What it does not show: a power failure, of which `everysec` promises to survive all
 * but the last second; how fast either is on such a disk, since strace slows both.
 */
import { cpus } from 'node:os'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { BenchDirectory, DurablePeer, type PeerName } from './durable-peer.ts'
import { encode } from './peer.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '6' }, dir: { type: 'string' } } })
const SLOW = 'strace -f --seccomp-bpf -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=1500000'.split(
  ' ',
)
const CONNECTIONS = 8
const PIPELINE = 16
const KILL_MS_MIN = 2000
const KILL_MS_STEP = 500
const KILL_STEPS = 6

/** Appends to a stream of its own for as long as it is answered; counts the answers. */
class Appender {
  acknowledged = 0
  readonly key: string
  readonly #socket: Socket
  #sent = 0
  #lines = 0
  /** Whether some of a reply has come, and not all: the rest need not begin as a reply does. */
  #isMiddle = false

  constructor(port: number, key: string) {
    this.key = key
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('error', () => undefined) // the kill
    this.#socket.on('data', (chunk: Buffer) => this.#count(chunk))
    this.#send()
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    let batch = ''
    for (let i = 0; i < PIPELINE; i++) batch += encode(['XADD', this.key, `${++this.#sent}-0`, 'value', 'v'.repeat(28)])
    this.#socket.write(batch)
  }

  #count(chunk: Buffer): void {
    if (!this.#isMiddle && chunk[0] === 0x2d)
      throw new Error(`The server answered ${chunk.toString().split('\r\n')[0]}`)
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.#lines++
    this.#isMiddle = this.#lines % 2 === 1 || chunk.at(-1) !== 10
    // An ID is two lines.
    this.acknowledged = this.#lines >> 1
    if (this.acknowledged === this.#sent) this.#send()
  }
}

interface Outcome {
  readonly acknowledged: number
  readonly lost: number
}

async function measure(name: PeerName, killedMs: number): Promise<Outcome> {
  const directory = new BenchDirectory(values.dir)
  const options = { name, directory: directory.path, policy: 'everysec' } as const
  const slow = await DurablePeer.start({ ...options, through: SLOW })
  const appenders = Array.from({ length: CONNECTIONS }, (_, i) => new Appender(slow.port, `s${i}`))
  await delay(killedMs)
  await slow.kill()
  for (const appender of appenders) appender.close()
  const again = await DurablePeer.start(options)
  let acknowledged = 0
  let lost = 0
  for (const appender of appenders) {
    const found = Number((await again.ask('XLEN', appender.key)).slice(1))
    acknowledged += appender.acknowledged
    lost += Math.max(0, appender.acknowledged - found)
  }
  await again.kill()
  directory.remove()
  return { acknowledged, lost }
}

const runs = Number(values.runs)
console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${process.platform}`)
console.log('killed after   millrace: acknowledged     lost   redis: acknowledged     lost')
let lostByOurs = 0
for (let run = 0; run < runs; run++) {
  const killedMs = KILL_MS_MIN + (run % KILL_STEPS) * KILL_MS_STEP
  const ours = await measure('millrace', killedMs)
  const theirs = await measure('redis', killedMs)
  lostByOurs += ours.lost
  const columns = [ours.acknowledged, ours.lost, theirs.acknowledged, theirs.lost].map((count) => String(count))
  const widths = [21, 9, 23, 9]
  console.log(`${String(killedMs).padStart(9)} ms ${columns.map((text, i) => text.padStart(widths[i]!)).join('')}`)
}
console.log(lostByOurs === 0 ? 'millrace has lost nothing' : `millrace has lost ${lostByOurs} of what it acknowledged`)
process.exitCode = lostByOurs === 0 ? 0 : 1

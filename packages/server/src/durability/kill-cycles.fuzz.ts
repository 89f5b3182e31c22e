/**
 * Real processes, killed under load: nothing that was acknowledged is missing afterwards, nothing that was acknowledged as
 * gone is back, with fsync `always` and `everysec`.
 * MILLRACE_RUNS sets how often (one cycle for every 100 runs: 20; 500 in a long run), MILLRACE_SEED repeats the commands.
 */
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { Random } from '../differential-random.ts'
import { History } from './testing/history.ts'
import { ServerProcess, type ProcessOptions } from './testing/server-process.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const CYCLES = RUNS >= 20_000 ? 500 : Math.max(1, Math.floor(RUNS / 100))
const CLIENTS = 4
const REPLIES_MAX = 3000
const KILL_DELAY_MS_MAX = 8

const running: ServerProcess[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill()
})

async function start(options: ProcessOptions): Promise<ServerProcess> {
  const server = await ServerProcess.start(options)
  running.push(server)
  return server
}

/** Loads a server until it is killed: at some reply, or a moment later; now and then while it writes a snapshot. */
class Load {
  readonly histories: readonly History[]
  readonly #random: Random
  #onReply: () => void = () => undefined

  constructor(random: Random) {
    this.#random = random
    this.histories = Array.from({ length: CLIENTS }, (_, i) => new History(`s${i}`, random, () => this.#onReply()))
  }

  async create(server: ServerProcess): Promise<void> {
    for (const history of this.histories) await history.create(await server.connect())
  }

  async check(server: ServerProcess): Promise<void> {
    for (const history of this.histories) await history.check(await server.connect())
  }

  async runUntilKilled(server: ServerProcess): Promise<void> {
    const random = this.#random
    const wires = await Promise.all(this.histories.map(() => server.connect()))
    const admin = await server.connect()
    const [saveAt, killAt, delayMs] = [
      random.below(REPLIES_MAX),
      random.below(REPLIES_MAX),
      random.below(KILL_DELAY_MS_MAX),
    ]
    let replies = 0
    this.#onReply = () => {
      if (replies === saveAt) admin.send(Buffer.from('BGSAVE\r\n'))
      if (replies === killAt) setTimeout(() => void server.kill(), delayMs)
      replies++
    }
    await Promise.all(this.histories.map((history, i) => history.run(wires[i]!, 1 + random.below(40))))
    await server.ended()
  }

  /** How much was acknowledged in all, and what a check found that was not. */
  get tally(): { readonly acknowledged: number; readonly unanswered: number } {
    const sum = (of: (history: History) => number): number =>
      this.histories.reduce((total, each) => total + of(each), 0)
    return { acknowledged: sum((each) => each.acknowledged), unanswered: sum((each) => each.unanswered) }
  }
}

for (const fsync of ['always', 'everysec'] as const) {
  it(
    `keeps all that was acknowledged when it is killed ${CYCLES} times (${fsync}, seed ${SEED})`,
    { timeout: CYCLES * 10_000 },
    async () => {
      const options: ProcessOptions = {
        directory: temporaryDirectory('kill'),
        fsync,
      }
      const load = new Load(new Random(SEED))
      let server = await start(options)
      await load.create(server)
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        await load.runUntilKilled(server)
        running.pop()
        server = await start(options)
        await load.check(server)
      }
      expect(load.tally.acknowledged).toBeGreaterThan(CYCLES)
    },
  )
}

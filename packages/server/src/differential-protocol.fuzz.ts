/**
 * Requests cut at every byte, and requests with damaged bytes, to us and to a real redis-server 7.0.15: the same replies,
 * and the same end of the connection. And our server is still there afterwards, and no larger.
 *
 * MILLRACE_RUNS sets how many damaged ones (5 for every 2 runs, ten for each from 20,000 on), MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mutated, transcript, verdict } from './differential-bytes.ts'
import { OurServer } from './differential-child.ts'
import { corpus } from './differential-corpus.ts'
import { Grammar } from './differential-grammar.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { encode, Wire } from './differential-wire.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const MUTATED = Math.ceil(RUNS < 20_000 ? RUNS * 2.5 : RUNS * 10)
const CASES_A_FLUSH = 50
const GROWTH_BYTES_MAX = 48 * 1024 * 1024
const MUTATED_A_SECOND_MIN = 200
const seed = seedOfRun()

let redis: RedisServer
let ours: OurServer
beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedis(), OurServer.start()])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.stop()])
})

/** A server that gets requests in two pieces: the second when the first has surely been read. */
class CutServer {
  readonly #port: number
  readonly #control: Wire
  readonly #protocol: 2 | 3
  #wire: Wire | undefined = undefined

  private constructor(port: number, protocol: 2 | 3, control: Wire) {
    this.#port = port
    this.#protocol = protocol
    this.#control = control
  }

  static async connect(port: number, protocol: 2 | 3): Promise<CutServer> {
    return new CutServer(port, protocol, await Wire.connect(port))
  }

  /** The replies to a request that is cut there, and a word when the connection ended after them. */
  async answer(request: Buffer, cut: number): Promise<string> {
    const wire = (this.#wire ??= await this.#begin())
    wire.send(request.subarray(0, cut))
    await this.#control.ask('PING')
    const mark = `mark ${cut}`
    wire.send(Buffer.concat([request.subarray(cut), encode(['ECHO', mark])]))
    const replies: string[] = []
    for (;;) {
      const [reply] = await wire.take(1)
      if (reply === undefined) {
        this.#wire = undefined
        return `${replies.join('')}(closed)`
      }
      if (reply.includes(mark)) return replies.join('')
      replies.push(reply)
    }
  }

  async #begin(): Promise<Wire> {
    const wire = await Wire.connect(this.#port)
    if (this.#protocol === 3) await wire.ask('HELLO', '3')
    return wire
  }

  async flush(): Promise<void> {
    await this.#control.ask('FLUSHALL')
  }

  close(): void {
    this.#wire?.destroy()
    this.#control.destroy()
  }
}

/** Without the IDs that are made of the time. */
function timeless(reply: string): string {
  return reply.replaceAll(/\$\d+\r\n\d{13}-\d+\r\n/g, '(now)')
}

/** Each request of the corpus, cut at each byte. */
async function playCuts(protocol: 2 | 3): Promise<void> {
  const servers = await Promise.all([CutServer.connect(ours.port, protocol), CutServer.connect(redis.port, protocol)])
  for (const text of corpus) {
    const request = Buffer.from(text, 'latin1')
    await Promise.all(servers.map((server) => server.flush()))
    for (let cut = 0; cut <= request.length; cut++) {
      const [mine, other] = await Promise.all(servers.map((server) => server.answer(request, cut)))
      // Which millisecond it was, and the how manieth in it, each tells by its own clock.
      const isSame =
        timeless(mine!) === timeless(other!) || verdict({ sent: text, ours: mine!, theirs: other! }) === 'same'
      expect(mine, `${JSON.stringify(text)} cut at ${cut}`).toBe(isSame ? mine : other)
    }
  }
  for (const server of servers) server.close()
  expect(ours.failure).toBe('')
}

it('answers requests that are cut at every byte as redis-server does, in RESP2', async () => await playCuts(2), 120_000)

it('answers requests that are cut at every byte as redis-server does, in RESP3', async () => await playCuts(3), 120_000)

it(
  `answers ${MUTATED} damaged pipelines as redis-server does, and neither ends nor grows (seed ${seed})`,
  async () => {
    const random = new Random(seed)
    const grammar = new Grammar(random)
    const flush = encode(['FLUSHALL'])
    const before = await ours.memoryBytes()
    let longestMs = 0
    for (let i = 0; i < MUTATED; i++) {
      const bytes = mutated(random, grammar)
      const protocol = random.chance(0.5) ? 3 : 2
      const startedMs = performance.now()
      const [mine, other] = await Promise.all([
        transcript(ours.port, bytes, protocol),
        transcript(redis.port, bytes, protocol),
      ])
      // An idle time reaches from one case to another.
      longestMs = Math.max(longestMs, performance.now() - startedMs)
      const sent = bytes.toString('latin1')
      const explained = verdict({ sent, ours: mine, theirs: other }, 2 * longestMs)
      expect(mine, `case ${i}, RESP${protocol}: ${JSON.stringify(sent)}`).toBe(explained === undefined ? other : mine)
      // What one of them runs and the other refuses leaves them with different keys.
      if (explained === 'same' && i % CASES_A_FLUSH > 0) continue
      await Promise.all([transcript(ours.port, flush), transcript(redis.port, flush)])
    }
    await transcript(ours.port, flush)
    expect(ours.failure).toBe('')
    expect((await ours.memoryBytes()) - before).toBeLessThan(GROWTH_BYTES_MAX)
  },
  60_000 + (MUTATED / MUTATED_A_SECOND_MIN) * 1000,
)

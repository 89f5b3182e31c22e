/**
 * Commands with hostile arguments, from clients in every state, to a server in a process of its own: each is answered once,
 * a good client is answered all the time, nothing grows and nothing crashes.
 *
 * MILLRACE_RUNS sets how many (80 commands for each run), MILLRACE_SEED repeats a run.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { CommandTable } from '../command-table.ts'
import { Random, seedOfRun } from '../differential-random.ts'
import { encodeAll, Wire } from '../differential-wire.ts'
import { HostileCommands } from './hostile-commands.ts'
import { Victim } from './victim.ts'

const MIB = 1024 * 1024
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const PIPELINE = 100
/** Where a hang begins; told only where nothing else keeps the machine busy. */
const HANG_MS = RUNS > 2000 ? 1000 : 20_000
const seed = seedOfRun()

let victim: Victim
beforeAll(async () => {
  victim = await Victim.start({ settings: { slowsGuesses: false } })
})
afterAll(async () => await victim?.stop())

/** How a client is before its commands, and what of all that it is sent answers none of them. */
interface State {
  readonly before: readonly (readonly string[])[]
  /** How many replies `before` gets, pushes left out. */
  readonly replies: number
}

const states: readonly State[] = [
  { before: [], replies: 0 },
  { before: [['HELLO', '3']], replies: 1 },
  { before: [['MULTI']], replies: 1 },
  { before: [['SUBSCRIBE', 'c1', '']], replies: 0 },
  {
    before: [
      ['HELLO', '3'],
      ['SUBSCRIBE', 'c1'],
      ['PSUBSCRIBE', '*'],
    ],
    replies: 1,
  },
  {
    before: [
      ['SELECT', '3'],
      ['WATCH', 'k1', 's1'],
      ['CLIENT', 'TRACKING', 'ON'],
    ],
    replies: 3,
  },
  { before: [['CLIENT', 'NO-EVICT', 'ON'], ['MULTI'], ['SET', 'k1', '1']], replies: 3 },
]

function isPush(frame: string): boolean {
  return frame.startsWith('>') || /^\*[34]\r\n\$\d+\r\n(p|s)?(message|subscribe)\r\n/.test(frame)
}

/** Commands of one client, its QUIT behind them: how many replies came, and how many should have. */
async function session(
  random: Random,
  table: CommandTable,
): Promise<{ came: number; due: number; commands: string[][] }> {
  const grammar = new HostileCommands(random, table)
  const commands = Array.from({ length: PIPELINE }, () => grammar.next())
  const state = random.pick(states)
  const wire = await Wire.connect(victim.port)
  const bytes = encodeAll([...state.before, ...commands, ['QUIT']])
  for (let at = 0; at < bytes.length;) {
    const size = random.chance(0.5) ? bytes.length : 1 + random.below(200)
    wire.send(bytes.subarray(at, at + size))
    at += size
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
  }
  await wire.closed().catch(async (error: Error) => {
    // Whoever waits without an end is told with the command that it waits in.
    const clients = await (await Wire.connect(victim.port)).ask('CLIENT', 'LIST')
    throw new Error(`${error.message}\n${clients}\n${shown(commands)}`, { cause: error })
  })
  const came = wire.arrived().filter((frame) => !isPush(frame)).length
  return { came, due: state.replies + PIPELINE + 1, commands }
}

function shown(commands: readonly (readonly string[])[]): string {
  return commands.map((args) => JSON.stringify(args).slice(0, 200)).join('\n')
}

const rounds = Math.ceil((RUNS * 80) / PIPELINE / 4)

it(
  `hostile commands: answers ${rounds * 4 * PIPELINE} commands, each once (seed ${seed})`,
  { timeout: 60_000 + RUNS * 100 },
  async () => {
    const table = new CommandTable()
    let slowest = 0
    let warm = 0
    for (let round = 0; round < rounds; round++) {
      const sessions = Array.from({ length: 4 }, (_, i) => session(new Random(seed + round * 4 + i), table))
      const started = performance.now()
      const good = await Wire.connect(victim.port)
      expect(await good.ask('PING'), `round ${round} of seed ${seed}`).toBe('+PONG\r\n')
      slowest = Math.max(slowest, performance.now() - started)
      for (const [i, { came, due, commands }] of (await Promise.all(sessions)).entries()) {
        const told = `session ${round * 4 + i} of seed ${seed}: ${came} replies for ${due}\n${victim.failure}`
        if (came !== due) expect.fail(`${told}\n${shown(commands)}`)
      }
      if (round % 10 === 9) {
        good.send(
          encodeAll([
            ['FLUSHALL'],
            ['CONFIG', 'SET', 'maxmemory', '0'],
            ['ACL', 'DELUSER', 'u1', 'u2', '', 'a b'],
            ['FUNCTION', 'FLUSH'],
          ]),
        )
        await good.take(4)
        const { usedBytes } = await victim.memory()
        if (warm === 0) warm = usedBytes
        expect(usedBytes - warm, `growth after round ${round} of seed ${seed}`).toBeLessThan(24 * MIB)
      }
      good.destroy()
    }
    expect(victim.failure).toBe('')
    expect(slowest).toBeLessThan(HANG_MS)
  },
)

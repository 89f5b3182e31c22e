/**
 * Random commands about keys and strings against a real redis-server 7.0.15: the same replies, and the same keyspace events.
 *
 * MILLRACE_RUNS sets how many (10 commands for each run, 20,000 of them by default), MILLRACE_SEED repeats a run.
 */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { firstDifference, PIPELINE, report, shrink, type HistoryOptions } from '../differential.ts'
import { KeyGrammar } from '../differential-key-grammar.ts'
import { Random, seedOfRun } from '../differential-random.ts'
import { encodeAll, Wire } from '../differential-wire.ts'
import { Server } from '../server.ts'

const COMMANDS = Number(process.env['MILLRACE_RUNS'] ?? 2000) * 10
const ROUND = 2000
const MS_A_COMMAND = 2
const seed = seedOfRun()

let redis: RedisServer
let ours: Server
beforeAll(async () => {
  ;[redis, ours] = await Promise.all([startRedis(), Server.start({ port: 0 })])
})
afterAll(async () => {
  await Promise.all([redis?.stop(), ours?.close()])
})

function round(number: number): (readonly string[])[] {
  const grammar = new KeyGrammar(new Random(seed + number))
  return Array.from({ length: ROUND }, () => grammar.next())
}

const timeout = 60_000 + COMMANDS * MS_A_COMMAND

it(`answers ${COMMANDS} commands about keys as redis-server does (seed ${seed})`, { timeout }, async () => {
  const ports = { ours: ours.port, theirs: redis.port }
  for (let number = 0; number * ROUND < COMMANDS; number++) {
    const protocol = number % 2 === 0 ? 2 : 3
    const options: HistoryOptions = { protocol, nodeEntriesMax: 100, nodeBytesMax: 4096 }
    const commands = round(number)
    const first = await firstDifference(ports, options, commands)
    if (first === undefined) continue
    const title = `seed ${seed}, round ${number}, RESP${protocol}`
    const fewer = await shrink(ports, options, commands)
    const again = await firstDifference(ports, options, fewer)
    if (again !== undefined) expect.fail(report(title, fewer, again))
    // One that the time of day or the load brought is to be seen as well.
    expect.fail(report(`${title}, command ${first.index}, only once`, [first.args], first))
  }
})

/** Events of all commands of a history, in order; those of a pipeline are in before its last reply is read. */
async function eventsOf(port: number, commands: readonly (readonly string[])[]): Promise<string[]> {
  const [sender, listener] = await Promise.all([Wire.connect(port), Wire.connect(port)])
  const setting = ['CONFIG', 'SET', 'notify-keyspace-events', 'KEA$mn']
  sender.send(encodeAll([['SELECT', '0'], ['FLUSHALL'], setting]))
  await sender.take(3)
  listener.send(encodeAll([['PSUBSCRIBE', '__key*__:*']]))
  await listener.take(1)
  for (let at = 0; at < commands.length; at += PIPELINE) {
    const some = commands.slice(at, at + PIPELINE)
    sender.send(encodeAll(some))
    await sender.take(some.length)
  }
  sender.send(encodeAll([['PUBLISH', '__key@end__:', 'end']]))
  const events: string[] = []
  while (events.at(-1)?.includes('__key@end__:') !== true) events.push(...(await listener.take(1)))
  sender.destroy()
  listener.destroy()
  return events
}

it(`tells the keyspace events that redis-server tells (seed ${seed})`, { timeout }, async () => {
  for (let number = 0; number * ROUND < COMMANDS / 4; number++) {
    const commands = round(-1 - number)
    const [mine, other] = await Promise.all([eventsOf(ours.port, commands), eventsOf(redis.port, commands)])
    expect(other.length).toBeGreaterThan(ROUND / 4)
    const at = other.findIndex((event, i) => event !== mine[i])
    expect(mine.slice(at < 0 ? mine.length : at, at + 3), `from event ${at} on`).toEqual(
      at < 0 ? [] : other.slice(at, at + 3),
    )
    expect(mine.length).toBe(other.length)
  }
})

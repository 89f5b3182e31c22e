import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'
import { HandClock } from '../testing/hand-clock.ts'

// redis.io/docs/latest/commands/xadd (IDMP, IDMPAUTO), /xcfgset (8.6, #14615) and XIDMPRECORD (8.6.2, #14794).
let talk: Talk
const clock = new HandClock()

beforeEach(async () => {
  talk = await Talk.start({ env: clock })
})
afterEach(async () => await talk.end())

async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

it('appends an entry once for each ID of a producer, and answers its first ID', async () => {
  const [first, again, otherIid, otherProducer] = await replies(
    'XADD s IDMP p 1 * a b',
    'XADD s IDMP p 1 * c d',
    'XADD s IDMP p 2 * a b',
    'XADD s idmp q 1 * a b',
  )
  expect(again).toBe(first)
  expect(new Set([first, otherIid, otherProducer]).size).toBe(3)
  expect(await replies('XLEN s', 'XINFO STREAM s')).toEqual([
    ':3',
    expect.stringContaining('$12 pids-tracked :2 $12 iids-tracked :3 $10 iids-added :3 $15 iids-duplicates :1'),
  ])
})

it('answers the ID of an entry that was deleted since', async () => {
  const [first] = await replies('XADD s IDMP p 1 * a b')
  const id = first!.split(' ')[1]!
  expect(await replies(`XDEL s ${id}`, 'XADD s IDMP p 1 * a b', 'XLEN s')).toEqual([':1', first, ':0'])
})

it('knows the same fields in another order with IDMPAUTO', async () => {
  const [first, again, other] = await replies(
    'XADD s IDMPAUTO p * a 1 b 2',
    'XADD s IDMPAUTO p * b 2 a 1',
    'XADD s IDMPAUTO p * a 2 b 1',
  )
  expect(again).toBe(first)
  expect(other).not.toBe(first)
})

it('trims nothing for an entry that was there', async () => {
  await replies('XADD s * a b', 'XADD s IDMP p 1 * a b')
  const [, length] = await replies('XADD s IDMP p 1 MAXLEN 1 * a b', 'XLEN s', 'XADD s MAXLEN 1 IDMP p 2 * a b')
  expect(length).toBe(':2')
  expect(await talk.ask('XLEN s')).toBe(':1')
})

it('forgets IDs when their time is over', async () => {
  const [first] = await replies('XADD s IDMP p 1 * a b')
  clock.advance(100_001)
  expect(await talk.ask('XADD s IDMP p 1 * a b')).not.toBe(first)
})

it('forgets IDs when their time is over in streams that nobody looks at, some at each swing of its clock', async () => {
  await replies(...Array.from({ length: 500 }, (_, i) => `XADD s${i} IDMP p 1 * a b`))
  const database = talk.server.state.databases.at(0)
  clock.advance(99_900)
  expect(database.idempotentKeys.size).toBe(500)
  // Each look at the clock now takes as long as a swing may: 200 streams, and no more.
  clock.stepMs = 5
  clock.advance(100)
  clock.stepMs = 0
  expect(database.idempotentKeys.size).toBe(300)
  clock.advance(200)
  expect(database.idempotentKeys.size).toBe(0)
})

it('appends nothing where there is no stream with NOMKSTREAM', async () => {
  expect(await replies('XADD s NOMKSTREAM IDMP p 1 * a b', 'EXISTS s')).toEqual(['$-1', ':0'])
})

it('says what is wrong with an idempotent append', async () => {
  const twice = '-ERR syntax error, IDMP/IDMPAUTO specified multiple times'
  const auto = '-ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs'
  expect(
    await replies('XADD s IDMP p 1 IDMPAUTO p * a b', 'XADD s IDMP p 1 5-5 a b', 'XADD s IDMPAUTO p 5-* a b'),
  ).toEqual([twice, auto, auto])
  expect(await talk.ask(['XADD', 's', 'IDMPAUTO', '', '*', 'a', 'b'])).toBe(
    '-ERR syntax error, IDMPAUTO requires a non-empty producer ID',
  )
  expect(await talk.ask(['XADD', 's', 'IDMP', '', '1', '*', 'a', 'b'])).toBe(
    '-ERR syntax error, IDMP requires a non-empty producer ID',
  )
  expect(await talk.ask(['XADD', 's', 'IDMP', 'p', '', '*', 'a', 'b'])).toBe(
    '-ERR syntax error, IDMP requires a non-empty idempotent ID',
  )
})

it('sets how many IDs are remembered, and forgets all when that changes', async () => {
  await replies('XADD s IDMP p 1 * a b')
  expect(
    await replies(
      'XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 100',
      'XADD s IDMP p 1 * a b',
      'XLEN s',
      'XCFGSET s idmp-maxsize 1',
      'XADD s IDMP p 1 * a b',
      'XADD s IDMP p 2 * a b',
      'XADD s IDMP p 1 * a b',
      'XLEN s',
    ),
  ).toEqual(['+OK', expect.any(String), ':1', '+OK', expect.any(String), expect.any(String), expect.any(String), ':4'])
  expect(await talk.ask('XINFO STREAM s')).toContain('$13 idmp-duration :100 $12 idmp-maxsize :1')
})

it('says what is wrong with the settings', async () => {
  await replies('XADD s 1-1 a b')
  const duration = '-ERR IDMP-DURATION must be between 1 and 86400 seconds'
  const size = '-ERR IDMP-MAXSIZE must be between 1 and 10000 entries'
  expect(
    await replies(
      'XCFGSET s',
      'XCFGSET s IDMP-DURATION 0',
      'XCFGSET s IDMP-DURATION 86401',
      'XCFGSET s IDMP-MAXSIZE 0',
      'XCFGSET s IDMP-MAXSIZE 10001',
      'XCFGSET s IDMP-MAXSIZE 1 IDMP-MAXSIZE 1',
      'XCFGSET s IDMP-DURATION 1 IDMP-DURATION 1',
      'XCFGSET s JUNK 1',
      'XCFGSET none IDMP-DURATION 1',
    ),
  ).toEqual([
    '-ERR At least one parameter must be specified',
    duration,
    duration,
    size,
    size,
    '-ERR IDMP-MAXSIZE specified multiple times',
    '-ERR IDMP-DURATION specified multiple times',
    '-ERR syntax error',
    '-ERR no such key',
  ])
})

it('restores the ID of a producer', async () => {
  const id = `${clock.nowMs()}-1`
  await replies(`XADD s ${id} a b`, `XADD s ${clock.nowMs()}-2 a b`)
  expect(
    await replies(
      `XIDMPRECORD s p 1 ${id}`,
      `XIDMPRECORD s p 1 ${id}`,
      'XADD s IDMP p 1 * a b',
      `XIDMPRECORD s p 1 ${clock.nowMs()}-2`,
      'XIDMPRECORD s p 2 5-5',
      `XIDMPRECORD none p 2 ${id}`,
    ),
  ).toEqual([
    '+OK',
    '+OK',
    `$15 ${id}`,
    '-ERR IID already exists for this producer with a different stream ID',
    '-ERR No such message in stream',
    '-ERR no such key',
  ])
  expect(await talk.ask(['XIDMPRECORD', 's', '', '1', id])).toBe('-ERR producer ID must be non-empty')
  expect(await talk.ask(['XIDMPRECORD', 's', 'p', '', id])).toBe('-ERR idempotent ID must be non-empty')
})

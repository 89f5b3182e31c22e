import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'
import { HandClock } from '../testing/hand-clock.ts'

let talk: Talk
const clock = new HandClock()

beforeEach(async () => {
  talk = await Talk.start({ env: clock })
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b', 'XGROUP CREATE s g 0')
  await replies('XREADGROUP GROUP g x COUNT 2 STREAMS s >', 'XREADGROUP GROUP g y STREAMS s >')
  clock.advance(1000)
})
afterEach(async () => await talk.end())

async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

const entry = (id: string): string => `*2 $${id.length} ${id} *2 $1 a $1 b`
const badId = '-ERR Invalid stream ID specified as stream command argument'
const notInteger = '-ERR value is not an integer or out of range'
const noGroup = (key: string, group: string): string => `-NOGROUP No such key '${key}' or consumer group '${group}'`

it('acknowledges each pending entry once, all or none when an ID is bad', async () => {
  const top = '18446744073709551615-18446744073709551615'
  expect(
    await replies(
      'XACK s g 1-1 x',
      'XACK s g 2-1 2-1 9-9 1-1',
      'XACK s g 1-1',
      `XACK s g ${top} 3`,
      'XACK s g 3-1',
      'XACK s none x',
      'XACK none g x',
    ),
  ).toEqual([badId, ':2', ':0', ':0', ':1', ':0', ':0'])
})

it('sums up what is pending', async () => {
  expect(await replies('XPENDING s g', 'XACK s g 1-1 2-1', 'XPENDING s g', 'XACK s g 3-1', 'XPENDING s g')).toEqual([
    '*4 :3 $3 1-1 $3 3-1 *2 *2 $1 x $1 2 *2 $1 y $1 1',
    ':2',
    '*4 :1 $3 3-1 $3 3-1 *1 *2 $1 y $1 1',
    ':1',
    '*4 :0 $-1 $-1 *-1',
  ])
  const modern = await talk.another(3)
  expect(await modern.ask('XPENDING s g')).toBe('*4 :0 _ _ _')
})

it('lists what is pending, of a range, a consumer, an idle time', async () => {
  expect(
    await replies(
      'XPENDING s g - + 10',
      'XPENDING s g IDLE 1001 - + 10',
      'XPENDING s g idle 1000 (1-1 + 1',
      'XPENDING s g - + 10 y',
      'XPENDING s g - + 10 nobody',
      'XPENDING s g - + -5',
      'XPENDING s g - + 10 y junk',
    ),
  ).toEqual([
    '*3 *4 $3 1-1 $1 x :1000 :1 *4 $3 2-1 $1 x :1000 :1 *4 $3 3-1 $1 y :1000 :1',
    '*0',
    '*1 *4 $3 2-1 $1 x :1000 :1',
    '*1 *4 $3 3-1 $1 y :1000 :1',
    '*0',
    '*0',
    '*1 *4 $3 3-1 $1 y :1000 :1',
  ])
})

it('says what is wrong with a look at what is pending', async () => {
  expect(
    await replies(
      'XPENDING s g -',
      'XPENDING s g - + x',
      'XPENDING s g x + 1',
      'XPENDING s g IDLE x - +',
      'XPENDING s g IDLE 1 - +',
      'XPENDING s none',
      'XPENDING none g - + 1',
      'XPENDING s g (18446744073709551615-18446744073709551615 + 1',
    ),
  ).toEqual([
    '-ERR syntax error',
    notInteger,
    badId,
    notInteger,
    '-ERR syntax error',
    noGroup('s', 'none'),
    noGroup('none', 'g'),
    '-ERR invalid start ID for the interval',
  ])
})

it('claims for another consumer what has been idle for long enough', async () => {
  expect(
    await replies(
      'XCLAIM s g y 1001 1-1',
      'XCLAIM s g y 1000 1-1 9-9',
      'XPENDING s g 1-1 1-1 1',
      'XCLAIM s g z 0 2-1 JUSTID',
      'XPENDING s g 2-1 2-1 1',
    ),
  ).toEqual(['*0', `*1 ${entry('1-1')}`, '*1 *4 $3 1-1 $1 y :0 :2', '*1 $3 2-1', '*1 *4 $3 2-1 $1 z :0 :1'])
})

it('claims with an idle time, a time and a count of the caller', async () => {
  const past = clock.nowMs() - 5000
  await replies(
    'XCLAIM s g x 0 1-1 IDLE 700 RETRYCOUNT 7',
    `XCLAIM s g x 0 2-1 TIME ${past}`,
    `XCLAIM s g x 0 3-1 TIME ${past + 10_000} RETRYCOUNT -1`,
  )
  expect(await talk.ask('XPENDING s g - + 10')).toBe(
    '*3 *4 $3 1-1 $1 x :700 :7 *4 $3 2-1 $1 x :5000 :2 *4 $3 3-1 $1 x :0 :2',
  )
})

it('claims with FORCE what is not pending, drops what is gone, and moves the group with LASTID', async () => {
  await replies('XADD s 4-1 a b', 'XDEL s 2-1')
  expect(
    await replies(
      'XCLAIM s g x 0 4-1',
      'XCLAIM s g x 0 4-1 5-1 FORCE',
      'XCLAIM s g x 0 2-1',
      'XPENDING s g',
      'XCLAIM s g new 0 9-9 LASTID 4-1',
      'XREADGROUP GROUP g x STREAMS s >',
    ),
  ).toEqual(['*0', `*1 ${entry('4-1')}`, '*0', '*4 :3 $3 1-1 $3 4-1 *2 *2 $1 x $1 2 *2 $1 y $1 1', '*0', '*-1'])
  expect(await talk.ask('XINFO CONSUMERS s g')).toContain('$4 name $3 new')
})

it('says what is wrong with a claim', async () => {
  expect(
    await replies(
      'XCLAIM s none x x 1-1',
      'XCLAIM s g x x 1-1',
      'XCLAIM s g x 0 1-1 IDLE x',
      'XCLAIM s g x 0 1-1 TIME x',
      'XCLAIM s g x 0 1-1 RETRYCOUNT x',
      'XCLAIM s g x 0 1-1 LASTID x',
      'XCLAIM s g x 0 1-1 x 2-1',
      'XCLAIM s g x 0 1-1 IDLE',
      'XCLAIM s g x -5 JUSTID',
    ),
  ).toEqual([
    noGroup('s', 'none'),
    '-ERR Invalid min-idle-time argument for XCLAIM',
    '-ERR Invalid IDLE option argument for XCLAIM',
    '-ERR Invalid TIME option argument for XCLAIM',
    '-ERR Invalid RETRYCOUNT option argument for XCLAIM',
    badId,
    "-ERR Unrecognized XCLAIM option 'x'",
    "-ERR Unrecognized XCLAIM option 'IDLE'",
    '*0',
  ])
})

it('claims a page at a time, and says where to go on and what is gone', async () => {
  await replies('XDEL s 2-1')
  expect(
    await replies(
      'XAUTOCLAIM s g z 1000 - COUNT 1',
      'XAUTOCLAIM s g z 1000 2-1 COUNT 5 JUSTID',
      'XAUTOCLAIM s g z 1 (3-1',
      'XPENDING s g',
    ),
  ).toEqual([
    `*3 $3 2-1 *1 ${entry('1-1')} *0`,
    '*3 $3 0-0 *1 $3 3-1 *1 $3 2-1',
    '*3 $3 0-0 *0 *0',
    '*4 :2 $3 1-1 $3 3-1 *1 *2 $1 z $1 2',
  ])
})

it('says what is wrong with a claim of a page', async () => {
  const count = '-ERR COUNT must be > 0'
  expect(
    await replies(
      'XAUTOCLAIM s none x x -',
      'XAUTOCLAIM s none x 0 x',
      'XAUTOCLAIM s none x 0 - JUNK',
      'XAUTOCLAIM s none x 0 -',
      'XAUTOCLAIM s g x 0 - COUNT 0',
      'XAUTOCLAIM s g x 0 - COUNT x',
      'XAUTOCLAIM s g x 0 - COUNT 576460752303423488',
      'XAUTOCLAIM s g x 0 - COUNT 576460752303423487',
      'XAUTOCLAIM s g x 0 - COUNT',
    ),
  ).toEqual([
    '-ERR Invalid min-idle-time argument for XAUTOCLAIM',
    badId,
    '-ERR syntax error',
    noGroup('s', 'none'),
    count,
    count,
    count,
    '-ERR Insufficient memory, failed allocating transient memory, COUNT too high.',
    '-ERR syntax error',
  ])
})

// XNACK: redis.io/docs/latest/commands/xnack (8.8, #14797).
it('gives entries back to the group, which then are nobody’s', async () => {
  expect(
    await replies(
      'XNACK s g FAIL IDS 2 2-1 9-9',
      'XPENDING s g',
      'XPENDING s g IDLE 5000 - + 10',
      'XCLAIM s g y 100000 2-1 JUSTID',
    ),
  ).toEqual([':1', '*4 :3 $3 1-1 $3 3-1 *2 *2 $1 x $1 1 *2 $1 y $1 1', '*1 *4 $3 2-1 $0  :-1 :1', '*1 $3 2-1'])
})

it('counts deliveries as the mode of a give-back says', async () => {
  await replies(
    'XNACK s g SILENT IDS 1 1-1',
    'XNACK s g fatal IDS 1 2-1',
    'XNACK s g FAIL RETRYCOUNT 7 IDS 1 3-1',
    'XADD s 4-1 a b',
  )
  expect(
    await replies(
      'XNACK s g FAIL IDS 2 4-1 5-1 FORCE',
      'XPENDING s g - + 10',
      'XREADGROUP GROUP g z CLAIM 0 COUNT 1 STREAMS s >',
      'XGROUP DELCONSUMER s g x',
      'XPENDING s g',
    ),
  ).toEqual([
    ':1',
    '*4 *4 $3 1-1 $0  :-1 :0 *4 $3 2-1 $0  :-1 :9223372036854775807 *4 $3 3-1 $0  :-1 :7 *4 $3 4-1 $0  :-1 :0',
    `*1 *2 $1 s *1 *4 $3 1-1 *2 $1 a $1 b :${clock.nowMs()} :0`,
    ':0',
    '*4 :4 $3 1-1 $3 4-1 *1 *2 $1 z $1 1',
  ])
})

it('says what is wrong with a give-back', async () => {
  expect(
    await replies(
      'XNACK s none FAIL IDS 1 1-1',
      'XNACK s g SOFT IDS 1 1-1',
      'XNACK s g FAIL IDS 0 1-1',
      'XNACK s g FAIL IDS 2 1-1',
      'XNACK s g FAIL IDS 1 1-1 RETRYCOUNT -1',
      'XNACK s g FAIL IDS 1 1-1 JUNK',
      'XNACK s g FAIL FORCE RETRYCOUNT 1',
      'XNACK s g FAIL IDS 1 x',
    ),
  ).toEqual([
    noGroup('s', 'none'),
    '-ERR mode must be SILENT, FAIL, or FATAL',
    '-ERR numids must be a positive integer',
    "-ERR number of IDs doesn't match numids",
    '-ERR Invalid RETRYCOUNT value, must be >= 0',
    "-ERR Unrecognized XNACK option 'JUNK'",
    '-ERR syntax error, expected IDS keyword',
    badId,
  ])
})

import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'
import { HandClock } from '../testing/hand-clock.ts'

let talk: Talk
let other: Talk
const clock = new HandClock()

beforeEach(async () => {
  talk = await Talk.start({ env: clock })
  other = await talk.another()
})
afterEach(async () => await talk.end())

async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

/** Sends a command that waits; resolves when it does. */
async function wait(reader: Talk, command: string): Promise<void> {
  const { blockedClients } = talk.server.state
  const before = blockedClients.size
  reader.say(command)
  while (blockedClients.size === before) await talk.ask('PING')
}

const entry = (id: string, value = 'b'): string => `*2 $${id.length} ${id} *2 $1 a $1 ${value}`
const noGroup = (key: string, group: string): string =>
  `-NOGROUP No such key '${key}' or consumer group '${group}' in XREADGROUP with GROUP option`

it('tells the entries above an ID of each stream that has some', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD t 1-1 a b')
  expect(
    await replies(
      'XREAD STREAMS s t none 1-1 1-1 0',
      'XREAD COUNT 1 STREAMS s t 0 0',
      'XREAD STREAMS s 2-1',
      'XREAD COUNT 0 STREAMS s s 0 1',
    ),
  ).toEqual([
    `*1 *2 $1 s *1 ${entry('2-1')}`,
    `*2 *2 $1 s *1 ${entry('1-1')} *2 $1 t *1 ${entry('1-1')}`,
    '*-1',
    `*2 *2 $1 s *2 ${entry('1-1')} ${entry('2-1')} *2 $1 s *2 ${entry('1-1')} ${entry('2-1')}`,
  ])
})

it('tells streams as a map in RESP3', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 0')
  const modern = await talk.another(3)
  expect(await modern.ask('XREAD STREAMS s none 0 0')).toBe(`%1 $1 s *1 ${entry('1-1')}`)
  expect(await modern.ask('XREADGROUP GROUP g c STREAMS s >')).toBe(`%1 $1 s *1 ${entry('1-1')}`)
  expect(await modern.ask('XREADGROUP GROUP g c STREAMS s >')).toBe('_')
  expect(await modern.ask('XDEL s 1-1')).toBe(':1')
  expect(await modern.ask('XREADGROUP GROUP g c STREAMS s 0')).toBe('%1 $1 s *1 *2 $3 1-1 _')
  expect(await modern.ask('XREAD STREAMS s $')).toBe('_')
})

// redis.io/docs/latest/commands/xread, #13117 (7.4).
it('tells the last entry with +, whatever the count', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b', 'XDEL s 3-1')
  expect(await replies('XREAD COUNT 5 STREAMS s none + +', 'XREAD STREAMS none +')).toEqual([
    `*1 *2 $1 s *1 ${entry('2-1')}`,
    '*-1',
  ])
})

it('says what is wrong with a read', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 0', 'SET text x')
  expect(
    await replies(
      'XREAD STREAMS s t 0',
      'XREADGROUP GROUP g c STREAMS s t >',
      'XREAD STREAMS s >',
      'XREAD STREAMS s -',
      'XREAD GROUP g c STREAMS s 0',
      'XREAD NOACK STREAMS s 0',
      'XREAD COUNT x STREAMS s 0',
      'XREAD BLOCK x STREAMS s 0',
      'XREAD BLOCK -1 STREAMS s 0',
      'XREAD COUNT 1 BLOCK 1',
      'XREAD STREAMS text 0',
      'XREADGROUP COUNT 1 NOACK STREAMS s s > >',
      'XREADGROUP GROUP g c STREAMS s $',
      'XREADGROUP GROUP none c STREAMS s >',
      'XREADGROUP GROUP g c STREAMS none >',
    ),
  ).toEqual([
    "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
    "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
    '-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
    '-ERR Invalid stream ID specified as stream command argument',
    '-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.',
    '-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.',
    '-ERR value is not an integer or out of range',
    '-ERR timeout is not an integer or out of range',
    '-ERR timeout is negative',
    '-ERR syntax error',
    '-WRONGTYPE Operation against a key holding the wrong kind of value',
    '-ERR Missing GROUP option for XREADGROUP',
    '-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.',
    noGroup('s', 'none'),
    noGroup('none', 'g'),
  ])
})

it('names the sign that is no ID of a history without what follows its NUL', async () => {
  await replies('XGROUP CREATE s g $ MKSTREAM')
  for (const sign of ['$', '+']) {
    const read = ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's']
    expect(await talk.ask([...read, `${sign}\0x`])).toBe(await talk.ask([...read, sign]))
  }
})

it('gives each entry to one consumer of a group, and tells again what it has pending', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b', 'XGROUP CREATE s g 0')
  expect(
    await replies(
      'XREADGROUP GROUP g x COUNT 2 STREAMS s >',
      'XREADGROUP GROUP g y STREAMS s >',
      'XREADGROUP GROUP g y STREAMS s >',
      'XREADGROUP GROUP g x STREAMS s 1-1',
      'XREADGROUP GROUP g z BLOCK 0 STREAMS s 0',
      'XDEL s 2-1',
      'XREADGROUP GROUP g x STREAMS s 0',
    ),
  ).toEqual([
    `*1 *2 $1 s *2 ${entry('1-1')} ${entry('2-1')}`,
    `*1 *2 $1 s *1 ${entry('3-1')}`,
    '*-1',
    `*1 *2 $1 s *1 ${entry('2-1')}`,
    '*1 *2 $1 s *0',
    ':1',
    `*1 *2 $1 s *2 ${entry('1-1')} *2 $3 2-1 *-1`,
  ])
})

it('leaves nothing pending with NOACK', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 0')
  expect(await replies('XREADGROUP GROUP g x NOACK STREAMS s >', 'XPENDING s g')).toEqual([
    `*1 *2 $1 s *1 ${entry('1-1')}`,
    '*4 :0 $-1 $-1 *-1',
  ])
})

// Redis's source since 7.2: the consumer is created before anything is read.
it('creates the consumer though nothing is there to be read', async () => {
  await replies('XGROUP CREATE s g $ MKSTREAM', 'XREADGROUP GROUP g x STREAMS s >')
  expect(await talk.ask('XINFO CONSUMERS s g')).toContain('$4 name $1 x')
})

it('serves those who wait for a new entry: all readers, but one of a group', async () => {
  await replies('XGROUP CREATE s g $ MKSTREAM')
  const second = await talk.another()
  const third = await talk.another()
  await wait(other, 'XREAD BLOCK 0 STREAMS s $')
  await wait(second, 'XREADGROUP GROUP g x BLOCK 0 STREAMS s >')
  await wait(third, 'XREADGROUP GROUP g y BLOCK 0 STREAMS s >')
  expect(await replies('XADD s 1-1 a b', 'XADD s 2-1 a b')).toEqual(['$3 1-1', '$3 2-1'])
  expect(await other.hear(1)).toEqual([`*1 *2 $1 s *1 ${entry('1-1')}`])
  expect(await second.hear(1)).toEqual([`*1 *2 $1 s *1 ${entry('1-1')}`])
  expect(await third.hear(1)).toEqual([`*1 *2 $1 s *1 ${entry('2-1')}`])
})

it('ends a wait with null when its time is over', async () => {
  await wait(other, 'XREAD BLOCK 100 STREAMS s $')
  clock.advance(101)
  expect(await other.hear(1)).toEqual(['*-1'])
})

it('answers null at once in a transaction', async () => {
  expect(await replies('MULTI', 'XREAD BLOCK 0 STREAMS s $', 'EXEC')).toEqual(['+OK', '+QUEUED', '*1 *-1'])
})

it('ends the wait of a group reader whose key or group goes, and not that of a plain reader', async () => {
  await replies('XGROUP CREATE s g $ MKSTREAM', 'XGROUP CREATE t g $ MKSTREAM')
  const plain = await talk.another()
  await wait(plain, 'XREAD BLOCK 0 STREAMS s t $ $')
  await wait(other, 'XREADGROUP GROUP g x BLOCK 0 STREAMS s >')
  await replies('DEL s')
  expect(await other.hear(1)).toEqual([noGroup('s', 'g')])
  await wait(other, 'XREADGROUP GROUP g x BLOCK 0 STREAMS t >')
  await replies('XGROUP DESTROY t g', 'SET s x', 'XADD t 1-1 a b')
  expect(await other.hear(1)).toEqual([noGroup('t', 'g')])
  expect(await plain.hear(1)).toEqual([`*1 *2 $1 t *1 ${entry('1-1')}`])
})

it('ends the wait of a group reader whose key becomes a string', async () => {
  await replies('XGROUP CREATE s g $ MKSTREAM')
  await wait(other, 'XREADGROUP GROUP g x BLOCK 0 STREAMS s >')
  await replies('SET s x')
  expect((await other.hear(1))[0]).toMatch(/^-(WRONGTYPE|NOGROUP) /)
})

// redis.io/docs/latest/commands/xreadgroup, CLAIM (8.4, #14402; integers: #14524).
it('claims with CLAIM what has been pending too long before it reads new entries', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b', 'XGROUP CREATE s g 0')
  await replies('XREADGROUP GROUP g x COUNT 2 STREAMS s >')
  clock.advance(500)
  const claimed = (id: string, idle: number, count: number): string => `*4 $3 ${id} *2 $1 a $1 b :${idle} :${count}`
  expect(
    await replies(
      'XREADGROUP GROUP g y CLAIM 501 STREAMS s 0',
      'XREADGROUP GROUP g y CLAIM 500 STREAMS s >',
      'XPENDING s g',
      'XREADGROUP GROUP g y CLAIM 500 STREAMS s >',
    ),
  ).toEqual([
    '*1 *2 $1 s *0',
    `*1 *2 $1 s *3 ${claimed('1-1', 500, 1)} ${claimed('2-1', 500, 1)} ${claimed('3-1', 0, 0)}`,
    '*4 :3 $3 1-1 $3 3-1 *1 *2 $1 y $1 3',
    '*-1',
  ])
})

it('wakes who waits with CLAIM when an entry becomes old enough, and when one is given back', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 0', 'XREADGROUP GROUP g x STREAMS s >')
  await wait(other, 'XREADGROUP GROUP g y BLOCK 0 CLAIM 1000 STREAMS s >')
  clock.advance(1000)
  expect(await other.hear(1)).toEqual(['*1 *2 $1 s *1 *4 $3 1-1 *2 $1 a $1 b :1000 :1'])
  await wait(other, 'XREADGROUP GROUP g z BLOCK 0 CLAIM 1000 STREAMS s >')
  // #14797 (8.8)
  expect(await talk.ask('XNACK s g FAIL IDS 1 1-1')).toBe(':1')
  expect((await other.hear(1))[0]).toMatch(/^\*1 \*2 \$1 s \*1 \*4 \$3 1-1 \*2 \$1 a \$1 b :\d+ :2$/)
})

it('says what is wrong with CLAIM', async () => {
  await replies('XGROUP CREATE s g 0 MKSTREAM')
  expect(
    await replies(
      'XREADGROUP GROUP g x CLAIM x STREAMS s >',
      'XREADGROUP GROUP g x CLAIM -1 STREAMS s >',
      'XREAD CLAIM 1 STREAMS s 0',
    ),
  ).toEqual([
    '-ERR min-idle-time is not an integer or out of range',
    '-ERR min-idle-time must be a positive integer',
    '-ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.',
  ])
})

// redis.io/docs/latest/commands/xread, MAXCOUNT and MAXSIZE (8.10, #15282).
it('reads at most MAXCOUNT entries of all streams', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD t 1-1 a b', 'XADD t 2-1 a b', 'XGROUP CREATE s g 0')
  expect(
    await replies(
      'XREAD MAXCOUNT 3 STREAMS s t 0 0',
      'XREAD COUNT 1 MAXCOUNT 1 STREAMS s t 0 0',
      'XREADGROUP GROUP g x MAXCOUNT 1 STREAMS s >',
      'XPENDING s g',
    ),
  ).toEqual([
    `*2 *2 $1 s *2 ${entry('1-1')} ${entry('2-1')} *2 $1 t *1 ${entry('1-1')}`,
    `*1 *2 $1 s *1 ${entry('1-1')}`,
    `*1 *2 $1 s *1 ${entry('1-1')}`,
    '*4 :1 $3 1-1 $3 1-1 *1 *2 $1 x $1 1',
  ])
})

it('reads no further entry once the reply has MAXSIZE bytes, but always one', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b', 'XGROUP CREATE s g 0')
  expect(
    await replies(
      'XREAD MAXSIZE 1 STREAMS s 0',
      'XREAD MAXSIZE 60 STREAMS s 0',
      'XREADGROUP GROUP g x MAXSIZE 1 STREAMS s >',
      'XPENDING s g',
    ),
  ).toEqual([
    `*1 *2 $1 s *1 ${entry('1-1')}`,
    `*1 *2 $1 s *2 ${entry('1-1')} ${entry('2-1')}`,
    `*1 *2 $1 s *1 ${entry('1-1')}`,
    '*4 :1 $3 1-1 $3 1-1 *1 *2 $1 x $1 1',
  ])
})

it('counts for MAXSIZE each byte of what is told, with CLAIM its two numbers, too', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XGROUP CREATE s g 0', 'XGROUP CREATE s h 0')
  const plain = `*2 $1 s *1 ${entry('1-1')}`
  const claimed = `*2 $1 s *1 *4 $3 1-1 *2 $1 a $1 b :0 :0`
  const bytes = (text: string): number => text.length + text.split(' ').length + 1
  await replies(
    `XADD t 18446744073709551615-1 ${'n'.repeat(100)} ${'v'.repeat(1000)} ${'m'.repeat(9)} w`,
    'XADD u 1-1 a b',
  )
  const long = (await talk.ask('XREAD STREAMS t 0')).slice('*1 '.length)
  expect(
    await replies(`XREAD MAXSIZE ${bytes(long)} STREAMS t u 0 0`, `XREAD MAXSIZE ${bytes(long) + 1} STREAMS t u 0 0`),
  ).toEqual([`*1 ${long}`, `*2 ${long} *2 $1 u *1 ${entry('1-1')}`])
  const [bytesOfPlain, bytesOfClaimed] = [bytes(plain), bytes(claimed)]
  expect(bytesOfClaimed - bytesOfPlain).toBe(8)
  expect(
    await replies(
      `XREADGROUP GROUP g x MAXSIZE ${bytesOfPlain} STREAMS s >`,
      `XREADGROUP GROUP h x MAXSIZE ${bytesOfClaimed} CLAIM 9 STREAMS s >`,
    ),
  ).toEqual([`*1 ${plain}`, `*1 ${claimed}`])
  clock.advance(1000)
  // Its idle time has three digits more.
  expect(await talk.ask(`XREADGROUP GROUP h y MAXSIZE ${bytesOfClaimed + 3} CLAIM 9 STREAMS s >`)).toBe(
    `*1 ${claimed.replace(':0 :0', ':1000 :1')}`,
  )
})

it('says what is wrong with MAXCOUNT and MAXSIZE', async () => {
  expect(
    await replies(
      'XREAD MAXCOUNT 0 STREAMS s 0',
      'XREAD MAXSIZE x STREAMS s 0',
      'XREAD MAXCOUNT 2 COUNT 3 STREAMS s 0',
    ),
  ).toEqual([
    '-ERR MAXCOUNT must be a positive integer',
    '-ERR MAXSIZE must be a positive integer',
    '-ERR MAXCOUNT must be greater than or equal to COUNT',
  ])
})

import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'
import { HandClock } from '../testing/hand-clock.ts'

let talk: Talk
const clock = new HandClock()

beforeEach(async () => {
  talk = await Talk.start({ env: clock })
})
afterEach(async () => await talk.end())

/** The replies to commands, each in one line. */
async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

const badId = '-ERR Invalid stream ID specified as stream command argument'
const notInteger = '-ERR value is not an integer or out of range'
const tooSmall = '-ERR The ID specified in XADD is equal or smaller than the target stream top item'
const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value'

it('appends entries with IDs of the clock, of the caller, and of the caller with a number of ours', async () => {
  const now = clock.nowMs()
  expect(await replies('XADD s * a 1', 'XADD s * a 2', `XADD s ${now}-* a 3`, `XADD s ${now + 5} a 4`)).toEqual([
    `$15 ${now}-0`,
    `$15 ${now}-1`,
    `$15 ${now}-2`,
    `$15 ${now + 5}-0`,
  ])
})

it('tells entries from the first to the last and back, with fields in their order', async () => {
  await replies('XADD s 1-1 a 1 b 2 a 3', 'XADD s 2-2 name Ann', 'XADD s 3 a 4')
  expect(
    await replies('XRANGE s - +', 'XREVRANGE s + - COUNT 1', 'XRANGE s (1-1 (3', 'XRANGE s 2 2', 'XLEN s'),
  ).toEqual([
    '*3 *2 $3 1-1 *6 $1 a $1 1 $1 b $1 2 $1 a $1 3 *2 $3 2-2 *2 $4 name $3 Ann *2 $3 3-0 *2 $1 a $1 4',
    '*1 *2 $3 3-0 *2 $1 a $1 4',
    '*2 *2 $3 2-2 *2 $4 name $3 Ann *2 $3 3-0 *2 $1 a $1 4',
    '*1 *2 $3 2-2 *2 $4 name $3 Ann',
    ':3',
  ])
})

it('tells entries with the highest IDs and with values of every size', async () => {
  const top = '18446744073709551615-18446744073709551615'
  const long = 'x'.repeat(5000)
  await replies('XADD s 9007199254740993-1 a b', `XADD s ${top} f ${long}`)
  expect(await talk.ask(['XADD', 't', '1-1', '', ''])).toBe('$3 1-1')
  expect(await replies('XRANGE s - +', 'XADD s * a b')).toEqual([
    `*2 *2 $18 9007199254740993-1 *2 $1 a $1 b *2 $41 ${top} *2 $1 f $5000 ${long}`,
    '-ERR The stream has exhausted the last possible ID, unable to add more items',
  ])
  expect(await talk.ask('XRANGE t - +')).toBe('*1 *2 $3 1-1 *2 $0  $0')
})

it('writes the right number before however many entries there are', async () => {
  for (let i = 1; i <= 120; i++) talk.say(`XADD s ${i}-1 a ${i}`)
  await talk.hear(120)
  for (const [from, to, count] of [
    [1, 9, 9],
    [1, 10, 10],
    [5, 99, 95],
    [1, 100, 100],
    [121, 130, 0],
  ]) {
    const reply = await talk.ask(`XRANGE s ${from} ${to}`)
    expect(reply.split(' ')[0]).toBe(`*${count}`)
    expect(reply.match(/-1/g)?.length ?? 0).toBe(count)
  }
})

it('takes the IDs that Redis takes, and refuses the others', async () => {
  const taken = ['+5', ' 6', '07-1', '8-+1', '9-007']
  for (const id of taken) expect((await talk.ask(['XADD', 's', id, 'a', 'b']))[0]).toBe('$')
  for (const id of ['-', '+', '$', '>', '(1', '1-', '-5', '6 ', '', '1-1-1', '1e3', '10-**', '18446744073709551616']) {
    expect(await talk.ask(['XADD', 's', id, 'a', 'b'])).toBe(badId)
  }
})

it('refuses IDs that are not above the last one, and 0-0 before it looks at the key', async () => {
  await replies('XADD s 5-5 a b', 'SET text x')
  expect(
    await replies(
      'XADD s 5-5 a b',
      'XADD s 4-* a b',
      'XADD text 0-0 a b',
      'XADD text 1-1 a b',
      'XADD none 0-0 a b',
      'EXISTS none',
    ),
  ).toEqual([
    tooSmall,
    tooSmall,
    '-ERR The ID specified in XADD must be greater than 0-0',
    wrongType,
    '-ERR The ID specified in XADD must be greater than 0-0',
    ':0',
  ])
})

it('refuses names without values', async () => {
  const wrong = "-ERR wrong number of arguments for 'xadd' command"
  expect(
    await replies('XADD s *', 'XADD s * a', 'XADD s * a b c', 'XADD s MAXLEN 5 *', 'XADD s NOMKSTREAM * a'),
  ).toEqual([wrong, wrong, wrong, wrong, wrong])
})

it('makes no stream with NOMKSTREAM', async () => {
  expect(await replies('XADD s nomkstream * a b', 'EXISTS s', 'XADD s 1-1 a b', 'XADD s NOMKSTREAM 1-2 a b')).toEqual([
    '$-1',
    ':0',
    '$3 1-1',
    '$3 1-2',
  ])
})

it('trims what it appends to, and leaves an empty stream', async () => {
  expect(
    await replies(
      'XADD s 1-1 a b',
      'XADD s MAXLEN = 1 1-2 a b',
      'XRANGE s - +',
      'XADD s MINID 1-3 1-3 a b',
      'XADD s MAXLEN 0 1-4 a b',
      'XLEN s',
      'EXISTS s',
    ),
  ).toEqual(['$3 1-1', '$3 1-2', '*1 *2 $3 1-2 *2 $1 a $1 b', '$3 1-3', '$3 1-4', ':0', ':1'])
})

it('says what is wrong with the options of a trim', async () => {
  await replies('XADD s 1-1 a b')
  expect(
    await replies(
      'XTRIM s MAXLEN 1 MINID 1',
      'XTRIM s MAXLEN -1',
      'XTRIM s MAXLEN ~ 1 LIMIT -1',
      'XTRIM s LIMIT 1 MAXLEN',
      'XTRIM s LIMIT 0',
      'XTRIM s MAXLEN 1 LIMIT 1',
      'XTRIM s MAXLEN 007',
      'XTRIM s MINID -',
      'XTRIM s MAXLEN 1 JUNK',
      'XADD s LIMIT 5 * a b',
      'XADD s MAXLEN 1 LIMIT 0 * a b',
    ),
  ).toEqual([
    '-ERR syntax error, MAXLEN and MINID options at the same time are not compatible',
    '-ERR The MAXLEN argument must be >= 0.',
    '-ERR The LIMIT argument must be >= 0.',
    '-ERR syntax error',
    '-ERR syntax error, XTRIM must be called with a trimming strategy',
    '-ERR syntax error, LIMIT cannot be used without the special ~ option',
    notInteger,
    badId,
    '-ERR syntax error',
    '-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy',
    '-ERR syntax error, LIMIT cannot be used without the special ~ option',
  ])
})

// The figures of the reference: nodes of 100 entries.
it('trims whole nodes with ~', async () => {
  for (let i = 1; i <= 1000; i++) talk.say(`XADD s ${i}-1 a b`)
  await talk.hear(1000)
  expect(
    await replies(
      'XTRIM s MAXLEN ~ 555',
      'XLEN s',
      'XTRIM s MAXLEN ~ 444 LIMIT 99',
      'XTRIM s MAXLEN ~ 444',
      'XLEN s',
      'XTRIM s MAXLEN ~ 400',
      'XLEN s',
      'XTRIM s MINID ~ 750',
      'XTRIM s MAXLEN 5',
    ),
  ).toEqual([':400', ':600', ':0', ':100', ':500', ':100', ':400', ':100', ':295'])
})

it('reads counts of a range strictly, and the last one counts', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b')
  expect(
    await replies(
      'XRANGE s - + COUNT 0',
      'XRANGE none - + COUNT 0',
      'XRANGE s - + COUNT -5',
      'XRANGE s - + COUNT +1',
      'XRANGE s - + COUNT',
      'XRANGE s - + COUNT 0 COUNT 1',
      'XRANGE s - + JUNK 1',
      'XRANGE s 2 1',
    ),
  ).toEqual([
    '*-1',
    '*0',
    '*-1',
    notInteger,
    '-ERR syntax error',
    '*1 *2 $3 1-1 *2 $1 a $1 b',
    '-ERR syntax error',
    '*0',
  ])
})

it('refuses ends of a range beyond the first and the last ID', async () => {
  await replies('XADD s 1-1 a b')
  const top = '18446744073709551615-18446744073709551615'
  expect(
    await replies(
      `XRANGE s (${top} +`,
      'XRANGE s - (0-0',
      'XRANGE s - (0',
      'XRANGE s (- +',
      'XRANGE s - (+',
      'XRANGE s ( +',
      'XREVRANGE s (0-0 -',
    ),
  ).toEqual([
    '-ERR invalid start ID for the interval',
    '-ERR invalid end ID for the interval',
    '*0',
    badId,
    badId,
    badId,
    '-ERR invalid end ID for the interval',
  ])
})

it('deletes entries once each, all or none when an ID is bad, and keeps the last ID', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b')
  expect(
    await replies('XDEL s 1-1 x', 'XDEL none x', 'XDEL s 1-1 1-1 9-9 2-1', 'XLEN s', 'EXISTS s', 'XADD s 2-1 a b'),
  ).toEqual([badId, ':0', ':2', ':0', ':1', tooSmall])
})

it('sets what a stream remembers, within what it holds', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 5-1 a b', 'XADD s 9-1 a b', 'XDEL s 5-1')
  expect(
    await replies(
      'XSETID none 1-1',
      'XSETID s 8-1',
      'XSETID s 9-1 ENTRIESADDED 1',
      'XSETID s 9-1 ENTRIESADDED -1',
      'XSETID s 9-1 MAXDELETEDID 9-2',
      'XSETID s 9-1 JUNK',
      'XSETID s 20-1 ENTRIESADDED 10 MAXDELETEDID 6-1',
      'XADD s 20-1 a b',
    ),
  ).toEqual([
    '-ERR no such key',
    '-ERR The ID specified in XSETID is smaller than the target stream top item',
    '-ERR The entries_added specified in XSETID is smaller than the target stream length',
    '-ERR entries_added must be positive',
    '-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
    '-ERR syntax error',
    '+OK',
    tooSmall,
  ])
  const info = await talk.ask('XINFO STREAM s')
  expect(info).toContain('$20 max-deleted-entry-id $3 6-1 $13 entries-added :10')
})

// Redis's source since 7.2; 7.0 lets it pass.
it('refuses a last ID below the highest deleted one', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 5-1 a b', 'XDEL s 5-1')
  expect(await talk.ask('XSETID s 4-1')).toBe(
    '-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id',
  )
})

// Observed: Redis compares options and signs as C strings.
it('takes options, and signs in place of IDs, up to a NUL', async () => {
  expect(
    await replies(
      'XADD s NOMKSTREAM\0 1-1 a b',
      'XADD s MAXLEN\0x ~\0 10 1-1\0 a b',
      'XRANGE s - +\0 COUNT\0 1',
      'XGROUP CREATE s g $\0 MKSTREAM\0',
      'XREAD COUNT\0 1 STREAMS\0 s $\0',
      'XREADGROUP GROUP\0 g c STREAMS s >\0x',
      'XTRIM s MAXLENX\0 1',
      'XTRIM s MAXLEN\0 0\0',
      'XLEN\0 s',
    ),
  ).toEqual([
    '$-1',
    '$3 1-1',
    '*1 *2 $3 1-1 *2 $1 a $1 b',
    '+OK',
    '*-1',
    '*-1',
    '-ERR syntax error',
    notInteger,
    "-ERR unknown command 'XLEN', with args beginning with: 's'",
  ])
})

it('answers a million IDs in one call', { timeout: 60_000 }, async () => {
  await replies('XADD s 1-1 a b', 'XADD s 999999-1 a b')
  const ids = Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}-1`)
  expect(await talk.ask(['XDEL', 's', ...ids])).toBe(':2')
  expect(await talk.ask(['XACK', 's', 'none', ...ids])).toBe(':0')
})

it('tells what happens to a stream to those who listen', async () => {
  const { keyspaceEvents } = talk.server.state
  keyspaceEvents.set('KEA')
  const listener = await talk.another()
  await listener.ask('PSUBSCRIBE __keyevent@0__:x*')
  await replies(
    'XADD s 1-1 a b',
    'XADD s MAXLEN 1 2-1 a b',
    'XADD s MAXLEN 9 3-1 a b',
    'XDEL s 3-1',
    'XDEL s 3-1',
    'XTRIM s MAXLEN 0',
    'XTRIM s MAXLEN 0',
    'XSETID s 9-9',
  )
  const events = (await listener.hear(7)).map((line) => / __keyevent@0__:(x\w+) /.exec(line)?.[1])
  expect(events).toEqual(['xadd', 'xadd', 'xtrim', 'xadd', 'xdel', 'xtrim', 'xsetid'])
})

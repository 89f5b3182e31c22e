import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'

// XDELEX and XACKDEL: redis.io/docs/latest/commands/xdelex and /xackdel (8.2, #14130); without groups nothing is
// referenced: #14552, #14623.
let talk: Talk

beforeEach(async () => {
  talk = await Talk.start()
  // 1-1 acknowledged by g, 2-1 pending in g, 3-1 not read; h has read all of it and acknowledged 1-1 and 2-1.
  await replies('XGROUP CREATE s g 0 MKSTREAM', 'XGROUP CREATE s h 0')
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XADD s 3-1 a b')
  await replies('XREADGROUP GROUP g c COUNT 2 STREAMS s >', 'XREADGROUP GROUP h c STREAMS s >', 'XACK s g 1-1')
  await replies('XACK s h 1-1 2-1')
})
afterEach(async () => await talk.end())

async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

it('deletes with KEEPREF, and what was pending stays pending', async () => {
  expect(await replies('XDELEX s IDS 2 2-1 9-9', 'XPENDING s g', 'XLEN s')).toEqual([
    '*2 :1 :-1',
    '*4 :1 $3 2-1 $3 2-1 *1 *2 $1 c $1 1',
    ':2',
  ])
})

it('deletes with DELREF what is pending of an entry, also of one that is gone', async () => {
  expect(
    await replies(
      'XDELEX s DELREF IDS 1 2-1',
      'XPENDING s g',
      'XDEL s 3-1',
      'XDELEX s IDS 1 3-1 DELREF',
      'XPENDING s h',
    ),
  ).toEqual(['*1 :1', '*4 :0 $-1 $-1 *-1', ':1', '*1 :-1', '*4 :0 $-1 $-1 *-1'])
})

it('deletes with ACKED what no group refers to', async () => {
  expect(await replies('XDELEX s ACKED IDS 4 1-1 2-1 3-1 4-1', 'XLEN s')).toEqual(['*4 :1 :2 :2 :-1', ':2'])
})

it('deletes with ACKED whatever it is told to when there are no groups', async () => {
  await replies('XGROUP DESTROY s g', 'XGROUP DESTROY s h')
  expect(await talk.ask('XDELEX s ACKED IDS 1 3-1')).toBe('*1 :1')
})

it('acknowledges and deletes in one step', async () => {
  expect(
    await replies(
      'XACKDEL s g IDS 2 2-1 1-1',
      'XLEN s',
      'XACKDEL s h ACKED IDS 1 3-1',
      'XACKDEL s none IDS 1 3-1',
      'XACKDEL none g IDS 1 3-1',
    ),
  ).toEqual(['*2 :1 :-1', ':2', '*1 :2', '*1 :-1', '*1 :-1'])
})

it('acknowledges an entry that is gone already as deleted', async () => {
  await replies('XDEL s 2-1')
  expect(await talk.ask('XACKDEL s g IDS 1 2-1')).toBe('*1 :1')
})

it('answers -1 for every ID of a stream that is not there', async () => {
  expect(await talk.ask('XDELEX none IDS 2 1-1 2-1')).toBe('*2 :-1 :-1')
})

it('says what is wrong with the block of IDs', async () => {
  const mismatch = '-ERR The `numids` parameter must match the number of arguments'
  expect(
    await replies(
      'XDELEX s IDS 0 1-1',
      'XDELEX s IDS x 1-1',
      'XDELEX s IDS 2 1-1',
      'XDELEX s IDS 1 1-1 2-1',
      'XDELEX s KEEPREF KEEPREF DELREF',
      'XDELEX s KEEPREF 1-1 2-1',
      'XDELEX s IDS 1 x',
      'XACKDEL s g IDS 3 1-1',
    ),
  ).toEqual([
    '-ERR Number of IDs must be a positive integer',
    '-ERR Number of IDs must be a positive integer',
    mismatch,
    mismatch,
    '-ERR syntax error',
    '-ERR syntax error',
    '-ERR Invalid stream ID specified as stream command argument',
    mismatch,
  ])
})

// redis.io/docs/latest/commands/xtrim, #14623.
it('trims with ACKED only what everybody is done with, with DELREF also what is pending', async () => {
  expect(
    await replies(
      'XTRIM s MAXLEN 0 ACKED',
      'XLEN s',
      'XADD s MAXLEN = 0 DELREF 4-1 a b',
      'XPENDING s g',
      'XPENDING s h',
    ),
  ).toEqual([':1', ':2', '$3 4-1', '*4 :0 $-1 $-1 *-1', '*4 :0 $-1 $-1 *-1'])
})

it('takes one strategy for references', async () => {
  expect(await replies('XTRIM s MAXLEN 0 ACKED DELREF', 'XADD s KEEPREF KEEPREF * a b')).toEqual([
    '-ERR syntax error',
    '-ERR syntax error',
  ])
})

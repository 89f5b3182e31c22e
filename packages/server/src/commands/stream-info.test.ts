import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'
import { HandClock } from '../testing/hand-clock.ts'

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

const idempotency =
  '$13 idmp-duration :100 $12 idmp-maxsize :100 $12 pids-tracked :0 $12 iids-tracked :0 $10 iids-added :0 $15 iids-duplicates :0'
const wrong = (name: string): string =>
  `-ERR unknown subcommand or wrong number of arguments for '${name}'. Try XINFO HELP.`

// Sixteen pairs since 8.6: redis.io/docs/latest/commands/xinfo-stream.
it('tells what a stream is like, empty or not', async () => {
  await replies('XGROUP CREATE e g 0 MKSTREAM', 'XADD s 1-1 a 1', 'XADD s 2-1 a 2', 'XADD s 3-1 a 3', 'XDEL s 3-1')
  expect(await replies('XINFO STREAM e', 'XINFO STREAM s')).toEqual([
    `*32 $6 length :0 $15 radix-tree-keys :0 $16 radix-tree-nodes :1 $17 last-generated-id $3 0-0 $20 max-deleted-entry-id $3 0-0 $13 entries-added :0 $23 recorded-first-entry-id $3 0-0 ${idempotency} $6 groups :1 $11 first-entry $-1 $10 last-entry $-1`,
    `*32 $6 length :2 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 3-1 $20 max-deleted-entry-id $3 3-1 $13 entries-added :3 $23 recorded-first-entry-id $3 1-1 ${idempotency} $6 groups :0 $11 first-entry *2 $3 1-1 *2 $1 a $1 1 $10 last-entry *2 $3 2-1 *2 $1 a $1 2`,
  ])
  const modern = await talk.another(3)
  expect(await modern.ask('XINFO STREAM e')).toMatch(/^%16 .* \$11 first-entry _ \$10 last-entry _$/)
})

it('tells all of a stream with FULL, ten of everything or as many as asked for', async () => {
  await replies(
    'XADD s 1-1 a 1',
    'XADD s 2-1 a 2',
    'XGROUP CREATE s g 0',
    'XREADGROUP GROUP g c STREAMS s >',
    'XNACK s g FAIL IDS 1 2-1',
  )
  const now = clock.nowMs()
  const head = `$6 length :2 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 2-1 $20 max-deleted-entry-id $3 0-0 $13 entries-added :2 $23 recorded-first-entry-id $3 1-1 ${idempotency}`
  const group =
    '$4 name $1 g $17 last-delivered-id $3 2-1 $12 entries-read :2 $3 lag :0 $9 pel-count :2 $12 nacked-count :1'
  const consumer = `$4 name $1 c $9 seen-time :${now} $11 active-time :${now} $9 pel-count :1 $7 pending *1 *3 $3 1-1 :${now} :1`
  expect(await talk.ask('XINFO STREAM s FULL')).toBe(
    `*30 ${head} $7 entries *2 *2 $3 1-1 *2 $1 a $1 1 *2 $3 2-1 *2 $1 a $1 2 $6 groups *1 *16 ${group} $7 pending *2 *4 $3 1-1 $1 c :${now} :1 *4 $3 2-1 $0  :0 :1 $9 consumers *1 *10 ${consumer}`,
  )
  expect(await talk.ask('XINFO STREAM s FULL COUNT 1')).toBe(
    `*30 ${head} $7 entries *1 *2 $3 1-1 *2 $1 a $1 1 $6 groups *1 *16 ${group} $7 pending *1 *4 $3 1-1 $1 c :${now} :1 $9 consumers *1 *10 ${consumer}`,
  )
  for (let i = 3; i <= 30; i++) talk.say(`XADD s ${i}-1 a 1`)
  await talk.hear(28)
  const counts = ['', ' COUNT 0', ' COUNT -5', ' COUNT 12'].map((count) => `XINFO STREAM s FULL${count}`)
  expect((await replies(...counts)).map((reply) => / entries \*(\d+)/.exec(reply)?.[1])).toEqual([
    '10',
    '30',
    '10',
    '12',
  ])
})

it('tells how long consumers have been idle, and since when they got nothing', async () => {
  await replies('XADD s 1-1 a 1', 'XGROUP CREATE s g 0', 'XREADGROUP GROUP g busy STREAMS s >')
  clock.advance(500)
  await replies('XREADGROUP GROUP g late STREAMS s >', 'XREADGROUP GROUP g busy STREAMS s >')
  clock.advance(200)
  expect(await talk.ask('XINFO CONSUMERS s g')).toBe(
    '*2 *8 $4 name $4 busy $7 pending :1 $4 idle :200 $8 inactive :700 *8 $4 name $4 late $7 pending :0 $4 idle :200 $8 inactive :-1',
  )
  const modern = await talk.another(3)
  expect(await modern.ask('XINFO CONSUMERS s g')).toMatch(/^\*2 %4 /)
  expect(await modern.ask('XINFO GROUPS s')).toMatch(/^\*1 %6 /)
})

it('lists groups by the bytes of their names', async () => {
  await replies('XGROUP CREATE s b 0 MKSTREAM', 'XGROUP CREATE s a 0', 'XGROUP CREATE s B 0')
  expect([...(await talk.ask('XINFO GROUPS s')).matchAll(/name \$1 (.)/g)].map((match) => match[1])).toEqual([
    'B',
    'a',
    'b',
  ])
})

it('says what is wrong with a question', async () => {
  await replies('XADD s 1-1 a 1', 'SET text x')
  expect(
    await replies(
      'XINFO STREAM none',
      'XINFO STREAM text',
      'XINFO STREAM none JUNK',
      'XINFO STREAM s JUNK',
      'XINFO STREAM s FULL COUNT',
      'XINFO STREAM s FULL JUNK 1',
      'XINFO stream s FULL COUNT x',
      'XINFO CONSUMERS s g',
      'XINFO GROUPS',
      'XINFO FOO',
    ),
  ).toEqual([
    '-ERR no such key',
    '-WRONGTYPE Operation against a key holding the wrong kind of value',
    '-ERR no such key',
    wrong('STREAM'),
    wrong('STREAM'),
    wrong('STREAM'),
    '-ERR value is not an integer or out of range',
    "-NOGROUP No such consumer group 'g' for key name 's'",
    "-ERR wrong number of arguments for 'xinfo|groups' command",
    "-ERR unknown subcommand 'FOO'. Try XINFO HELP.",
  ])
  expect(await talk.ask('XINFO HELP')).toMatch(/^\*9 \+XINFO <subcommand> /)
})

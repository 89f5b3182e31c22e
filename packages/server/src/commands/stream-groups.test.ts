import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'

let talk: Talk

beforeEach(async () => {
  talk = await Talk.start()
})
afterEach(async () => await talk.end())

async function replies(...commands: readonly string[]): Promise<string[]> {
  talk.say(...commands)
  return await talk.hear(commands.length)
}

const keyMissing =
  '-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.'
const wrong = (name: string): string =>
  `-ERR unknown subcommand or wrong number of arguments for '${name}'. Try XGROUP HELP.`
const badId = '-ERR Invalid stream ID specified as stream command argument'

it('creates a group once, and the stream only when it is told to', async () => {
  expect(
    await replies(
      'XGROUP CREATE s g $',
      'XGROUP CREATE s g $ MKSTREAM',
      'XGROUP CREATE s g 0',
      'XLEN s',
      'XGROUP CREATE s h 5-5 ENTRIESREAD -1',
      'XINFO GROUPS s',
    ),
  ).toEqual([
    keyMissing,
    '+OK',
    '-BUSYGROUP Consumer Group name already exists',
    ':0',
    '+OK',
    '*2 *12 $4 name $1 g $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read $-1 $3 lag :0 *12 $4 name $1 h $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 5-5 $12 entries-read $-1 $3 lag :0',
  ])
})

it('checks the options of CREATE, then the key, then the ID', async () => {
  await replies('SET text x', 'XADD s 1-1 a b')
  expect(
    await replies(
      'XGROUP CREATE none g x JUNK',
      'XGROUP CREATE none g x',
      'XGROUP CREATE s g x',
      'XGROUP CREATE s g -',
      'XGROUP CREATE text g x',
      'XGROUP CREATE text g x MKSTREAM',
      'XGROUP CREATE s g 0 ENTRIESREAD',
      'XGROUP CREATE s g 0 ENTRIESREAD x',
      'XGROUP CREATE s g 0 ENTRIESREAD -2',
      'XGROUP CREATE s g 0 MKSTREAM MKSTREAM ENTRIESREAD 1',
      'XGROUP CREATE s g',
      'XGROUP create s g 0 mkstream entriesread 1',
    ),
  ).toEqual([
    wrong('CREATE'),
    keyMissing,
    badId,
    badId,
    '-WRONGTYPE Operation against a key holding the wrong kind of value',
    '-WRONGTYPE Operation against a key holding the wrong kind of value',
    wrong('CREATE'),
    '-ERR value is not an integer or out of range',
    '-ERR value for ENTRIESREAD must be positive or -1',
    wrong('CREATE'),
    "-ERR wrong number of arguments for 'xgroup|create' command",
    '+OK',
  ])
})

it('sets where a group has read to, the edges included', async () => {
  await replies('XADD s 1-1 a b', 'XADD s 2-1 a b', 'XGROUP CREATE s g 0')
  expect(
    await replies(
      'XGROUP SETID s none $',
      'XGROUP SETID none g $',
      'XGROUP SETID s g $ ENTRIESREAD 2',
      'XREADGROUP GROUP g c STREAMS s >',
      'XGROUP SETID s g -',
      'XREADGROUP GROUP g c COUNT 1 STREAMS s >',
      'XGROUP SETID s g +',
      'XREADGROUP GROUP g c STREAMS s >',
      'XGROUP SETID s g $ MKSTREAM',
      'XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 2',
    ),
  ).toEqual([
    "-NOGROUP No such consumer group 'none' for key name 's'",
    keyMissing,
    '+OK',
    '*-1',
    '+OK',
    '*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 b',
    '+OK',
    '*-1',
    wrong('SETID'),
    wrong('SETID'),
  ])
})

// Redis's source since 8.2.2 (#14259): the lag could be negative before.
it('takes no more entries as read than were ever added', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 1-1 ENTRIESREAD 100000')
  expect(await talk.ask('XINFO GROUPS s')).toContain('$12 entries-read :1 $3 lag :0')
})

it('creates and deletes consumers, and destroys groups', async () => {
  await replies('XADD s 1-1 a b', 'XGROUP CREATE s g 0')
  expect(
    await replies(
      'XGROUP CREATECONSUMER s g c',
      'XGROUP CREATECONSUMER s g c',
      'XREADGROUP GROUP g c STREAMS s >',
      'XGROUP DELCONSUMER s g c',
      'XGROUP DELCONSUMER s g c',
      'XGROUP CREATECONSUMER s none c',
      'XGROUP DELCONSUMER none g c',
      'XGROUP DESTROY s g',
      'XGROUP DESTROY s g',
      'XGROUP DESTROY none g',
    ),
  ).toEqual([
    ':1',
    ':0',
    '*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 b',
    ':1',
    ':0',
    "-NOGROUP No such consumer group 'none' for key name 's'",
    keyMissing,
    ':1',
    ':0',
    keyMissing,
  ])
})

it('tells what it knows when it is asked for help', async () => {
  expect(await replies('XGROUP FOO', 'XGROUP', 'XGROUP HELP x')).toEqual([
    "-ERR unknown subcommand 'FOO'. Try XGROUP HELP.",
    "-ERR wrong number of arguments for 'xgroup' command",
    "-ERR wrong number of arguments for 'xgroup|help' command",
  ])
  const help = await talk.ask('XGROUP HELP')
  expect(help).toMatch(/^\*17 \+XGROUP <subcommand> \[<arg> \[value\] \[opt\] \.\.\.\]\. Subcommands are: \+CREATE /)
  expect(help).toMatch(/ \+HELP \+ {4}Prints this help\.$/)
})

it('keeps names of any bytes apart', async () => {
  await replies('XGROUP CREATE s g 0 MKSTREAM')
  const names = ['\0', '', '\xff', 'g\r\n']
  for (const name of names) expect(await talk.ask(['XGROUP', 'CREATE', 's', name, '0'])).toBe('+OK')
  for (const name of names) expect(await talk.ask(['XGROUP', 'DESTROY', 's', name])).toBe(':1')
  expect(await talk.ask('XGROUP DESTROY s g')).toBe(':1')
})

it('tells what happens to groups to those who listen', async () => {
  talk.server.state.keyspaceEvents.set('KEA')
  const listener = await talk.another()
  await listener.ask('PSUBSCRIBE __keyevent@0__:xgroup*')
  await replies(
    'XGROUP CREATE s g 0 MKSTREAM',
    'XGROUP CREATECONSUMER s g c',
    'XGROUP CREATECONSUMER s g c',
    'XREADGROUP GROUP g d STREAMS s >',
    'XREADGROUP GROUP g d STREAMS s >',
    'XCLAIM s g e 0 1-1',
    'XGROUP DELCONSUMER s g c',
    'XGROUP DELCONSUMER s g c',
    'XGROUP SETID s g 0',
    'XGROUP DESTROY s g',
    'XGROUP DESTROY s g',
  )
  const events = (await listener.hear(7)).map((line) => / __keyevent@0__:xgroup-(\w+) /.exec(line)?.[1])
  expect(events).toEqual([
    'create',
    'createconsumer',
    'createconsumer',
    'createconsumer',
    'delconsumer',
    'setid',
    'destroy',
  ])
})

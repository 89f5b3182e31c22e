import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ReplyError } from './error-lines.ts'
import type { NativeScript } from './native-scripts.ts'
import { Talk } from './talk.ts'

const scripts: readonly NativeScript[] = [
  {
    lua: 'return what it was given',
    run: (_context, keys, args) => [[...keys], [...args], keys.length, null, 2n ** 60n, ['']],
  },
  {
    lua: 'set and get',
    run(context, [key = ''], [value = '']) {
      context.call('SET', key, value)
      return [context.call('GET', key), context.call('STRLEN', key), context.call('GET', 'missing')]
    },
  },
  { lua: 'call', run: (context, _keys, args) => context.callAll(args) },
  {
    lua: 'fail',
    run(context, [key = '']) {
      context.call('INCR', key)
      throw new ReplyError('LASTID 5-0')
    },
  },
  { lua: 'catch', run: (context) => caught(() => context.call('INCR', 'text')) },
  {
    lua: 'break',
    run() {
      throw new TypeError('a mistake of ours')
    },
  },
]

function caught(body: () => unknown): string {
  try {
    return String(body())
  } catch (error) {
    return `caught ${(error as Error).message}`
  }
}

const shaOf = (text: string): string => createHash('sha1').update(text).digest('hex')

let talk: Talk
beforeEach(async () => {
  talk = await Talk.start({ scripts })
})
afterEach(async () => await talk.end())

it('runs the function of a text that it knows, with keys and arguments', async () => {
  const reply = '*6 *2 $1 a $1 b *1 $1 c :2 $-1 :1152921504606846976 *1 $0 '
  expect(await talk.ask(['EVAL', 'return what it was given', '2', 'a', 'b', 'c'])).toBe(reply.trimEnd())
  expect(await talk.ask(['EVALSHA', shaOf('return what it was given').toUpperCase(), '2', 'a', 'b', 'c'])).toBe(
    reply.trimEnd(),
  )
})

it('refuses a text that it does not know, and says which hash it does not', async () => {
  expect(await talk.ask(['EVAL', 'return 1', '0'])).toBe(
    '-ERR This server runs no Lua. It knows only the scripts it was started with',
  )
  expect(await talk.ask(['SCRIPT', 'LOAD', 'return 1'])).toContain('-ERR This server runs no Lua.')
  expect(await talk.ask(`EVALSHA ${shaOf('return 1')} 0`)).toBe('-NOSCRIPT No matching script. Please use EVAL.')
  expect(await talk.ask('EVALSHA abc 0')).toBe('-NOSCRIPT No matching script. Please use EVAL.')
  expect(await talk.ask(['SCRIPT', 'LOAD', 'call'])).toBe(`$40 ${shaOf('call')}`)
  expect(await talk.ask(`SCRIPT EXISTS ${shaOf('call')} ${shaOf('return 1')}`)).toBe('*2 :1 :0')
})

it('checks the number of keys as redis-server does', async () => {
  expect(await talk.ask('EVAL call -1')).toBe("-ERR Number of keys can't be negative")
  expect(await talk.ask('EVAL call 2 a')).toBe("-ERR Number of keys can't be greater than number of args")
  expect(await talk.ask('EVAL call a')).toBe('-ERR value is not an integer or out of range')
})

it('gives a script the replies of its commands as values, in RESP2 whatever its client speaks', async () => {
  const three = await talk.another(3)
  expect(await three.ask(['EVAL', 'set and get', '1', 'k', 'v\0\xff'])).toBe('*3 $3 v\0\xff :3 _')
  expect(await three.ask('CONFIG GET maxclients')).toMatch(/^%1/)
})

it('keeps what a script did before it failed', async () => {
  expect(await talk.ask('EVAL fail 1 k')).toBe('-LASTID 5-0')
  expect(await talk.ask('GET k')).toBe('$1 1')
})

it('lets a script catch the error of a command', async () => {
  await talk.ask('SET text abc')
  expect(await talk.ask('EVAL catch 0')).toBe('$50 caught ERR value is not an integer or out of range')
})

it('answers with an error when a function of its own breaks, and goes on', async () => {
  expect(await talk.ask('EVAL break 0')).toMatch(/^-ERR /)
  expect(await talk.ask('PING')).toBe('+PONG')
})

it('does not block in a script', async () => {
  expect(await talk.ask('EVAL call 0 XREAD BLOCK 0 STREAMS s $')).toBe('$-1')
})

it('refuses in a script what has no place there', async () => {
  expect(await talk.ask('EVAL call 0 NOSUCH a')).toBe('-ERR Unknown Redis command called from script')
  expect(await talk.ask('EVAL call 0 GET')).toBe('-ERR Wrong number of args calling Redis command from script')
  for (const command of ['EVAL call 0', 'SUBSCRIBE a', 'MULTI', 'HELLO 3', 'EVAL call 0 GET a']) {
    expect(await talk.ask(`EVAL call 0 ${command}`)).toBe('-ERR This Redis command is not allowed from script')
  }
})

it('refuses writes in EVAL_RO', async () => {
  expect(await talk.ask('EVAL_RO call 0 SET a 1')).toBe('-ERR Write commands are not allowed from read-only scripts.')
  expect(await talk.ask('EVAL_RO call 0 GET a')).toBe('$-1')
})

it('holds a script to what its user may do', async () => {
  await talk.ask('ACL SETUSER reader on nopass +eval +auth +get ~a')
  const reader = await talk.another()
  await reader.ask('AUTH reader x')
  expect(await reader.ask('EVAL call 0 GET a')).toBe('$-1')
  expect(await reader.ask('EVAL call 0 SET a 1')).toMatch(/^-NOPERM/)
  expect(await reader.ask('EVAL call 0 GET b')).toMatch(/^-NOPERM/)
})

it('leaves the selected database as it was', async () => {
  expect(await talk.ask('EVAL call 0 SELECT 3')).toBe('$2 OK')
  await talk.ask('SET k 1')
  await talk.ask('SELECT 0')
  expect(await talk.ask('GET k')).toBe('$1 1')
})

it('runs in a transaction', async () => {
  talk.say('MULTI', 'EVAL call 0 SET a 1', 'EVAL fail 1 a', 'EXEC')
  expect((await talk.hear(4)).at(-1)).toBe('*2 $2 OK -LASTID 5-0')
})

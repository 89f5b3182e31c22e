import { afterEach, beforeEach, expect, it } from 'vitest'
import { encode, encodeAll, type Wire } from '../differential-wire.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'

const wrong = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
const greeting = /^%7\r\n\$6\r\nserver\r\n\$5\r\nredis\r\n/

let site: Site
let clock: HandClock

beforeEach(async () => {
  clock = new HandClock()
  site = await Site.start({ env: clock, password: 'pw' })
})
afterEach(async () => await site.close())

/** The reply to a command before which the client has to wait for so long. */
async function after(wire: Wire, ms: number, ...args: string[]): Promise<string> {
  wire.send(encode(args))
  await expect
    .poll(() => [...site.server.state.clients.values()].some((client) => client.held !== undefined))
    .toBe(true)
  clock.advance(ms - 1)
  expect(wire.arrived()).toEqual([])
  clock.advance(1)
  return (await wire.take(1))[0]!
}

it('lets nobody in without the password, but for HELLO, AUTH, QUIT and RESET', async () => {
  const wire = await site.client()
  expect(await wire.ask('PING')).toBe('-NOAUTH Authentication required.\r\n')
  expect(await wire.ask('GET')).toBe("-ERR wrong number of arguments for 'get' command\r\n")
  expect(await wire.ask('HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called with the client already authenticated/)
  expect(await wire.ask('AUTH', 'pw')).toBe('+OK\r\n')
  expect(await wire.ask('PING')).toBe('+PONG\r\n')
  expect(await wire.ask('RESET')).toBe('+RESET\r\n')
  expect(await wire.ask('PING')).toBe('-NOAUTH Authentication required.\r\n')
  expect(await wire.ask('QUIT', 'x')).toBe('+OK\r\n')
  await wire.closed()
})

it('takes the name of the default user, and no other', async () => {
  expect(await (await site.client()).ask('AUTH', 'default', 'pw')).toBe('+OK\r\n')
  expect(await (await site.client()).ask('AUTH', 'somebody', 'pw')).toBe(wrong)
})

it('greets in the protocol that is asked for', async () => {
  const wire = await site.client()
  expect(await wire.ask('HELLO', '3', 'AUTH', 'default', 'pw', 'SETNAME', 'me')).toMatch(greeting)
  expect(await wire.ask('HELLO', '2')).toMatch(/^\*14\r\n/)
  expect(await wire.ask('HELLO', '4')).toBe('-NOPROTO unsupported protocol version\r\n')
  expect(await wire.ask('HELLO', 'a')).toBe('-ERR Protocol version is not an integer or out of range\r\n')
  expect(await wire.ask('HELLO', '3', 'AUTH', 'default')).toBe("-ERR Syntax error in HELLO option 'AUTH'\r\n")
  expect(await wire.ask('HELLO', '3', 'SETNAME', 'a b')).toBe(
    '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
  )
  expect([...site.server.state.clients.values()].map((client) => client.name)).toEqual(['me'])
})

// https://github.com/redis/redis/pull/11659: from 7.2 on; before, each option had its effect as it was read.
it('lets no option of HELLO have an effect when another one is wrong', async () => {
  const wire = await site.client()
  const name = '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'
  expect(await wire.ask('HELLO', '3', 'AUTH', 'default', 'pw', 'SETNAME', 'a b')).toBe(name)
  expect(await wire.ask('HELLO', '3', 'AUTH', 'default', 'bad', 'SETNAME', 'a b')).toBe(name)
  expect(await wire.ask('HELLO', '3', 'AUTH', 'default', 'pw', 'FOO')).toMatch(/^-ERR Syntax error in HELLO/)
  expect(await wire.ask('HELLO', '3', 'SETNAME', 'me', 'AUTH', 'default', 'bad')).toBe(wrong)
  expect(await wire.ask('GET', 'a')).toMatch(/^-NOAUTH/)
  expect(await after(wire, 100, 'AUTH', 'pw')).toBe('+OK\r\n')
  expect(await wire.ask('CLIENT', 'GETNAME')).toBe('$-1\r\n')
})

it('looks at the next guess from an address 100 ms after a wrong one, then later each time', async () => {
  const wire = await site.client()
  expect(await wire.ask('AUTH', 'a')).toBe(wrong)
  expect(await after(wire, 100, 'AUTH', 'b')).toBe(wrong)
  expect(await after(wire, 200, 'AUTH', 'c')).toBe(wrong)
  expect(await after(wire, 400, 'HELLO', '3', 'AUTH', 'default', 'd')).toBe(wrong)
})

it('lets the right password wait as well, over another connection too, and nobody else', async () => {
  const [guesser, other, inside] = [await site.client(), await site.client(), await site.client()]
  await inside.ask('AUTH', 'pw')
  await guesser.ask('AUTH', 'a')
  other.send(encodeAll([['AUTH', 'pw'], ['PING']]))
  await expect
    .poll(() => [...site.server.state.clients.values()].some((client) => client.held !== undefined))
    .toBe(true)
  expect(await inside.ask('PING')).toBe('+PONG\r\n')
  expect(other.arrived()).toEqual([])
  clock.advance(100)
  expect(await other.take(2)).toEqual(['+OK\r\n', '+PONG\r\n'])
})

it('does not guess for free within a transaction', async () => {
  const wire = await site.client()
  await wire.ask('AUTH', 'pw')
  wire.send(encodeAll([['MULTI'], ['AUTH', 'a'], ['AUTH', 'pw'], ['EXEC']]))
  expect((await wire.take(4))[3]).toBe(
    `*2\r\n${wrong}-ERR AUTH after a wrong password is not possible in a transaction\r\n`,
  )
})

it('closes who has not proved who it is within ten seconds, or after 64 KiB', async () => {
  const [slow, inside, loud] = [await site.client(), await site.client(), await site.client()]
  await inside.ask('AUTH', 'pw')
  await slow.ask('PING')
  clock.advance(9000)
  expect(await slow.ask('PING')).toBe('-NOAUTH Authentication required.\r\n')
  clock.advance(2100)
  await slow.closed()
  await loud.closed()
  expect(await inside.ask('PING')).toBe('+PONG\r\n')
  const second = await site.client()
  second.send(Buffer.from('PING\r\n'.repeat(11_000)))
  await second.closed()
})

it('has tighter limits for who is not known yet, up to the moment it is', async () => {
  const wire = await site.client()
  wire.send(
    encodeAll([
      ['AUTH', 'pw'],
      ['ECHO', 'x'.repeat(20_000)],
    ]),
  )
  expect((await wire.take(2))[1]).toHaveLength(20_010)
  const stranger = await site.client()
  stranger.send(Buffer.from('*1\r\n$20000\r\n'))
  expect(await stranger.take(1)).toEqual(['-ERR Protocol error: unauthenticated bulk length\r\n'])
  await stranger.closed()
})

it('selects one of the databases', async () => {
  const wire = await site.client()
  await wire.ask('AUTH', 'pw')
  expect(await wire.ask('SELECT', '16')).toBe('-ERR DB index is out of range\r\n')
  expect(await wire.ask('SELECT', '-1')).toBe('-ERR DB index is out of range\r\n')
  expect(await wire.ask('SELECT', 'a')).toBe('-ERR value is not an integer or out of range\r\n')
  expect(await wire.ask('SELECT', '15')).toBe('+OK\r\n')
})

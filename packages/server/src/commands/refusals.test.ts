/** How a request is refused that is almost right: beside redis-server, byte for byte. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encode, encodeAll, Wire } from '../differential-wire.ts'
import { Site } from '../testing/site.ts'

let site: Site
let redis: RedisServer
beforeAll(async () => {
  site = await Site.start()
  redis = await startRedis()
})
afterAll(async () => {
  await site.close()
  await redis.stop()
})

type Words = readonly string[]

/** The same requests to both, on one new connection each. */
async function expectSame(...requests: readonly (string | Words)[]): Promise<void> {
  const [ours, theirs] = [await site.client(), await Wire.connect(redis.port)]
  for (const request of requests) {
    const words = typeof request === 'string' ? request.split(' ') : request
    const about = JSON.stringify(words)
    expect(`${about} ${await ours.ask(...words)}`).toBe(`${about} ${await theirs.ask(...words)}`)
  }
  theirs.destroy()
}

it('tells a surplus argument of a subcommand from a wrong one, and names the subcommand as it was written', async () => {
  await expectSame(
    'CLIENT PAUSE 1 WRITE EXTRA',
    'CLIENT PAUSE 1 x',
    'client pAuse x y z',
    'CLIENT UNBLOCK 1 ERROR X',
    'client unblock x y z',
    'CLIENT UNBLOCK 1 x',
    'CLIENT TRACKING OFF x',
    'CLIENT TRACKING OFF NOLOOP',
    'slowlog get 1 2',
    'acl cat read x',
    'pubsub channels a b',
    'FUNCTION FLUSH SYNC x',
    'FUNCTION FLUSH x',
    'SCRIPT FLUSH SYNC x',
    'FUNCTION LIST x',
    'FUNCTION LIST WITHCODE withcode',
    'FUNCTION LIST LIBRARYNAME',
    'FUNCTION LIST LIBRARYNAME a WITHCODE',
    'FUNCTION LIST LIBRARYNAME a LIBRARYNAME b',
  )
})

it('ends an error where the bytes of its client end in line breaks, and makes those within it spaces', async () => {
  await expectSame(
    'SET k 1',
    ['EXPIRE', 'k', '10', 'FOO\r\n'],
    ['EXPIRE', 'k', '10', 'FOO\n\r\n\r'],
    ['EXPIRE', 'k', '10', '\r\nF\r\nOO \r\n\n\r'],
    ['FOO\r\n', 'a\r\n'],
    ['CLIENT', 'A\r\n'],
    'DEL k',
  )
})

it('wants a number after LOLWUT VERSION', async () => {
  await expectSame('LOLWUT VERSION foo', 'LOLWUT VERSION 5x y', 'LOLWUT version 99999999999999999999')
})

const MONITOR_REFUSES = [
  'SET a 1',
  'GET a',
  'EXISTS a',
  'KEYS *',
  'SCAN 0',
  'DBSIZE',
  'FLUSHALL',
  'XREAD STREAMS s 0',
  'XREADGROUP GROUP g c STREAMS s >',
  'XINFO STREAM s',
  'OBJECT ENCODING a',
  'PUBLISH a b',
  'EVAL x 0',
  'LOLWUT',
]
const MONITOR_MAY = ['PING', 'WATCH a', 'SUBSCRIBE a', 'UNSUBSCRIBE a', 'MULTI', 'EXEC', 'MULTI', 'GET a', 'EXEC']

it('keeps a monitor from the keys and nothing else, until it is reset', async () => {
  const [ours, theirs] = [await site.client(), await Wire.connect(redis.port)]
  const lines = (frames: readonly string[]): string[] => frames.map((one) => one.replace(/^\+\d+\.\d+ \[.*\] /, '+'))
  for (const wire of [ours, theirs]) {
    expect(await wire.ask('MONITOR')).toBe('+OK\r\n')
    // Has no answer, as one that is a monitor already.
    wire.send(encode(['MONITOR']))
  }
  for (const request of MONITOR_REFUSES) {
    const refusal = "-ERR Replica can't interact with the keyspace\r\n"
    for (const wire of [ours, theirs])
      expect(`${request} ${await wire.ask(...request.split(' '))}`).toBe(`${request} ${refusal}`)
  }
  const told: string[][] = []
  for (const wire of [ours, theirs]) {
    wire.send(encodeAll([...MONITOR_MAY, 'RESET', 'GET a', 'PING'].map((request) => request.split(' '))))
    const frames: string[] = []
    while (frames.at(-2) !== '$-1\r\n' || frames.at(-1) !== '+PONG\r\n') frames.push(...(await wire.take(1)))
    // When a line comes among the replies to a pipeline is not the matter here.
    told.push(lines(frames).sort())
  }
  expect(told[0]).toEqual(told[1])
  theirs.destroy()
})

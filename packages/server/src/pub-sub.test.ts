import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from './talk.ts'

let talk: Talk
beforeEach(async () => {
  talk = await Talk.start()
})
afterEach(async () => await talk.end())

it('tells the names one by one with the number of subscriptions, shard channels apart', async () => {
  talk.say('SUBSCRIBE a b a', 'PSUBSCRIBE x*', 'SSUBSCRIBE a', 'UNSUBSCRIBE zz')
  expect(await talk.hear(6)).toEqual([
    '*3 $9 subscribe $1 a :1',
    '*3 $9 subscribe $1 b :2',
    '*3 $9 subscribe $1 a :2',
    '*3 $10 psubscribe $2 x* :3',
    '*3 $10 ssubscribe $1 a :1',
    '*3 $11 unsubscribe $2 zz :3',
  ])
})

it('ends all subscriptions of a kind when no name is given, and says so when there were none', async () => {
  const listener = await talk.another(3)
  listener.say('SUBSCRIBE a b', 'UNSUBSCRIBE', 'UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE')
  expect((await listener.hear(7)).slice(2)).toEqual([
    '>3 $11 unsubscribe $1 a :1',
    '>3 $11 unsubscribe $1 b :0',
    '>3 $11 unsubscribe _ :0',
    '>3 $12 punsubscribe _ :0',
    '>3 $12 sunsubscribe _ :0',
  ])
})

it('sends a message to each channel and pattern that takes it, in the form of the protocol', async () => {
  const [two, three] = [await talk.another(2), await talk.another(3)]
  await two.ask('SUBSCRIBE news')
  await three.ask('PSUBSCRIBE n*')
  await three.ask('PSUBSCRIBE *s')
  expect(await talk.ask(['PUBLISH', 'news', 'a\0\xff'])).toBe(':3')
  expect(await two.hear(1)).toEqual(['*3 $7 message $4 news $3 a\0\xff'])
  expect(await three.hear(2)).toEqual([
    '>4 $8 pmessage $2 n* $4 news $3 a\0\xff',
    '>4 $8 pmessage $2 *s $4 news $3 a\0\xff',
  ])
})

it('keeps shard channels apart from channels', async () => {
  const listener = await talk.another()
  await listener.ask('SSUBSCRIBE a')
  expect(await talk.ask('PUBLISH a 1')).toBe(':0')
  expect(await talk.ask('SPUBLISH a 2')).toBe(':1')
  expect(await listener.hear(1)).toEqual(['*3 $8 smessage $1 a $1 2'])
})

// https://github.com/redis/redis/pull/12326: from 7.2 on; before, it came in the middle of EXEC's reply.
it('puts a message to oneself behind the reply, never into the middle of it', async () => {
  const both = await talk.another(3)
  await both.ask('SUBSCRIBE a')
  both.say('MULTI', 'PUBLISH a 1', 'PING', 'EXEC', 'PUBLISH a 2', 'PING')
  expect((await both.hear(8)).slice(3)).toEqual([
    '*2 :1 +PONG',
    '>3 $7 message $1 a $1 1',
    ':1',
    '>3 $7 message $1 a $1 2',
    '+PONG',
  ])
})

it('tells channels and how many listen, and forgets who has gone', async () => {
  const listener = await talk.another()
  await listener.ask('SUBSCRIBE news')
  await listener.ask('PSUBSCRIBE n*')
  expect(await talk.ask('PUBSUB CHANNELS')).toBe('*1 $4 news')
  expect(await talk.ask('PUBSUB CHANNELS x*')).toBe('*0')
  expect(await talk.ask('PUBSUB NUMSUB news other')).toBe('*4 $4 news :1 $5 other :0')
  expect(await talk.ask('PUBSUB NUMPAT')).toBe(':1')
  await listener.leave()
  expect(await talk.ask('PUBSUB NUMPAT')).toBe(':0')
  expect(await talk.ask('PUBLISH news 1')).toBe(':0')
  expect(await talk.ask('PUBSUB CHANNELS')).toBe('*0')
})

it('has no listener that closed itself in its own transaction before it subscribed', async () => {
  const own = await talk.another()
  const id = (await own.ask('CLIENT ID')).slice(1)
  own.say('MULTI', `CLIENT KILL ID ${id} SKIPME no`, 'SUBSCRIBE news', 'EXEC')
  await own.leave()
  expect(await talk.ask('PUBSUB NUMSUB news')).toBe('*2 $4 news :0')
})

it('ends all subscriptions at RESET', async () => {
  const listener = await talk.another()
  await listener.ask('SUBSCRIBE news')
  expect(await listener.ask('RESET')).toBe('+RESET')
  expect(await talk.ask('PUBLISH news 1')).toBe(':0')
  expect(await listener.ask('GET a')).toBe('$-1')
})

it('reaches a client that is blocked', async () => {
  const listener = await talk.another(3)
  await listener.ask('SUBSCRIBE news')
  listener.say('XREAD BLOCK 0 STREAMS s $', 'PING')
  while (talk.server.state.blockedClients.size === 0) await talk.ask('PING')
  await talk.ask('PUBLISH news 1')
  expect(await listener.hear(1)).toEqual(['>3 $7 message $4 news $1 1'])
  await talk.ask('XADD s 1-1 f v')
  expect(await listener.hear(2)).toEqual(['%1 $1 s *1 *2 $3 1-1 *2 $1 f $1 v', '+PONG'])
})

it('sends a message to all who listen, and nothing to those who have unsubscribed', async () => {
  const listeners = await Promise.all(Array.from({ length: 100 }, async () => await talk.another()))
  await Promise.all(listeners.map(async (each) => await each.ask('SUBSCRIBE news')))
  await Promise.all(listeners.slice(50).map(async (each) => await each.ask('UNSUBSCRIBE news')))
  talk.say('PUBLISH news 1', 'PUBLISH news 2')
  expect(await talk.hear(2)).toEqual([':50', ':50'])
  for (const each of listeners.slice(0, 50)) {
    expect(await each.hear(2)).toEqual(['*3 $7 message $4 news $1 1', '*3 $7 message $4 news $1 2'])
  }
  for (const each of listeners.slice(50)) expect(await each.ask('PING')).toBe('+PONG')
})

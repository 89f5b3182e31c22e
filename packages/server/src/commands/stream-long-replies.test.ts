import { ID_MAX, IdCell } from '@millrace/engine'
import { ReplyWriter } from '@millrace/protocol'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Plug } from '../security/plug.ts'
import { Talk } from '../talk.ts'
import { FrozenRange, LongReply } from './stream-long-replies.ts'

const ENTRIES = 5000

let talk: Talk
let whole: string

beforeEach(async () => {
  talk = await Talk.start()
  for (let i = 1; i <= ENTRIES; i++) talk.say(`XADD s ${i}-1 a ${i}`)
  await talk.hear(ENTRIES)
  whole = ids(1, ENTRIES)
})
afterEach(async () => await talk.end())

function entry(i: number): string {
  const id = `${i}-1`
  return `*2 $${id.length} ${id} *2 $1 a $${String(i).length} ${i}`
}

function ids(from: number, to: number): string {
  const step = from < to ? 1 : -1
  const entries: string[] = []
  for (let i = from; i !== to + step; i += step) entries.push(entry(i))
  return `*${entries.length} ${entries.join(' ')}`
}

it('tells very many entries forward, backward, and as many as asked for', async () => {
  expect(await talk.ask('XRANGE s - +')).toBe(whole)
  expect(await talk.ask('XREVRANGE s + -')).toBe(ids(ENTRIES, 1))
  expect(await talk.ask('XRANGE s 100 + COUNT 2000')).toBe(ids(100, 2099))
  expect(await talk.ask('XREVRANGE s 4000 - COUNT 2000')).toBe(ids(4000, 2001))
  expect(await talk.ask('XRANGE s 9000 9001')).toBe('*0')
})

it('tells very many entries of several streams', async () => {
  await talk.ask('XADD t 1-1 a 1')
  expect(await talk.ask('XREAD STREAMS s none t s 0 0 + 5000-0')).toBe(
    `*3 *2 $1 s ${whole} *2 $1 t ${ids(1, 1)} *2 $1 s *1 ${entry(ENTRIES)}`,
  )
  const modern = await talk.another(3)
  expect(await modern.ask('XREAD STREAMS s 0')).toBe(`%1 $1 s ${whole}`)
})

it('tells very many entries that it delivers, and those of a history', async () => {
  await talk.ask('XGROUP CREATE s g 0')
  await talk.ask('XADD t 1-1 a 1')
  await talk.ask('XGROUP CREATE t g 0')
  expect(await talk.ask('XREADGROUP GROUP g c COUNT 3000 STREAMS s t s > > >')).toBe(
    `*3 *2 $1 s ${ids(1, 3000)} *2 $1 t ${ids(1, 1)} *2 $1 s ${ids(3001, ENTRIES)}`,
  )
  expect(await talk.ask('XREADGROUP GROUP g c STREAMS s >')).toBe('*-1')
  expect(await talk.ask('XREADGROUP GROUP g c STREAMS s t 0 0')).toBe(`*2 *2 $1 s ${whole} *2 $1 t ${ids(1, 1)}`)
  expect(await talk.ask('XPENDING s g')).toBe(`*4 :${ENTRIES} $3 1-1 $6 5000-1 *1 *2 $1 c $4 ${ENTRIES}`)
})

it('tells very many entries with MAXCOUNT, MAXSIZE and CLAIM', async () => {
  await talk.ask('XGROUP CREATE s g 0')
  expect(await talk.ask('XREAD MAXCOUNT 4000 STREAMS s s 2000 0')).toBe(
    `*2 *2 $1 s ${ids(2000, ENTRIES)} *2 $1 s ${ids(1, 999)}`,
  )
  expect(await talk.ask('XREAD MAXSIZE 9999999 STREAMS s 0')).toBe(`*1 *2 $1 s ${whole}`)
  await talk.ask('XREADGROUP GROUP g c COUNT 4000 STREAMS s >')
  const claimed = (await talk.ask('XREADGROUP GROUP g d CLAIM 0 STREAMS s >')).replaceAll(/ :\d+ :1(?= |$)/g, ' :9 :1')
  const told = ids(1, ENTRIES).replaceAll(/\*2 (\$\d \d+-1 \*2 \$1 a \$\d \d+)/g, '*4 $1 :9 :1')
  const parts = told.split(' *4 ')
  for (let i = 4001; i <= ENTRIES; i++) parts[i] = parts[i]!.replace(':9 :1', ':0 :0')
  expect(claimed).toBe(`*1 *2 $1 s ${parts.join(' *4 ')}`)
})

function pendingRows(from: number, to: number, consumer: string): string {
  const rows: string[] = []
  for (let i = from; i <= to; i++) rows.push(`*4 $${`${i}-1`.length} ${i}-1 $1 ${consumer} :9 :1`)
  return `*${rows.length} ${rows.join(' ')}`
}

it('tells very many pending entries', async () => {
  await talk.ask('XGROUP CREATE s g 0')
  await talk.ask('XREADGROUP GROUP g c STREAMS s >')
  await talk.ask('XCLAIM s g d 0 2-1 JUSTID')
  const withoutIdle = (told: string): string => told.replaceAll(/ :\d+ :1(?= |$)/g, ' :9 :1')
  const whole = pendingRows(1, ENTRIES, 'c').replace('$3 2-1 $1 c', '$3 2-1 $1 d')
  expect(withoutIdle(await talk.ask('XPENDING s g - + 9999'))).toBe(whole)
  expect(withoutIdle(await talk.ask('XPENDING s g 3 3000 9999 c'))).toBe(pendingRows(3, 3000, 'c'))
})

it('tells very many entries that were claimed, those that are lost, and what is pending still', async () => {
  await talk.ask('XGROUP CREATE s g 0')
  await talk.ask('XREADGROUP GROUP g c STREAMS s >')
  expect(await talk.ask('XAUTOCLAIM s g d 0 0 COUNT 9999')).toBe(`*3 $3 0-0 ${whole} *0`)
  const all = Array.from({ length: ENTRIES }, (_, i) => `${i + 1}-1`)
  expect(await talk.ask(`XCLAIM s g c 0 ${all.join(' ')}`)).toBe(whole)
  const bare = (list: string[]): string => `*${list.length} ${list.map((id) => `$${id.length} ${id}`).join(' ')}`
  expect(await talk.ask(`XCLAIM s g c 0 ${all.join(' ')} JUSTID`)).toBe(bare(all))
  expect(await talk.ask('XTRIM s MAXLEN 2000')).toBe(`:${ENTRIES - 2000}`)
  const history = await talk.ask('XREADGROUP GROUP g c STREAMS s 0')
  expect(history).toContain('*2 $6 3000-1 *-1 *2 $6 3001-1 *2 $1 a $4 3001')
  const claimed = `*2000 ${ids(3001, ENTRIES).slice('*2000 '.length)}`
  expect(await talk.ask('XAUTOCLAIM s g d 0 0 COUNT 9999')).toBe(`*3 $3 0-0 ${claimed} ${bare(all.slice(0, 3000))}`)
  const full = await talk.ask('XINFO STREAM s FULL COUNT 0')
  expect(full).toContain(` $7 entries ${claimed} $6 groups *1 `)
  expect(full).toContain(' $7 pending *2000 *4 $6 3001-1 $1 d ')
  expect(full).toContain(' $7 pending *2000 *3 $6 3001-1 :')
})

it('tells very many entries to who has waited for them, and then goes on', async () => {
  const [reader, member] = [await talk.another(), await talk.another()]
  await talk.ask('XGROUP CREATE t g $ MKSTREAM')
  reader.say('XREAD BLOCK 0 STREAMS t $', 'PING')
  member.say('XREADGROUP GROUP g c BLOCK 0 STREAMS t >', 'PING')
  await expect.poll(() => talk.server.state.blockedClients.size).toBe(2)
  talk.say('MULTI', ...Array.from({ length: ENTRIES }, (_, i) => `XADD t ${i + 1}-1 a ${i + 1}`), 'EXEC')
  expect(await reader.hear(2)).toEqual([`*1 *2 $1 t ${whole}`, '+PONG'])
  expect(await member.hear(2)).toEqual([`*1 *2 $1 t ${whole}`, '+PONG'])
})

it('passes over what is deleted', async () => {
  const odd = Array.from({ length: ENTRIES / 2 }, (_, i) => i * 2 + 1)
  expect(await talk.ask(`XDEL s ${odd.map((i) => `${i}-1`).join(' ')}`)).toBe(`:${ENTRIES / 2}`)
  const even = odd.map((i) => entry(i + 1))
  expect(await talk.ask('XRANGE s - +')).toBe(`*${ENTRIES / 2} ${even.join(' ')}`)
  expect(await talk.ask('XREVRANGE s + - COUNT 1500')).toBe(`*1500 ${even.toReversed().slice(0, 1500).join(' ')}`)
})

it('tells what was there when the reply began, whatever happens to the stream meanwhile', async () => {
  const { databases, nowMs } = talk.server.state
  const stream = databases.at(0).find('s', nowMs)!
  const range = new FrozenRange(stream, { from: new IdCell(), to: IdCell.of(ID_MAX), isBackward: false }, Infinity)
  const source = new LongReply([{ key: undefined, range }])
  const reply = new ReplyWriter()
  expect(source.next(reply, 1000)).toBe(false)
  await talk.ask('XADD s 6000-1 a 1')
  await talk.ask('XDEL s 4000-1 4001-1')
  await talk.ask('XTRIM s MAXLEN 10')
  await talk.ask('DEL s')
  let steps = 1
  while (!source.next(reply, 1000)) steps++
  expect(steps).toBeGreaterThan(10)
  expect(reply.written().toString('latin1').trimEnd().replaceAll('\r\n', ' ')).toBe(whole)
})

it('answers other clients while it tells very many entries', async () => {
  const other = await talk.another()
  talk.say(...Array.from({ length: 60 }, () => 'XRANGE s - +'))
  const order: string[] = []
  const long = talk.hear(60).then(() => order.push('long'))
  const short = other.ask('PING').then(() => order.push('short'))
  await Promise.all([long, short])
  expect(order).toEqual(['short', 'long'])
})

it('tells very many entries in steps whichever command found them, and few at once', async () => {
  await talk.ask('XGROUP CREATE s g 0')
  const plug = await Plug.into(talk.server.state)
  const { client } = plug.connection
  let streamed = 0
  client.stream = (source) => {
    streamed++
    client.source = source
  }
  const isLong = async (command: string): Promise<boolean> => {
    const before = streamed
    const { answeredBytes } = plug
    plug.put(`${command}\r\n`)
    // What it does may begin in a later turn, while the one before ends.
    await expect.poll(() => streamed > before || plug.answeredBytes > answeredBytes).toBe(true)
    await expect.poll(() => client.source).toBeUndefined()
    return streamed > before
  }
  expect(await isLong('XREADGROUP GROUP g c COUNT 1000 STREAMS s >')).toBe(false)
  expect(await isLong('XREADGROUP GROUP g c COUNT 1001 STREAMS s >')).toBe(true)
  expect(await isLong('XREADGROUP GROUP g d CLAIM 0 COUNT 1001 STREAMS s >')).toBe(true)
  expect(await isLong('XREADGROUP GROUP g d STREAMS s 0')).toBe(true)
  expect(await isLong('XREADGROUP GROUP g d COUNT 1000 STREAMS s 0')).toBe(false)
  expect(await isLong('XPENDING s g - + 1000')).toBe(false)
  expect(await isLong('XPENDING s g - + 1001')).toBe(true)
  expect(await isLong('XAUTOCLAIM s g d 0 0 COUNT 1000')).toBe(false)
  expect(await isLong('XAUTOCLAIM s g d 0 0 COUNT 1001')).toBe(true)
  expect(await isLong('XINFO STREAM s FULL')).toBe(false)
  expect(await isLong('XINFO STREAM s FULL COUNT 0')).toBe(true)
  expect(await isLong('XREAD MAXCOUNT 1001 STREAMS s 0')).toBe(true)
  expect(await isLong('XREAD MAXSIZE 99999 STREAMS s 0')).toBe(true)
  expect(await isLong('XREAD MAXSIZE 999 STREAMS s 0')).toBe(false)
})

it('tells nothing of what came to a client that has no replies', async () => {
  const quiet = await talk.another()
  quiet.say('CLIENT REPLY OFF', 'XREAD BLOCK 0 STREAMS t $', 'CLIENT REPLY ON')
  await expect.poll(() => talk.server.state.blockedClients.size).toBe(1)
  talk.say('MULTI', ...Array.from({ length: 2000 }, (_, i) => `XADD t ${i + 1}-1 a 1`), 'EXEC')
  expect(await quiet.hear(1)).toEqual(['+OK'])
})

it('tells very many entries in a transaction', async () => {
  talk.say('MULTI', 'XRANGE s - +', 'XLEN s', 'EXEC')
  expect((await talk.hear(4))[3]).toBe(`*2 ${whole} :${ENTRIES}`)
})

import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'
import { sharingReads } from './shared-reads.ts'
import { Talk } from './talk.ts'

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Two clients of one server: what the second sends lands where the first one's bytes were. */
async function twoClients(): Promise<{ first: Talk; second: Talk }> {
  const first = await Talk.start()
  closing.push(async () => await first.end())
  return { first, second: await first.another() }
}

async function overwrite(other: Talk): Promise<void> {
  await other.ask(['ECHO', 'x'.repeat(60_000)])
}

it('keeps what a command has stored when the next client writes over the request', async () => {
  const { first, second } = await twoClients()
  await first.ask('SET key value')
  await first.ask('XADD stream 1-1 field content')
  await first.ask('XGROUP CREATE stream group 0')
  await first.ask('CLIENT SETNAME name-of-first')
  await overwrite(second)
  expect(await second.ask('GET key')).toBe('$5 value')
  expect(await second.ask('XRANGE stream - +')).toBe('*1 *2 $3 1-1 *2 $5 field $7 content')
  expect(await second.ask('XINFO GROUPS stream')).toContain('$5 group')
  expect(await first.ask('CLIENT GETNAME')).toBe('$13 name-of-first')
  expect(await first.ask('EXISTS key stream')).toBe(':2')
})

it('keeps what a transaction has queued and what a blocked read waits for', async () => {
  const { first, second } = await twoClients()
  await first.ask('MULTI')
  await first.ask('SET queued in-a-transaction')
  await overwrite(second)
  expect(await first.ask('EXEC')).toBe('*1 +OK')
  expect(await second.ask('GET queued')).toBe('$16 in-a-transaction')
  first.say('XREAD BLOCK 10000 STREAMS waited-for $')
  await blocked(second)
  await overwrite(second)
  await second.ask('XADD waited-for 1-1 field arrived')
  expect(await first.hear(1)).toEqual(['*1 *2 $10 waited-for *1 *2 $3 1-1 *2 $5 field $7 arrived'])
})

async function blocked(other: Talk): Promise<void> {
  while (!(await other.ask('INFO clients')).includes('blocked_clients:1')) await overwrite(other)
}

it('keeps the begun half of a request while others send whole ones', async () => {
  const { first, second } = await twoClients()
  const { port } = first.server
  const socket = connect(port, '127.0.0.1')
  closing.push(() => void socket.destroy())
  await once(socket, 'connect')
  socket.setNoDelay(true)
  const request = '*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$11\r\nhello\r\nmore\r\n'
  for (let cut = 1; cut < request.length; cut++) {
    socket.write(request.slice(0, cut))
    await overwrite(second)
    const answered = once(socket, 'data')
    socket.write(request.slice(cut))
    expect(String((await answered)[0])).toBe('+OK\r\n')
    expect(await second.ask('GETDEL half')).toBe('$11 hello more')
  }
})

it('stops and goes on reading, tells the end, and is counted out by its server', async () => {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closing.push(() => void server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  closing.push(() => void client.destroy())
  const [accepted] = (await once(server, 'connection')) as [Socket]
  const sharing = sharingReads(accepted)!
  let text = ''
  const heard = new Promise<void>((resolve) => {
    sharing.reader = {
      receiveShared(bytes, length) {
        text += bytes.toString('latin1', 0, length)
        if (text.endsWith('!')) resolve()
      },
    }
  })
  sharing.socket.pause()
  client.write('one')
  sharing.socket.resume()
  client.write('two!')
  await heard
  expect(text).toBe('onetwo!')
  const ended = once(sharing.socket, 'end')
  client.end()
  await ended
  const closed = once(sharing.socket, 'close')
  sharing.socket.end()
  await closed
  const left = await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))
  expect(left).toBe(0)
})

it('leaves alone a socket that has no handle to hand over', () => {
  expect(sharingReads(new Socket())).toBeUndefined()
})

import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'
import { handleIo, type HandleIo } from './handle-io.ts'
import { outletOf, sharingReads } from './shared-reads.ts'
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

const ways: readonly { way: string; io: HandleIo | undefined }[] = [
  { way: 'past net.Socket', io: handleIo },
  { way: 'through net.Socket', io: undefined },
]

it('finds on this runtime what goes past net.Socket', () => {
  expect(handleIo).toBeDefined()
})

it.each(ways)('$way: stops and goes on reading, tells the end, and is counted out by its server', async ({ io }) => {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closing.push(() => void server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  closing.push(() => void client.destroy())
  const [accepted] = (await once(server, 'connection')) as [Socket]
  const sharing = sharingReads(accepted, io)!
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

/** A socket that was accepted, with its reads shared, and its peer, which doesn't read yet. */
async function accepted(io: HandleIo | undefined): Promise<{ socket: Socket; peer: Socket }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closing.push(() => void server.close())
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  peer.pause()
  const [socket] = (await once(server, 'connection')) as [Socket]
  closing.push(() => void peer.destroy())
  const sharing = sharingReads(socket, io)!
  closing.push(() => void sharing.socket.destroy())
  return { socket: sharing.socket, peer }
}

it.each(ways)('$way: sends at once what the system takes, the rest in its order, and tells the end', async ({ io }) => {
  const { socket, peer } = await accepted(io)
  const outlet = outletOf(socket)
  outlet.send(Buffer.from('first '))
  expect(outlet.unsent).toBe(0)
  const large = Buffer.alloc(16 * 1024 * 1024, 'x')
  outlet.send(large)
  expect(outlet.unsent).toBeGreaterThan(0)
  outlet.send(Buffer.from(' second'))
  outlet.send(Buffer.from(' third'))
  expect(outlet.unsent).toBeGreaterThan(13)
  const drained = once(socket, 'drain')
  const chunks: Buffer[] = []
  peer.on('data', (chunk: Buffer) => chunks.push(chunk))
  peer.resume()
  await drained
  outlet.send(Buffer.from(' last'))
  const ended = once(peer, 'end')
  socket.end()
  await ended
  const text = Buffer.concat(chunks).toString('latin1')
  expect(text.length).toBe(large.length + 'first  second third last'.length)
  expect(text.replaceAll(/x+/g, 'x')).toBe('first x second third last')
  expect(outlet.unsent).toBe(0)
})

it.each(ways)('$way: ends a socket whose peer is gone while something waits', async ({ io }) => {
  const { socket, peer } = await accepted(io)
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  outletOf(socket).send(Buffer.alloc(16 * 1024 * 1024))
  peer.resetAndDestroy()
  await closed
  expect(socket.destroyed).toBe(true)
  expect(() => outletOf(socket).send(Buffer.from('to nobody'))).not.toThrow()
})

it.each(ways)('$way: a write that fails at once ends the socket with what the system said', async ({ io }) => {
  const { socket, peer } = await accepted(io)
  const gone = once(peer, 'close')
  peer.resetAndDestroy()
  await gone
  const failed = once(socket, 'error')
  outletOf(socket).send(Buffer.from('to nobody'))
  const [error] = (await failed) as [NodeJS.ErrnoException]
  expect(error).toMatchObject({ syscall: 'write', code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) as string })
  expect(error.message).toBe(`write ${error.code}`)
  expect(socket.destroyed).toBe(true)
})

it('leaves alone a socket that has no handle to hand over', () => {
  expect(sharingReads(new Socket(), handleIo)).toBeUndefined()
})

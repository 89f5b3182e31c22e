/** Bounds on connections and on memory: caps, clients that do not read, clients that do not speak. */
import type { Socket as TcpSocket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '@millrace/testing'
import type { Socket } from 'socket.io-client'
import { frame, openTcp, openWebSocket, receive } from './testing/raw-socket.ts'
import type { Script } from './testing/scripted-model.ts'
import { call, Stage } from './testing/stage.ts'

/** How a WebSocket's close frame begins. */
const closeFrame = '\x88'

let stage: Stage
const tcp: TcpSocket[] = []
afterEach(async () => {
  for (const socket of tcp.splice(0)) socket.destroy()
  await stage.close()
})

function question(): object {
  return { requestId: randomBytes(8).toString('hex'), topic: 'Redis', question: 'x' }
}

function raw(): TcpSocket {
  const socket = openTcp(stage.server.port)
  tcp.push(socket)
  return socket
}

it('takes so many connections of one address and says why it takes no more', async () => {
  stage = await Stage.start({ limits: { connectionsPerAddressMax: 3 } })
  for (let index = 0; index < 3; index++) await stage.connect()
  const socket = raw()
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
  await new Promise((resolve) => socket.once('close', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 429 .*TOO_MANY_CONNECTIONS/s)
})

it('takes a connection again when one has left', async () => {
  stage = await Stage.start({ limits: { connectionsPerAddressMax: 2 } })
  const [one] = [await stage.connect(), await stage.connect()]
  await expect(stage.connect()).rejects.toThrow()
  one!.disconnect()
  const connected = async () => (await stage.connect().catch(() => undefined))?.connected
  await waitFor(connected, { what: 'a place to be free' })
})

it('holds no more than a little for a socket that does not read, and loses nothing of the answers', async () => {
  const answersMax = 4
  stage = await Stage.start()
  const cookie = await stage.session()
  const asker = await stage.connect({ cookie })
  const socket = await upgraded(cookie)
  let tail = ''
  let ends = 0
  let bytes = 0
  socket.on('data', (data: Buffer) => {
    bytes += data.length
    const text = tail + data.toString('latin1')
    ends += text.split('"type":"end"').length - 1
    tail = text.slice(-'"type":"end"'.length + 1)
  })
  for (let index = 0; index < answersMax; index++) {
    const { answer } = await call(asker, 'ask', question())
    socket.write(frame(`42${JSON.stringify(['follow', { answer }])}`))
    const script = await waitFor(() => stage.model.scripts[index], { what: 'the model' })
    const before = bytes
    script.say('first')
    await waitFor(() => bytes > before, { what: 'the follow to begin' })
  }
  socket.pause()
  // 16 MB: several times what the kernel and the outlet take.
  for (const script of stage.model.scripts) sayALot(script)
  await waitFor(async () => (await states(asker)).every((state) => state === 'done'), {
    what: 'the end',
    timeoutMs: 15_000,
  })
  expect(stage.server.waitingBytes).toBeGreaterThan(0)
  expect(stage.server.waitingBytes).toBeLessThan(2 * 1024 * 1024)
  socket.resume()
  await waitFor(() => ends === answersMax, { what: 'the rest', timeoutMs: 15_000 })
  expect(bytes).toBeGreaterThan(answersMax * 4_000_000)
})

function sayALot(script: Script, pieces = 500): void {
  for (let index = 0; index < pieces; index++) script.say('x'.repeat(8000))
  script.finish()
}

async function states(socket: Socket): Promise<(string | undefined)[]> {
  return ((await call(socket, 'list', {})).answers ?? []).map(({ state }) => state)
}

it('waits for an event stream that does not read, too', async () => {
  stage = await Stage.start()
  const cookie = await stage.session()
  const asker = await stage.connect({ cookie })
  const { answer } = await call(asker, 'ask', question())
  const socket = raw()
  socket.pause()
  socket.write(`GET /api/answers/${answer}/events HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`)
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  sayALot(script)
  await waitFor(async () => (await states(asker))[0] === 'done', { what: 'the end', timeoutMs: 15_000 })
  expect(stage.server.waitingBytes).toBeLessThan(2 * 1024 * 1024)
  let tail = ''
  socket.on('data', (bytes: Buffer) => (tail = (tail + bytes.toString('latin1')).slice(-20_000)))
  socket.resume()
  await waitFor(() => tail.includes('event: closed'), { what: 'the rest', timeoutMs: 15_000 })
})

it('drops an event stream that takes nothing for too long', async () => {
  // Long enough for a busy machine to see the bytes before the connections are dropped.
  stage = await Stage.start({ limits: { stallMsMax: 1000 } })
  const cookie = await stage.session()
  const asker = await stage.connect({ cookie })
  const { answer } = await call(asker, 'ask', question())
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  // More than a system that has sent much of late holds for one connection.
  sayALot(script, 2000)
  await waitFor(async () => (await states(asker))[0] === 'done', { what: 'the end', timeoutMs: 15_000 })
  const stalled = Array.from({ length: 4 }, () => raw())
  for (const socket of stalled) {
    socket.pause()
    socket.write(`GET /api/answers/${answer}/events HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`)
  }
  await waitFor(() => stage.server.waitingBytes > 0, { what: 'bytes to wait' })
  await waitFor(() => stage.server.waitingBytes === 0, { what: 'the connections to be dropped' })
  expect((await call(asker, 'list', {})).ok).toBe(true)
})

it('lets a whole answer take longer than silence is allowed', async () => {
  stage = await Stage.start({ limits: { stallMsMax: 500 } })
  const asking = stage.post('/askQuestionWithoutStream', { topic: 'Redis', topicQuestion: 'x' })
  const script = await waitFor(() => stage.model.scripts[0], { what: 'the model' })
  const silent = raw()
  silent.write('GET')
  await new Promise((resolve) => silent.once('close', resolve))
  script.say('late').finish()
  expect(await (await asking).json()).toEqual({ output: 'late' })
})

it('closes the connection of a client that leaves, so that it cannot join again and again on it', async () => {
  stage = await Stage.start()
  const socket = await upgraded(await stage.session())
  const closing = receive(socket, closeFrame)
  socket.write(frame('41'))
  await closing
})

it('disconnects a client that asks and asks and does not read', async () => {
  stage = await Stage.start({ limits: { packetsPerSecondMax: 100_000 } })
  const cookie = await stage.session()
  const asker = await stage.connect({ cookie })
  for (let index = 0; index < 20; index++) {
    await call(asker, 'ask', { ...question(), question: 'q'.repeat(16_000) })
  }
  const socket = await upgraded(cookie)
  socket.pause()
  const isCut = () => {
    for (let id = 0; id < 30 && !socket.destroyed; id++) socket.write(frame(`42${id}["list",{"count":100}]`))
    return socket.destroyed || stage.lines.some((line) => line.includes('does not read'))
  }
  await waitFor(isCut, { what: 'the client to be cut off', timeoutMs: 15_000 })
  expect((await call(asker, 'list', {})).ok).toBe(true)
})

/** A client of Socket.IO whose bytes the test reads, or does not. */
async function upgraded(cookie: string): Promise<TcpSocket> {
  const socket = await openWebSocket(stage.server.port, { Cookie: cookie })
  tcp.push(socket)
  const joined = receive(socket, 'hello')
  socket.write(frame('40'))
  await joined
  return socket
}

it.each([
  [64, 'reply'],
  [65, 'close'],
] as const)('answers a message in %i pieces with a %s', async (pieces, answer) => {
  stage = await Stage.start()
  const socket = await openWebSocket(stage.server.port)
  tcp.push(socket)
  const joined = receive(socket, '"hello"')
  socket.write(frame('40'))
  await joined
  const text = '420["list",{}]'.padEnd(pieces, ' ')
  const answered =
    answer === 'reply' ? receive(socket, '"answers"') : new Promise((resolve) => socket.resume().once('close', resolve))
  for (let index = 0; index < pieces; index++) {
    const piece = frame(index === pieces - 1 ? text.slice(index) : text[index]!)
    // The first names the kind, the others continue it, and only the last says that it is the last.
    piece.writeUInt8((index === 0 ? 0x01 : 0x00) | (index === pieces - 1 ? 0x80 : 0), 0)
    socket.write(piece)
  }
  await answered
})

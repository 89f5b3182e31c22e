/**
 * Two Socket.IO servers that share what they send through @socket.io/redis-streams-adapter, and browsers of both.
 *
 *   ann ──────► server 0 ──XADD──► stream `socket.io` ──XREAD BLOCK──► server 1 ◄────── bob
 *   cid ──proxy──┘  └──PUBLISH, SUBSCRIBE: questions and their answers──┘
 *           └─ is cut, and leads to server 1 afterwards: the session is in the store, so cid goes on where it was
 */
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-streams-adapter'
import { type Proxy, startProxy, startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Server as SocketServer } from 'socket.io'
import { io as connectBrowser, type Socket as Browser } from 'socket.io-client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bounded, describeClient, Inbox, type Scene } from './scenario.ts'

/** A client for an adapter; it makes two more of it by itself. */
type CreateClient = (port: number) => Promise<{ client: object; end: () => void }>

describeClient('redis-streams-adapter on ioredis', startRedis, (scene) => tell(scene, createIoredis))
describeClient('redis-streams-adapter on node-redis', startRedis, (scene) => tell(scene, createNodeRedis))

const EVENTS = ['news', 'room', 'bytes', 'late']

async function createIoredis(port: number): ReturnType<CreateClient> {
  const client = new Redis({ port, retryStrategy: () => 1 })
  client.on('error', () => undefined)
  return { client, end: () => client.disconnect() }
}

async function createNodeRedis(port: number): ReturnType<CreateClient> {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: () => 1 } })
  client.on('error', () => undefined)
  await client.connect()
  return { client, end: () => client.destroy() }
}

function tell(scene: Scene, create: CreateClient): void {
  const stage = new Stage(scene, create)
  beforeAll(async () => await stage.open())
  afterAll(async () => await stage.close())
  it('lets the servers find each other', async () => await meet(stage))
  it('sends to the browsers of both servers', async () => await broadcast(stage))
  it('sends to rooms, wherever their members are', async () => await sendToRooms(stage))
  it('asks browsers and servers, and gets their answers', async () => await ask(stage))
  it('moves and ends sockets of the other server', async () => await manage(stage))
  it('gives a browser that comes back what it missed, at the other server', async () => await recover(stage))
  it('begins a new session when the old one is not there any more', async () => await beginAnew(stage))
  it('goes on after its connections were killed', async () => await comeBack(stage))
}

interface Site {
  readonly io: SocketServer
  readonly port: number
  readonly end: () => void
}

/** A browser and what it has received. */
interface Listener {
  readonly browser: Browser
  readonly inbox: Inbox<readonly unknown[]>
}

class Stage {
  readonly scene: Scene
  readonly sites: Site[] = []
  readonly #create: CreateClient
  readonly #listeners: Listener[] = []
  #control: Redis | undefined = undefined

  constructor(scene: Scene, create: CreateClient) {
    this.scene = scene
    this.#create = create
  }

  get redis(): Redis {
    return this.#control!
  }

  get servers(): readonly [SocketServer, SocketServer] {
    return [this.sites[0]!.io, this.sites[1]!.io]
  }

  async open(): Promise<void> {
    this.#control = new Redis({ port: this.scene.port })
    this.sites.push(await this.#openSite(), await this.#openSite())
    await this.untilJoined()
  }

  /** Resolves when both servers read the stream and hear the channel: what is sent from then on reaches both. */
  async untilJoined(): Promise<void> {
    const joined = async (): Promise<void> => {
      for (;;) {
        const clients = await this.redis.info('clients')
        const [, listeners] = (await this.redis.call('PUBSUB', 'NUMSUB', 'socket.io#/#')) as [string, number]
        if (clients.includes('blocked_clients:2\r\n') && listeners === 2) return
      }
    }
    await bounded(joined(), 'both servers to read')
  }

  /** A browser at this port, connected. */
  async enter(port: number): Promise<Listener> {
    const browser = connectBrowser(`http://127.0.0.1:${port}`, {
      transports: ['websocket'],
      reconnectionDelay: 5,
      reconnectionDelayMax: 10,
      forceNew: true,
    })
    const inbox = new Inbox<readonly unknown[]>()
    // With recovery the last argument is the message's offset, for the browser's client alone.
    for (const event of EVENTS) browser.on(event, (value: unknown) => inbox.push([event, value]))
    browser.on('question', (text: string, answer: (text: string) => void) => answer(`${text}!`))
    const listener = { browser, inbox }
    this.#listeners.push(listener)
    await bounded(new Promise<void>((resolve) => browser.once('connect', resolve)), 'a browser to connect')
    return listener
  }

  leave(): void {
    for (const { browser } of this.#listeners.splice(0)) browser.disconnect()
  }

  async close(): Promise<void> {
    this.leave()
    for (const { io } of this.sites) await io.close()
    // The readers leave once they have been answered.
    await this.redis.xadd('socket.io', '*', 'the', 'end')
    const alone = async (): Promise<void> => {
      while (!(await this.redis.info('clients')).includes('blocked_clients:0\r\n')) continue
    }
    await bounded(alone(), 'the readers to leave')
    for (const { end } of this.sites) end()
    this.redis.disconnect()
  }

  async #openSite(): Promise<Site> {
    const { client, end } = await this.#create(this.scene.port)
    const http = createServer()
    const io = new SocketServer(http, {
      adapter: createAdapter(client, { blockTimeInMs: 5000 }),
      connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
    })
    io.on('connection', (socket) => {
      socket.on('join', async (room: string, done: () => void) => {
        await socket.join(room)
        done()
      })
      socket.on('shout', (text: string) => socket.broadcast.emit('news', text))
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const address = http.address()
    return { io, end, port: typeof address === 'object' && address !== null ? address.port : 0 }
  }
}

/** Ann at server 0 and bob at server 1, for one part of the play. */
async function couple(stage: Stage): Promise<[Listener, Listener]> {
  stage.leave()
  return [await stage.enter(stage.sites[0]!.port), await stage.enter(stage.sites[1]!.port)]
}

async function meet(stage: Stage): Promise<void> {
  const { scene, servers, redis } = stage
  await scene.is(servers[0].of('/').adapter.serverCount(), 2)
  await scene.is(servers[1].of('/').adapter.serverCount(), 2)
  await scene.is(redis.call('PUBSUB', 'CHANNELS', 'socket.io#/#'), ['socket.io#/#'])
  await scene.is(redis.exists('socket.io'), 0)
  const [ann, bob] = await couple(stage)
  await scene.is(Promise.resolve(ann.browser.recovered), false)
  await scene.is(servers[0].fetchSockets().then(idsOf), [ann.browser.id, bob.browser.id].sort())
}

async function broadcast(stage: Stage): Promise<void> {
  const { scene, servers, redis } = stage
  const [ann, bob] = await couple(stage)
  servers[0].emit('news', 'from 0')
  await scene.is(bob.inbox.take(1), [['news', 'from 0']])
  await scene.is(ann.inbox.take(1), [['news', 'from 0']])
  servers[1].emit('news', { from: 1, list: [1, 'two', null] })
  await scene.is(ann.inbox.take(1), [['news', { from: 1, list: [1, 'two', null] }]])
  await scene.is(bob.inbox.take(1), [['news', { from: 1, list: [1, 'two', null] }]])
  ann.browser.emit('shout', 'hello')
  await scene.is(bob.inbox.take(1), [['news', 'hello']])
  servers[0].emit('bytes', Buffer.from([0, 1, 255]))
  await scene.is(bob.inbox.take(1), [['bytes', Buffer.from([0, 1, 255])]])
  // Her own call did not come back to ann: the bytes are the next that she gets.
  await scene.is(ann.inbox.take(1), [['bytes', Buffer.from([0, 1, 255])]])
  await scene.is(redis.type('socket.io'), 'stream')
  const [entry] = (await scene.gives(redis.xrevrange('socket.io', '+', '-', 'COUNT', 1))) as [string, string[]][]
  await scene.is(Promise.resolve(entry?.[1].filter((_text, i) => i % 2 === 0)), ['uid', 'nsp', 'type', 'data'])
  for (let i = 0; i < 300; i++) servers[i % 2]!.emit('news', i)
  const numbers = (await scene.gives(bob.inbox.take(300))).map(([, value]) => Number(value))
  await scene.is(
    Promise.resolve(numbers.toSorted((a, b) => a - b)),
    Array.from({ length: 300 }, (_, i) => i),
  )
}

async function sendToRooms(stage: Stage): Promise<void> {
  const { scene, servers } = stage
  const [ann, bob] = await couple(stage)
  await scene.is(bob.browser.timeout(5000).emitWithAck('join', 'blue'), undefined)
  servers[0].to('blue').emit('room', 'for blue')
  servers[0].emit('news', 'for all')
  await scene.is(bob.inbox.take(2), [
    ['room', 'for blue'],
    ['news', 'for all'],
  ])
  await scene.is(ann.inbox.take(1), [['news', 'for all']])
  servers[0].except('blue').emit('room', 'not for blue')
  servers[0].emit('news', 'again')
  await scene.is(ann.inbox.take(2), [
    ['room', 'not for blue'],
    ['news', 'again'],
  ])
  await scene.is(bob.inbox.take(1), [['news', 'again']])
  servers[0].to(bob.browser.id!).emit('room', 'for bob')
  await scene.is(bob.inbox.take(1), [['room', 'for bob']])
}

async function ask(stage: Stage): Promise<void> {
  const { scene, servers } = stage
  await couple(stage)
  await scene.is(servers[0].timeout(5000).emitWithAck('question', 'all'), ['all!', 'all!'])
  await scene.is(servers[1].timeout(5000).emitWithAck('question', 'all'), ['all!', 'all!'])
  servers[1].on('hello', (text: string, answer: (text: string) => void) => answer(`${text} from 1`))
  await scene.is(servers[0].serverSideEmitWithAck('hello', 'greetings'), ['greetings from 1'])
  const heard = new Promise((resolve) => servers[0].once('tell', resolve))
  servers[1].serverSideEmit('tell', 'a secret')
  await scene.is(heard, 'a secret')
}

async function manage(stage: Stage): Promise<void> {
  const { scene, servers } = stage
  const [ann, bob] = await couple(stage)
  servers[0].in(bob.browser.id!).socketsJoin('red')
  servers[0].to('red').emit('room', 'for red')
  await scene.is(bob.inbox.take(1), [['room', 'for red']])
  await scene.is(servers[0].in('red').fetchSockets().then(idsOf), [bob.browser.id])
  servers[0].in('red').socketsLeave('red')
  servers[0].to('red').emit('room', 'for nobody')
  servers[0].emit('news', 'for all')
  await scene.is(bob.inbox.take(1), [['news', 'for all']])
  const ended = new Promise((resolve) => bob.browser.once('disconnect', resolve))
  servers[0].in(bob.browser.id!).disconnectSockets()
  await scene.is(ended, 'io server disconnect')
  await scene.is(servers[1].fetchSockets().then(idsOf), [ann.browser.id])
}

/** A browser that reaches server 0 through a line that can be cut. */
async function enterByProxy(stage: Stage): Promise<[Listener, Proxy]> {
  stage.leave()
  const proxy = await startProxy({ target: stage.sites[0]!.port })
  return [await stage.enter(proxy.port), proxy]
}

/** Cuts the line, and resolves with the key of the session when it is in the store. */
async function cut(stage: Stage, proxy: Proxy): Promise<string> {
  const sessions = async (): Promise<string[]> => await stage.redis.keys('sio:session:*')
  const others = await sessions()
  proxy.cut()
  const stored = async (): Promise<string> => {
    for (;;) {
      const key = (await sessions()).find((name) => !others.includes(name))
      if (key !== undefined) return key
    }
  }
  return await bounded(stored(), 'the session to be stored')
}

async function recover(stage: Stage): Promise<void> {
  const { scene, servers, redis, sites } = stage
  const [cid, proxy] = await enterByProxy(stage)
  try {
    const { id } = cid.browser
    await scene.is(cid.browser.timeout(5000).emitWithAck('join', 'green'), undefined)
    servers[0].emit('news', 'before')
    await scene.is(cid.inbox.take(1), [['news', 'before']])
    const key = await scene.gives(cut(stage, proxy))
    await scene.is(
      redis.pttl(key),
      expect.toSatisfy((ms: number) => ms > 50_000 && ms <= 60_000),
    )
    const count = await scene.gives(redis.xlen('socket.io'))
    // All from one server, since two have no order between them.
    servers[1].emit('late', 'one')
    servers[1].to('green').emit('late', 'two')
    servers[1].to('other').emit('late', 'not for cid')
    servers[1].emit('late', Buffer.from('three'))
    const written = async (): Promise<void> => {
      while ((await redis.xlen('socket.io')) < count + 4) continue
    }
    await bounded(written(), 'the messages to be written')
    const back = new Promise<void>((resolve) => cid.browser.once('connect', resolve))
    proxy.retarget(sites[1]!.port)
    proxy.restore()
    await bounded(back, 'cid to come back')
    await scene.is(Promise.resolve([cid.browser.recovered, cid.browser.id]), [true, id])
    await scene.is(cid.inbox.take(3), [
      ['late', 'one'],
      ['late', 'two'],
      ['late', Buffer.from('three')],
    ])
    // The session is for one return, and its rooms are there at the other server.
    await scene.is(redis.exists(key), 0)
    servers[0].to('green').emit('room', 'still green')
    await scene.is(cid.inbox.take(1), [['room', 'still green']])
    await scene.is(Promise.resolve(servers[1].of('/').sockets.has(id!)), true)
  } finally {
    stage.leave()
    await proxy.stop()
  }
}

async function beginAnew(stage: Stage): Promise<void> {
  const { scene, servers, redis } = stage
  const [cid, proxy] = await enterByProxy(stage)
  try {
    const { id } = cid.browser
    servers[1].emit('news', 'before')
    await scene.is(cid.inbox.take(1), [['news', 'before']])
    const key = await scene.gives(cut(stage, proxy))
    await scene.is(redis.del(key), 1)
    const back = new Promise<void>((resolve) => cid.browser.once('connect', resolve))
    proxy.restore()
    await bounded(back, 'cid to come back')
    await scene.is(Promise.resolve([cid.browser.recovered, cid.browser.id === id]), [false, false])
    servers[1].emit('news', 'after')
    await scene.is(cid.inbox.take(1), [['news', 'after']])
  } finally {
    stage.leave()
    await proxy.stop()
  }
}

async function comeBack(stage: Stage): Promise<void> {
  const { scene, servers, redis } = stage
  const [ann, bob] = await couple(stage)
  // A subscriber that comes back is a normal one until it has subscribed again.
  await scene.is(redis.call('CLIENT', 'KILL', 'TYPE', 'normal'), 4)
  await scene.is(redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), 2)
  await stage.untilJoined()
  servers[0].emit('news', 'after')
  await scene.is(bob.inbox.take(1), [['news', 'after']])
  await scene.is(ann.inbox.take(1), [['news', 'after']])
  await scene.is(servers[1].timeout(5000).emitWithAck('question', 'still'), ['still!', 'still!'])
}

function idsOf(sockets: readonly { id: string }[]): string[] {
  return sockets.map((socket) => socket.id).sort()
}

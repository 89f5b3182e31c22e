/** Known holes of servers that speak Redis, tried on ours: section "known holes" of table.ts. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { copyChange, Databases, fullStreamInfo, type Change, type CrossChange } from '@millrace/engine'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { Random, seedOfRun } from '../differential-random.ts'
import { encode, encodeAll, Wire } from '../differential-wire.ts'
import type { ServerOptions } from '../options.ts'
import { Site } from '../testing/site.ts'
import { Plug } from './plug.ts'
import { Victim } from './victim.ts'

const MIB = 1024 * 1024
const MANY = 1_000_000
const root = join(import.meta.dirname, '../../../..')

let redis: RedisServer
let site: Site | undefined
let victim: Victim | undefined
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => await redis?.stop())
afterEach(async () => {
  await site?.close()
  await victim?.stop()
  site = undefined
  victim = undefined
})

async function start(options?: ServerOptions): Promise<Site> {
  site = await Site.start(options)
  return site
}

/** The same requests to us and to redis-server: the replies that differ. */
async function differences(commands: readonly (readonly string[])[]): Promise<string[]> {
  if (site === undefined) await start()
  const [ours, theirs] = [await site!.client(), await Wire.connect(redis.port)]
  await Promise.all([ours.ask('FLUSHALL'), theirs.ask('FLUSHALL')])
  const bytes = encodeAll(commands)
  ours.send(bytes)
  theirs.send(bytes)
  const [mine, other] = await Promise.all([ours.take(commands.length), theirs.take(commands.length)])
  theirs.destroy()
  const found: string[] = []
  for (const [i, args] of commands.entries()) {
    if (mine[i] !== other[i]) found.push(`${args.join(' ')}: ${JSON.stringify([mine[i], other[i]])}`)
  }
  return found
}

it(
  'CVE-2021-32675: 5,000 clients that declare large requests before AUTH take less than 100 MB',
  { timeout: 60_000 },
  async () => {
    victim = await Victim.start({ password: 'pw' })
    const before = await victim.memory()
    await victim.sockets(5000, (socket) => socket.write('*10\r\n$16384\r\n'))
    const good = await victim.client()
    expect(await good.ask('AUTH', 'pw')).toBe('+OK\r\n')
    expect(await good.ask('PING')).toBe('+PONG\r\n')
    const after = await victim.memory()
    expect(after.clientCount).toBe(5001)
    expect(after.peakBytes - before.rssBytes).toBeLessThan(100 * MIB)
  },
)

it('CVE-2021-32627, CVE-2021-41099: what would grow beyond the limit of a value is refused, and nothing changes', async () => {
  await start({ requestLimits: { bulkBytesMax: MIB } })
  const wire = await site!.client()
  await wire.ask('XADD', 's', '1-1', 'f', 'v')
  await wire.ask('SET', 'a', 'v'.repeat(MIB))
  expect(await wire.ask('SETRANGE', 'a', '536870911', 'xx')).toMatch(/^-ERR string exceeds maximum allowed size/)
  expect(await wire.ask('SETRANGE', 'a', '9223372036854775807', 'xx')).toMatch(/^-ERR/)
  expect(await wire.ask('SETRANGE', 'a', '-1', 'xx')).toMatch(/^-ERR offset is out of range/)
  expect(await wire.ask('APPEND', 'a', 'x')).toMatch(/^-ERR string exceeds maximum allowed size/)
  expect(await wire.ask('STRLEN', 'a')).toBe(`:${MIB}\r\n`)
  const large = await site!.client()
  large.send(Buffer.from(`*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\nf\r\n$${MIB + 1}\r\n`))
  expect(await large.take(1)).toEqual(['-ERR Protocol error: invalid bulk length\r\n'])
  expect(await wire.ask('XLEN', 's')).toBe(':1\r\n')
  expect(await wire.ask('CONFIG', 'SET', 'proto-max-bulk-len', '9223372036854775807')).toMatch(/^-ERR/)
})

it('CVE-2022-31144: XAUTOCLAIM over deleted entries answers as redis-server, for every COUNT', async () => {
  const setup: string[][] = [['XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM']]
  for (let i = 1; i <= 30; i++) setup.push(['XADD', 's', `${i}-0`, 'f', 'v'])
  setup.push(['XREADGROUP', 'GROUP', 'g', 'a', 'STREAMS', 's', '>'])
  const deletion = ['XDEL', 's', ...Array.from({ length: 30 }, (_, i) => `${i + 1}-0`)]
  for (const count of [1, 2, 3, 7, 10, 29, 30, 31, 100]) {
    for (const rest of [[], ['JUSTID']]) {
      const scans = ['0', '5-0', '29-0', '0'].map((from) => [
        'XAUTOCLAIM',
        's',
        'g',
        'b',
        '0',
        from,
        'COUNT',
        String(count),
        ...rest,
      ])
      expect(await differences([...setup, deletion, ...scans, ['XPENDING', 's', 'g']])).toEqual([])
      // Some deleted, some not.
      expect(await differences([...setup, deletion.slice(0, 12), ['XDEL', 's', '20-0', '22-0'], ...scans])).toEqual([])
    }
  }
})

it('CVE-2022-35951: a COUNT of any size is refused as by redis-server or takes no memory by itself', async () => {
  const setup = [
    ['XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM'],
    ['XADD', 's', '1-0', 'f', 'v'],
    ['XREADGROUP', 'GROUP', 'g', 'a', 'STREAMS', 's', '>'],
  ]
  const counts = ['0', '-1', '9223372036854775807', '9223372036854775808', '1152921504606846976', '1152921504606846975']
  counts.push('576460752303423488', '9007199254740993', '4611686018427387904', '-9223372036854775808', '4294967296')
  const commands = counts.flatMap((count) => [
    ['XAUTOCLAIM', 's', 'g', 'b', '0', '0', 'COUNT', count],
    ['XRANGE', 's', '-', '+', 'COUNT', count],
    ['XREVRANGE', 's', '+', '-', 'COUNT', count],
    ['XREAD', 'COUNT', count, 'STREAMS', 's', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'b', 'COUNT', count, 'STREAMS', 's', '0'],
    ['XPENDING', 's', 'g', '5', '6', count],
    ['SCAN', '0', 'COUNT', count, 'MATCH', 'none'],
  ])
  expect(await differences([...setup, ...commands])).toEqual([])
})

const boundaries =
  '0 1 -1 2147483647 2147483648 -2147483648 -2147483649 4294967295 4294967296 9007199254740991 9007199254740992 ' +
  '9007199254740993 9223372036854775806 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 ' +
  '18446744073709551615 18446744073709551616 1e3 0x10 1.5 +1 -0 00 01 nan inf'

/** Every whole number that a command takes, as `#`; those that would wait, print the clock or need memory are elsewhere. */
const integerArguments = `
  GETRANGE a # 2|GETRANGE a 0 #|SUBSTR a # #|INCRBY n #|DECRBY n #|SETRANGE z # _|SELECT #|XADD t MAXLEN # 1-# f v
  XADD u MAXLEN ~ 5 LIMIT # 1-1 f v|XTRIM s MAXLEN #|XTRIM s MAXLEN ~ # LIMIT 1|XTRIM s MAXLEN ~ 1 LIMIT #|XTRIM s MINID #
  XRANGE s # +|XRANGE s - #-#|XREVRANGE s # -|XDEL s #-#|XSETID e #|XCLAIM s g none # 1-1|XCLAIM s g c 0 1-0 RETRYCOUNT # JUSTID
  XACK s g #|XPENDING s g # + 0|XPENDING s g IDLE # - + 0|XGROUP CREATE s h# #|XGROUP SETID s g #|XREAD STREAMS s #|XREAD COUNT # STREAMS s 0
  XREADGROUP GROUP g c COUNT # STREAMS s 0|XAUTOCLAIM s g c 0 # COUNT 1|XAUTOCLAIM s g c 0 0 COUNT #|SCAN #|EXPIRE none #
  PEXPIRE none #|EXPIREAT none #|PEXPIREAT none #|SET x y EX # NX GET|GETEX none PX #|SETEX none # v|PSETEX none # v
  MOVE none #|SWAPDB # #|COPY none other DB #|CLIENT UNBLOCK #|SLOWLOG GET #|COMMAND GETKEYS EVAL x # a
  OBJECT FREQ #|HELLO #|CLIENT NO-EVICT #|WAIT # 1|LATENCY RESET #|GETEX none EXAT #|EVAL _ # a`

it('CVE-2023-25155, CVE-2022-35977, CVE-2023-22458: numbers at the edges of their types are taken or refused as by redis-server', async () => {
  const setup = [
    ['SET', 'a', 'abcdef'],
    ['XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM'],
    ['XADD', 's', '1-0', 'f', 'v'],
    ['XADD', 'e', '1-0', 'f', 'v'],
    ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'],
  ]
  const found: string[] = []
  for (const pattern of integerArguments.trim().split(/\||\n/)) {
    for (const number of boundaries.split(' ')) {
      const args = pattern.trim().replaceAll('#', number).split(' ')
      found.push(...(await differences([...setup, args])).filter((difference) => !isKnown(difference)))
    }
  }
  expect(found).toEqual([])
})

/** Differences that are listed with their reasons in differential-allowed.ts, or documented with the command. */
function isKnown(difference: string): boolean {
  // Times beyond 2^53 ms, the year 287,396.
  if (/^[^:]* 9(007199254740|22337203685477580[67])/.test(difference) && difference.includes('invalid expire time'))
    return true
  if (difference.startsWith('HELLO ')) return difference.includes('redis_version') || difference.includes('version')
  return (
    /^(XSETID|EVAL|SETRANGE z|SCAN|SLOWLOG GET|WAIT|COMMAND GETKEYS)/.test(difference) &&
    /-(ERR|NOSCRIPT)|\*/.test(difference)
  )
}

it('CVE-2023-28425: MSETNX with one key twice sets it once, and the server goes on', async () => {
  expect(
    await differences([
      ['MSETNX', 'a', '1', 'a', '2'],
      ['GET', 'a'],
      ['MSETNX', 'b', '1', 'a', '2', 'b', '3'],
      ['EXISTS', 'b'],
      ['MSET', 'c', '1', 'c', '2', 'c', '3'],
      ['GET', 'c'],
    ]),
  ).toEqual([])
})

it('CVE-2023-41056: a request that is cut at any two bytes is the same request', async () => {
  await start()
  const state = site!.server.state
  const requests = [
    encode(['XADD', 's', 'MAXLEN', '~', '5', '*', 'field', 'value'.repeat(5), '', '']),
    encode(['SET', 'key', '\r\n$5\r\n*3\r\n']),
    encode(['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '10', 'STREAMS', 's', '>']),
    Buffer.from('SET key "a\\x00 \\" b" \r\n'),
    Buffer.from('*0\r\n*-1\r\n\r\n   \r\nPING\r\n'),
  ]
  for (const request of requests) {
    const bytes = Buffer.concat([request, encode(['ECHO', 'end'])])
    const expected = await replies([bytes])
    for (let first = 1; first < bytes.length; first++) {
      const second = first + 1 + ((first * 7) % (bytes.length - first))
      const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
      expect(await replies(parts), `cut at ${first} and ${second}`).toEqual(expected)
    }
    expect(await replies([...bytes].map((byte) => Buffer.from([byte])))).toEqual(expected)
  }

  async function replies(parts: readonly Buffer[]): Promise<string[]> {
    const plug = await Plug.into(state)
    for (const part of parts) if (part.length > 0) plug.put(part)
    await plug.settled()
    expect(plug.connection.inputBytes).toBe(0)
    const frames = plug.frames().map((frame) => frame.replace(/\d{13}-\d+/, 'id'))
    plug.pull()
    return frames
  }
})

it('CVE-2025-46686: a request that will be refused is not waited for beyond a megabyte, and all that wait are bounded', async () => {
  await start({ settings: { inputBytesTotalMax: 8 * MIB } })
  const admin = await site!.client()
  await admin.ask('ACL', 'SETUSER', 'low', 'on', '>pw', '~own:*', '+ping', '+auth', '+mget', '+echo')
  const megabyte = 'x'.repeat(MIB)
  for (const name of ['MSET', 'NOTHING', 'get', 'ECHO']) {
    const wire = await site!.client()
    await wire.ask('AUTH', 'low', 'pw')
    wire.send(Buffer.from(`*1000000\r\n$${name.length}\r\n${name}\r\n$1\r\na\r\n`))
    for (let i = 0; i < 4; i++) wire.send(Buffer.from(`$${MIB}\r\n${megabyte}\r\n`))
    const [refusal] = await wire.take(1)
    expect(refusal, name).toMatch(/^-(NOPERM|ERR unknown command|ERR wrong number)/)
    await wire.closed()
  }
  // One that may come waits, up to what all may have together.
  const wires = [await site!.client(), await site!.client()]
  for (const wire of wires) {
    wire.send(Buffer.from('*1000000\r\n$4\r\nMGET\r\n'))
    for (let i = 0; i < 6; i++) wire.send(Buffer.from(`$${MIB}\r\n${megabyte}\r\n`))
  }
  await Promise.race(wires.map(async (wire) => await wire.closed()))
  expect(site!.server.state.inputBytes).toBeLessThanOrEqual(8 * MIB)
})

it(
  'CVE-2025-48367: a thousand connections of garbage beside it, and a good client has all its answers',
  { timeout: 60_000 },
  async () => {
    victim = await Victim.start()
    const good = await victim.client()
    await good.ask('PING')
    const before = await victim.memory()
    const garbageState = { isOver: false }
    const garbage = (async () => {
      for (let round = 0; round < 10; round++) {
        const sockets = await victim!.sockets(100, (socket) => socket.write('*1\r\n$-5\r\nGARBAGE\r\n\0\0\0'))
        for (const socket of sockets) socket.destroy()
      }
      garbageState.isOver = true
    })()
    let answers = 0
    while (!garbageState.isOver) {
      expect(await good.ask('PING')).toBe('+PONG\r\n')
      answers++
    }
    await garbage
    expect(answers).toBeGreaterThan(10)
    const watched = victim
    await expect.poll(async () => (await watched.memory()).socketCount, { timeout: 15_000 }).toBe(1)
    expect((await victim.memory()).peakBytes - before.rssBytes).toBeLessThan(64 * MIB)
  },
)

it('CVE-2025-49844, CVE-2025-46817, CVE-2025-46818, CVE-2025-46819, CVE-2024-46981, CVE-2024-31449, CVE-2022-24834, CVE-2022-0543: there is no Lua to escape from', async () => {
  await start()
  const wire = await site!.client()
  for (const name of ['EVAL', 'EVAL_RO', 'FCALL', 'FCALL_RO']) {
    expect(await wire.ask(name, "return io.popen('id')", '0'), name).toMatch(/^-/)
  }
  expect(await wire.ask('SCRIPT', 'LOAD', 'return 1')).toMatch(/^-/)
  expect(await wire.ask('FUNCTION', 'LOAD', '#!lua name=x')).toMatch(/^-/)
  expect(await wire.ask('FUNCTION', 'RESTORE', 'x')).toMatch(/^-/)
  expect(await wire.ask('SCRIPT', 'EXISTS', 'a'.repeat(40))).toBe('*1\r\n:0\r\n')
})

it(
  'CVE-2025-62507: a million IDs in one request are taken by every command that takes IDs',
  { timeout: 60_000 },
  async () => {
    await start()
    const plug = await Plug.into(site!.server.state)
    const ids = Array.from({ length: MANY }, (_, i) => `${i + 1}-0`)
    plug.put('XGROUP CREATE s g 0 MKSTREAM\r\nXADD s 1-0 f v\r\nXREADGROUP GROUP g c STREAMS s >\r\n')
    const requests: string[][] = [
      ['XCLAIM', 's', 'g', 'd', '0', ...ids, 'JUSTID'],
      ['XACK', 's', 'g', ...ids],
      ['XDELEX', 's', 'KEEPREF', 'IDS', String(MANY), ...ids.toReversed()],
      ['XACKDEL', 's', 'g', 'ACKED', 'IDS', String(MANY), ...ids],
      ['XNACK', 's', 'g', 'FAIL', 'IDS', String(MANY), ...ids],
      ['XDEL', 's', ...ids],
    ]
    // More than a call can spread.
    const fewer = ids.slice(0, 200_000)
    requests.push(
      ['DEL', ...fewer],
      ['EXISTS', ...fewer],
      ['MGET', ...fewer],
      ['MSET', ...fewer],
      ['XADD', 's', '9999999-0', ...fewer],
      ['XREAD', 'STREAMS', ...fewer],
      ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', ...fewer],
      ['WATCH', ...fewer],
      ['TOUCH', ...fewer],
      ['PUBSUB', 'NUMSUB', ...fewer],
      ['COMMAND', 'INFO', ...fewer],
      ['COMMAND', 'GETKEYS', 'DEL', ...fewer],
      ['CONFIG', 'GET', ...fewer],
      ['ACL', 'SETUSER', 'u', ...fewer],
      ['ACL', 'DRYRUN', 'default', 'DEL', ...fewer],
      ['SCRIPT', 'EXISTS', ...fewer],
      ['SUBSCRIBE', ...fewer],
      ['UNSUBSCRIBE'],
      ['NOTHING', ...fewer],
    )
    for (const args of requests) {
      const before = plug.answeredBytes
      plug.put(encode(args))
      while (plug.connection.client.source !== undefined) await plug.settled()
      await plug.settled()
      expect(plug.answeredBytes, args[0]).toBeGreaterThan(before)
    }
    plug.put('PING\r\n')
    expect(plug.frames().filter((frame) => frame.includes('Internal error'))).toEqual([])
    expect(plug.frames().at(-1)).toBe('+PONG\r\n')
    expect(site!.log.filter((line) => line.includes('failed'))).toEqual([])
  },
)

it('CVE-2025-67733: whatever bytes a request has, its error is one line', async () => {
  await start()
  const seed = seedOfRun()
  const random = new Random(seed)
  const nasty = [
    '\r\n',
    '\r',
    '\n',
    '\0',
    '-ERR x\r\n+OK\r\n',
    '\r\n:1\r\n',
    '$5\r\nhello\r\n',
    '\xff\xfe',
    "'",
    '"',
    'a'.repeat(300),
  ]
  const names = [...site!.server.state.commands.entries()].map(({ command }) => command.name.split('|'))
  const plug = await Plug.into(site!.server.state)
  const skipped = new Set([
    'quit',
    'shutdown',
    'monitor',
    'reset',
    'client',
    'subscribe',
    'psubscribe',
    'ssubscribe',
    'unsubscribe',
    'punsubscribe',
    'sunsubscribe',
    'debug',
    'hello',
    'auth',
    'acl',
  ])
  let asked = 0
  const ask = async (args: string[]): Promise<void> => {
    plug.put(encode(args))
    asked++
    expect((await plug.answered(asked)).length, `seed ${seed}: ${JSON.stringify(args)}`).toBe(asked)
  }
  for (const bytes of nasty) {
    await ask([bytes])
    await ask([`x${bytes}`, `y${bytes}`, bytes])
    for (const container of [
      'XINFO',
      'XGROUP',
      'OBJECT',
      'CONFIG',
      'ACL',
      'PUBSUB',
      'COMMAND',
      'MEMORY',
      'CLIENT',
      'SCRIPT',
    ]) {
      await ask([container, bytes])
      await ask([container, `a${bytes}b`, 'c'])
    }
    await ask(['XREADGROUP', 'GROUP', `g${bytes}`, 'c', 'STREAMS', `k${bytes}`, '>'])
    await ask(['XCLAIM', `k${bytes}`, `g${bytes}`, 'c', '0', '1-1'])
    await ask(['XACKDEL', `k${bytes}`, `g${bytes}`, `x${bytes}`])
    await ask(['CONFIG', 'SET', `p${bytes}`, bytes])
    await ask(['ACL', 'SETUSER', 'u', `+${bytes}`])
    await ask(['ACL', 'SETUSER', 'u', `(~${bytes}`])
  }
  for (const name of names) {
    if (skipped.has(name[0]!) || name[0] === 'multi' || name[0] === 'exec') continue
    if (['xread', 'xreadgroup', 'wait', 'waitaof', 'failover'].includes(name[0]!)) continue
    for (let length = 0; length < 5; length++) {
      await ask([...name, ...Array.from({ length }, () => `${random.pick(nasty)}${random.pick(['', '1', 'a'])}`)])
    }
  }
})

it('CVE-2026-27623: empty requests change nothing, at whatever place of a pipeline they stand', async () => {
  for (const options of [{}, { password: 'pw' }]) {
    await start(options)
    const empties = ['*0\r\n', '*-1\r\n', '\r\n', '\n', '  \r\n', '*-5\r\n', '\t\r\n']
    const plug = await Plug.into(site!.server.state)
    const steps = [
      'AUTH pw\r\n',
      encode(['PING']).toString(),
      'MULTI\r\n',
      'PING\r\n',
      'EXEC\r\n',
      'SUBSCRIBE a\r\n',
      'UNSUBSCRIBE\r\n',
      'ECHO "a"\r\n',
    ]
    for (const step of steps) {
      for (const empty of empties) {
        plug.put(empty)
        for (const byte of empty) plug.put(byte)
      }
      plug.put(step)
    }
    const said = plug.frames()
    expect(said.slice(1, 3)).toEqual(['+PONG\r\n', '+OK\r\n'])
    expect(said.slice(3)).toEqual([
      '+QUEUED\r\n',
      '*1\r\n+PONG\r\n',
      '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n',
      '*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n',
      '$1\r\na\r\n',
    ])
    await site!.close()
    site = undefined
  }
})

it('CVE-2026-23479: who is ended while blocked readers are served gets nothing, and loses nobody anything', async () => {
  const ends: ((victim: Plug) => void)[] = [
    (plug) => plug.pull(),
    (plug) => plug.connection.close('now'),
    (plug) => plug.connection.close('after-reply'),
    (plug) => plug.connection.finish(),
  ]
  for (const end of ends) {
    await start()
    const { state } = site!.server
    const plugs: Plug[] = []
    for (let i = 0; i < 5; i++) plugs.push(await Plug.into(state))
    const [first, second, third, writer, reader] = plugs as [Plug, Plug, Plug, Plug, Plug]
    writer.put('XGROUP CREATE s g 0 MKSTREAM\r\n')
    for (const [i, plug] of [first, second, third].entries()) {
      plug.put(`XREADGROUP GROUP g c${i} COUNT 1 BLOCK 0 STREAMS s >\r\nPING\r\n`)
    }
    expect(state.blockedClients.size).toBe(3)
    // The first is served; while it is, the second ends, as if its socket had failed then.
    const { connection } = first.connection.client
    const flush = connection.flush.bind(connection)
    connection.flush = () => {
      end(second)
      flush()
    }
    writer.put(encodeAll([['MULTI'], ['XADD', 's', '1-0', 'f', 'v'], ['XADD', 's', '2-0', 'f', 'v'], ['EXEC']]))
    await writer.settled()
    expect(second.text).not.toContain('f')
    expect(third.text).toContain('2-0')
    expect(state.blockedClients.size).toBe(0)
    reader.put('XPENDING s g - + 10\r\n')
    expect(reader.frames()).toHaveLength(1)
    expect(reader.text).not.toContain('c1')
    await site!.close()
    site = undefined
  }
})

it('CVE-2026-23479: CLIENT KILL, UNBLOCK and a full output buffer in the middle of a wake leave the rest in order', async () => {
  await start({ settings: { outputBytesMax: 200_000 } })
  const { state } = site!.server
  const [killer, blocked, other] = [await Plug.into(state), await Plug.into(state), await Plug.into(state)]
  blocked.put('XREAD BLOCK 0 STREAMS s $\r\n')
  other.put('XREAD BLOCK 0 STREAMS s $\r\n')
  const { id } = blocked.connection.client
  killer.put(
    `MULTI\r\nXADD s 1-0 f v\r\nCLIENT KILL ID ${id}\r\nCLIENT UNBLOCK ${other.connection.client.id} ERROR\r\nXADD s 2-0 f v\r\nEXEC\r\n`,
  )
  await killer.settled()
  expect(blocked.isEnded).toBe(true)
  expect(blocked.text).toBe('')
  expect(other.text).toMatch(/^-UNBLOCKED/)
  expect(state.blockedClients.size).toBe(0)
  expect(state.waiters[0]!.size).toBe(0)
  killer.put('PING\r\n')
  expect(killer.text.endsWith('+PONG\r\n')).toBe(true)
})

it('CVE-2026-25243, CVE-2026-66373, RED-186912: a crafted payload of RESTORE is refused, or makes a value that can be used', async () => {
  await start()
  const wire = await site!.client()
  for (const name of ['RESTORE-ASKING', 'MIGRATE']) expect(await wire.ask(name, 's', '0', 'x')).toMatch(/^-/)
  for (const id of ['1-1', '2-1', '3-1']) await wire.ask('XADD', 's', id, 'f', 'v', id, 'a number: 5')
  await wire.ask('XGROUP', 'CREATE', 's', 'g', '0')
  await wire.ask('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '2', 'STREAMS', 's', '>')
  const frame = await wire.ask('DUMP', 's')
  const dumped = Buffer.from(frame.slice(frame.indexOf('\r\n') + 2, -2), 'latin1')
  const replies = new Set<string>()
  for (let bit = 0; bit < (dumped.length - 10) * 8; bit++) {
    const crafted = Buffer.from(dumped)
    crafted[bit >> 3]! ^= 1 << (bit & 7)
    const reply = await wire.ask('RESTORE', 'k', '0', withCrc(crafted), 'REPLACE')
    replies.add(reply)
    if (reply !== '+OK\r\n' || (await wire.ask('TYPE', 'k')) !== '+stream\r\n') continue
    for (const args of [
      ['XINFO', 'STREAM', 'k', 'FULL'],
      ['XAUTOCLAIM', 'k', 'g', 'd', '0', '0'],
      ['DUMP', 'k'],
    ]) {
      expect(await wire.ask(...args), `bit ${bit}`).not.toBe('')
    }
  }
  expect(replies).toContain('+OK\r\n')
  expect(replies).toContain('-ERR Bad data format\r\n')
  expect(
    [...replies].filter((reply) => !/^(\+OK|-ERR (Bad data format|DUMP payload|a dumped value is an? ))/.test(reply)),
  ).toEqual([])
})

/** The payload, as text, with the checksum that its bytes have now: a peer can make one too. */
function withCrc(payload: Buffer): string {
  const end = payload.length - 8
  let crc = 0n
  for (const byte of payload.subarray(0, end)) {
    crc ^= BigInt(byte)
    for (let i = 0; i < 8; i++) crc = (crc & 1n) === 0n ? crc >> 1n : (crc >> 1n) ^ 0x95ac9329ac4bc9b5n
  }
  payload.writeBigUInt64LE(crc, end)
  return payload.toString('latin1')
}

it(
  'CVE-2026-81934: TLS in tiny records, pipelined, and closed at once, from before AUTH on',
  { timeout: 60_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
    const [certFile, keyFile] = [join(directory, 'crt'), join(directory, 'key')]
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=a',
    ]
    execFileSync('openssl', [...request, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
    victim = await Victim.start({ password: 'pw', tls: { port: 0, certFile, keyFile } })
    const port = victim.tlsPort
    const connections = Math.max(100, Number(process.env['MILLRACE_RUNS'] ?? 2000) / 10)
    const one = async (number: number): Promise<number> =>
      await new Promise((resolve) => {
        let received = 0
        const socket = connectTls(
          { port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: number % 2 === 0 ? 'TLSv1.2' : 'TLSv1.3' },
          () => {
            // A byte is a record of its own.
            for (const byte of 'PING\r\nPING\r\nAUTH pw\r\nPING\r\n'.repeat(3)) socket.write(byte)
            if (number % 3 === 0) socket.destroy()
            else if (number % 3 === 1) socket.end()
            else socket.write('QUIT\r\n')
          },
        )
        socket.on('data', (bytes: Buffer) => (received += bytes.length))
        socket.on('error', () => undefined)
        socket.once('close', () => resolve(received))
      })
    let received = 0
    for (let done = 0; done < connections; done += 50) {
      const some = await Promise.all(Array.from({ length: 50 }, (_, i) => one(done + i)))
      received += some.reduce((sum, bytes) => sum + bytes, 0)
    }
    expect(received).toBeGreaterThan(connections * 20)
    const good = await victim.client()
    expect(await good.ask('AUTH', 'pw')).toBe('+OK\r\n')
    const watched = victim
    await expect.poll(async () => (await watched.memory()).socketCount).toBe(1)
    expect(victim.failure).toBe('')
    rmSync(directory, { recursive: true, force: true })
  },
)

it('redis #15488: whatever XSETID and its like were answered, the data can be written down and read again', async () => {
  await start()
  const { databases } = site!.server.state
  const changes: [number, Change | CrossChange][] = []
  databases.subscribe((index, change) => changes.push([index, copy(change)]))
  const seed = seedOfRun()
  const random = new Random(seed)
  const plug = await Plug.into(site!.server.state)
  const number = (): string => random.pick(['0', '1', '2', '5', '9', '100', '9223372036854775807', '4503599627370496'])
  const id = (): string =>
    random.pick([`${number()}-${number()}`, number(), '18446744073709551615-18446744073709551615'])
  const made: (() => string[])[] = [
    () => ['XSETID', 's', id(), ...(random.chance(0.5) ? ['ENTRIESADDED', number(), 'MAXDELETEDID', id()] : [])],
    () => ['XADD', 's', random.pick([id(), '*']), 'f', 'v'],
    () => ['XADD', 's', 'NOMKSTREAM', 'MAXLEN', number(), id(), 'f', 'v'],
    () => ['XDEL', 's', id(), id()],
    () => ['XTRIM', 's', 'MINID', id()],
    () => ['XGROUP', 'CREATE', 's', 'g', random.pick([id(), '$']), 'MKSTREAM', 'ENTRIESREAD', number()],
    () => ['XGROUP', 'SETID', 's', 'g', id(), 'ENTRIESREAD', number()],
    () => ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'],
    () => ['XCLAIM', 's', 'g', 'd', '0', id(), 'FORCE', 'TIME', number(), 'RETRYCOUNT', number(), 'LASTID', id()],
    () => ['XACK', 's', 'g', id()],
    () => ['COPY', 's', 't', 'REPLACE'],
    () => (random.chance(0.05) ? ['DEL', 's'] : ['XLEN', 's']),
  ]
  for (let i = 0; i < 3000; i++) plug.put(encode(random.pick(made)()))
  expect(plug.frames().some((frame) => frame.startsWith('+OK'))).toBe(true)
  const replayed = new Databases()
  for (const [index, change] of changes) replayed.apply(index, change)
  for (const key of ['s', 't']) expect(picture(replayed, key), `seed ${seed}`).toEqual(picture(databases, key))

  function picture(of: Databases, key: string): unknown {
    const stream = of.at(0).streamAt(key, 0)
    return stream === undefined ? undefined : fullStreamInfo(of.at(0), key, Infinity, 0)
  }
  function copy(change: Change | CrossChange): Change | CrossChange {
    const isCross = change.kind === 'databases-swapped' || change.kind === 'key-moved' || change.kind === 'key-copied'
    return isCross ? change : copyChange(change)
  }
})

it('ws CVE-2024-37890, CVE-2026-48779: the WebSocket server that is installed has their fixes, and the application bounds its messages', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>
  }
  const versions = Object.entries(lock.packages).filter(([path]) => /(^|\/)node_modules\/ws$/.test(path))
  expect(versions.length).toBeGreaterThan(0)
  for (const [path, { version }] of versions) {
    const [major, minor, patch] = version.split('.').map(Number) as [number, number, number]
    expect(major * 1e6 + minor * 1e3 + patch, `${path} ${version}`).toBeGreaterThanOrEqual(8_017_001)
  }
  const sockets = readFileSync(join(root, 'apps/ask/src/sockets.ts'), 'utf8')
  expect(sockets).toContain('maxHttpBufferSize: parts.limits.messageBytesMax')
  expect(sockets).toContain('perMessageDeflate: false')
})

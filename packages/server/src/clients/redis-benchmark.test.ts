import { startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OpenProgram, run } from './program.ts'
import { bounded, describeClient, type Scene } from './scenario.ts'

/** A multiple of each pipeline's depth, of which only whole ones are sent. */
const REQUESTS = 1600

describeClient('redis-benchmark', startRedis, (scene) => {
  let control: Redis
  beforeAll(() => void (control = new Redis({ port: scene.port })))
  afterAll(() => control.disconnect())
  const bench = new Bench(scene, () => control)
  it('runs its own tests of strings', async () => await runStrings(bench))
  it('runs them in both protocols, pipelined, with threads and in another database', async () => await runModes(bench))
  it('writes streams with XADD, at any depth of the pipeline', async () => await writeStreams(bench))
  it('reads streams', async () => await readStreams(bench))
  it('works off a stream with a consumer group', async () => await workGroup(bench))
  it('publishes, with somebody who hears', async () => await publish(bench))
  it('wakes a reader that waits', async () => await wake(bench))
  it('leaves transactions of others alone', async () => await transact(bench))
  it('ends when a reply is an error', async () => await hearErrors(bench))
  it('connects anew for each request', async () => await reconnect(bench))
})

class Bench {
  readonly scene: Scene
  readonly #control: () => Redis

  constructor(scene: Scene, control: () => Redis) {
    this.scene = scene
    this.#control = control
  }

  get redis(): Redis {
    return this.#control()
  }

  /** A step: it ends well, speaks of no error, and tells one rate for each of `names`. */
  async runs(names: readonly string[], ...args: string[]): Promise<void> {
    const { code, output, errors } = await this.outcome(...args)
    const rates = [...output.matchAll(/^(.+): [\d.]+ requests per second/gm)].map((match) => match[1])
    const lines = (output + errors).split('\n')
    // With -k 0 it always warns that the machine may run out of ports.
    const complaints = lines.filter(
      (line) => /error|warn|could not/i.test(line) && !line.includes('Keepalive disabled'),
    )
    await this.scene.is(Promise.resolve({ code, complaints, rates }), { code: 0, complaints: [], rates: names })
  }

  async outcome(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
    const common = ['-p', String(this.scene.port), '-n', String(REQUESTS), '-c', '10', '-q']
    const { code, output, errors } = await run('redis-benchmark', [...common, ...args])
    // The line of a running test is written over and over.
    return { code, output: output.replaceAll(/[^\n]*\r/g, ''), errors }
  }
}

async function runStrings(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  await scene.is(redis.config('GET', 'save'), ['save', ''])
  await scene.is(redis.config('GET', 'appendonly'), ['appendonly', 'no'])
  await bench.runs(['PING_INLINE', 'PING_MBULK'], '-t', 'ping')
  await bench.runs(['SET', 'GET'], '-t', 'set,get')
  await scene.is(redis.strlen('key:__rand_int__'), 3)
  await bench.runs(['INCR'], '-t', 'incr')
  await scene.is(redis.get('counter:__rand_int__'), String(REQUESTS))
  await bench.runs(['MSET (10 keys)'], '-t', 'mset')
  await scene.is(redis.type('key:__rand_int__'), 'string')
  await bench.runs(['SET'], '-t', 'set', '-r', '1000000', '-d', '1000')
  await scene.is(
    redis.dbsize(),
    expect.toSatisfy((count: number) => count > REQUESTS * 0.9 && count <= REQUESTS + 2),
  )
  await scene.is(redis.flushall(), 'OK')
}

async function runModes(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  await bench.runs(['SET', 'GET', 'INCR'], '-t', 'set,get,incr', '-P', '16')
  await scene.is(redis.get('counter:__rand_int__'), String(REQUESTS))
  await bench.runs(['PING_INLINE', 'PING_MBULK', 'INCR'], '-t', 'ping,incr', '-3')
  await scene.is(redis.get('counter:__rand_int__'), String(2 * REQUESTS))
  await bench.runs(['INCR'], '-t', 'incr', '--dbnum', '3')
  await scene.is(redis.get('counter:__rand_int__'), String(2 * REQUESTS))
  await scene.is(redis.info('keyspace'), expect.stringContaining('db3:keys=1,'))
  await bench.runs(['INCR'], '-t', 'incr', '--threads', '2', '-P', '4')
  await scene.is(redis.get('counter:__rand_int__'), String(3 * REQUESTS))
  const { code, output } = await bench.outcome('-t', 'ping', '--csv')
  await scene.is(Promise.resolve(code), 0)
  await scene.is(
    Promise.resolve(output),
    expect.stringMatching(/^"test","rps",.*\n"PING_INLINE",.*\n"PING_MBULK",.*\n$/),
  )
}

async function writeStreams(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  const add = ['xadd', 'log', '*', 'field', 'value']
  await bench.runs(['xadd log * field value'], ...add)
  await scene.is(redis.xlen('log'), REQUESTS)
  await bench.runs(['xadd log * field value'], '-P', '100', ...add)
  await scene.is(redis.xlen('log'), 2 * REQUESTS)
  await bench.runs(['xadd log * field value'], '-P', '16', '-3', '-c', '50', ...add)
  await scene.is(redis.xlen('log'), 3 * REQUESTS)
  const entries = await scene.gives(redis.xrange('log', '-', '+'))
  await scene.is(Promise.resolve(new Set(entries.map(([id]) => id)).size), 3 * REQUESTS)
  await bench.runs(
    ['xadd log maxlen ~ 1000 * field value'],
    '-P',
    '16',
    'xadd',
    'log',
    'maxlen',
    '~',
    '1000',
    '*',
    'field',
    'value',
  )
  await scene.is(
    redis.xlen('log'),
    expect.toSatisfy((count: number) => count >= 1000 && count < 1100),
  )
  await bench.runs(
    ['xadd log:__rand_int__ * field value'],
    '-r',
    '50',
    'xadd',
    'log:__rand_int__',
    '*',
    'field',
    'value',
  )
  await scene.is(
    redis.keys('log:*'),
    expect.toSatisfy((keys: string[]) => keys.length > 40 && keys.length <= 50),
  )
}

async function readStreams(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  await bench.runs(['xrange log - + count 100'], '-P', '4', 'xrange', 'log', '-', '+', 'count', '100')
  await bench.runs(['xrevrange log + - count 10'], 'xrevrange', 'log', '+', '-', 'count', '10')
  await bench.runs(['xread count 100 streams log 0'], '-3', 'xread', 'count', '100', 'streams', 'log', '0')
  await bench.runs(['xlen log'], '-P', '16', 'xlen', 'log')
  await bench.runs(['xinfo stream log'], 'xinfo', 'stream', 'log')
  await scene.is(redis.xlen('log'), expect.any(Number))
}

async function workGroup(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  await bench.runs(['xadd work * job one'], '-P', '16', 'xadd', 'work', '*', 'job', 'one')
  await scene.is(redis.xgroup('CREATE', 'work', 'team', '0'), 'OK')
  const read = ['xreadgroup', 'group', 'team', 'ann', 'count', '1', 'streams', 'work', '>']
  await bench.runs([read.join(' ')], '-P', '4', ...read)
  await scene.is(redis.xpending('work', 'team'), [
    REQUESTS,
    expect.any(String),
    expect.any(String),
    [['ann', String(REQUESTS)]],
  ])
  await bench.runs(['xack work team 1-1'], '-P', '16', 'xack', 'work', 'team', '1-1')
  await bench.runs(
    ['xautoclaim work team bob 0 0 count 10'],
    'xautoclaim',
    'work',
    'team',
    'bob',
    '0',
    '0',
    'count',
    '10',
  )
  await scene.is(redis.xpending('work', 'team', '-', '+', 1, 'bob'), [
    [expect.any(String), 'bob', expect.any(Number), 1 + REQUESTS],
  ])
}

async function publish(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  const subscriber = new Redis({ port: scene.port })
  try {
    let heard = 0
    const all = new Promise<void>((resolve) => {
      subscriber.on('message', () => ++heard === REQUESTS && resolve())
    })
    await scene.is(subscriber.subscribe('news'), 1)
    await bench.runs(['publish news today'], '-P', '16', 'publish', 'news', 'today')
    await scene.is(all, undefined)
    await scene.is(redis.call('PUBSUB', 'NUMSUB', 'news'), ['news', 1])
  } finally {
    subscriber.disconnect()
  }
}

async function wake(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  const reader = new OpenProgram('redis-cli', [
    '-p',
    String(scene.port),
    'xread',
    'block',
    '0',
    'streams',
    'calls',
    '$',
  ])
  try {
    const blocked = async (): Promise<void> => {
      while (!(await redis.info('clients')).includes('blocked_clients:1\r\n')) continue
    }
    await bounded(blocked(), 'the reader to block')
    await bench.runs(['xadd calls * from bench'], 'xadd', 'calls', '*', 'from', 'bench')
    await scene.is(reader.lines.take(4), ['calls', expect.stringMatching(/^\d+-\d+$/), 'from', 'bench'])
  } finally {
    await reader.end()
  }
}

async function transact(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  await scene.is(redis.watch('counter:__rand_int__'), 'OK')
  await scene.is(redis.set('counter:__rand_int__', '0'), 'OK')
  await bench.runs(['INCR'], '-t', 'incr', '-P', '16')
  await scene.is(redis.multi().get('counter:__rand_int__').exec(), null)
  await scene.is(redis.multi().get('counter:__rand_int__').del('counter:__rand_int__').exec(), [
    [null, String(REQUESTS)],
    [null, 1],
  ])
}

async function hearErrors(bench: Bench): Promise<void> {
  const { scene } = bench
  const wrong = await bench.outcome('incr', 'log')
  await scene.is(Promise.resolve(wrong.code), 1)
  await scene.is(
    Promise.resolve(wrong.output + wrong.errors),
    expect.stringContaining('WRONGTYPE Operation against a key'),
  )
  const unknown = await bench.outcome('nosuch')
  await scene.is(Promise.resolve(unknown.code), 1)
  await scene.is(
    Promise.resolve(unknown.output + unknown.errors),
    expect.stringContaining("ERR unknown command 'nosuch'"),
  )
}

async function reconnect(bench: Bench): Promise<void> {
  const { scene, redis } = bench
  const connections = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))![1])
  const before = await scene.gives(connections())
  await bench.runs(['INCR'], '-t', 'incr', '-k', '0')
  await scene.is(redis.get('counter:__rand_int__'), String(REQUESTS))
  const after = await scene.gives(connections())
  await scene.is(Promise.resolve(after - before >= REQUESTS), true)
  await scene.is(redis.ping(), 'PONG')
}

import { startRedis } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { OpenProgram, run } from './program.ts'
import { bounded, describeClient, type Scene } from './scenario.ts'

describeClient('redis-cli', startRedis, (scene) => {
  const cast = new Cast(scene)
  afterEach(async () => await cast.leave())
  it('shakes hands in both protocols', async () => await shakeHands(cast))
  it('proves who it is', async () => await prove(cast))
  it('keeps strings and keys', async () => await keepStrings(cast))
  it('writes and reads streams, in all of its formats', async () => await writeStream(cast))
  it('works off a stream with a consumer group', async () => await workGroup(cast))
  it('waits for what is not there yet', async () => await waitForEntries(cast))
  it('carries out transactions line by line', async () => await transact(cast))
  it('shows what is published, and what happens to keys', async () => await hear(cast))
  it('watches all commands', async () => await monitor(cast))
  it('says what is wrong', async () => await hearErrors(cast))
  it('inserts in mass', async () => await insert(cast))
  it('looks at all keys', async () => await lookAtKeys(cast))
  it('measures', async () => await measure(cast))
  it('helps', async () => await help(cast))
  it('comes back after its connection was killed', async () => await comeBack(cast))
})

class Cast {
  readonly scene: Scene
  readonly #programs: OpenProgram[] = []

  constructor(scene: Scene) {
    this.scene = scene
  }

  /** What one call of the program prints, without its last line's end. */
  async cli(...args: string[]): Promise<string> {
    return await this.cliWith('', ...args)
  }

  async cliWith(input: string | Buffer, ...args: string[]): Promise<string> {
    const { output, errors } = await run('redis-cli', ['-p', String(this.scene.port), ...args], input)
    return (output + errors).trimEnd()
  }

  open(...args: string[]): OpenProgram {
    const program = new OpenProgram('redis-cli', ['-p', String(this.scene.port), ...args])
    this.#programs.push(program)
    return program
  }

  /** Resolves once a client waits in a command. */
  async untilBlocked(): Promise<void> {
    const blocked = async (): Promise<void> => {
      while (!(await this.cli('info', 'clients')).includes('blocked_clients:1')) continue
    }
    await bounded(blocked(), 'a client to block')
  }

  async leave(): Promise<void> {
    for (const program of this.#programs.splice(0)) await program.end()
  }
}

async function shakeHands(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('ping'), 'PONG')
  await scene.is(cast.cli('ping', 'hello'), 'hello')
  await scene.is(cast.cli('-3', 'hello'), expect.stringMatching(/^server redis\nversion [\d.]+\nproto 3\nid \d+\n/))
  await scene.is(cast.cli('hello', '2'), expect.stringMatching(/^server\nredis\nversion\n[\d.]+\nproto\n2\n/))
  await scene.is(cast.cli('-n', '3', 'client', 'info'), expect.stringContaining(' db=3 '))
  await scene.is(
    cast.cli('-u', `redis://127.0.0.1:${scene.port}/4`, 'client', 'info'),
    expect.stringContaining(' db=4 '),
  )
  await scene.is(cast.cli('--name', 'x'), expect.stringContaining('Unrecognized option'))
  await scene.is(cast.cli('acl', 'whoami'), 'default')
  await scene.is(cast.cli('info', 'replication'), expect.stringContaining('role:master'))
  await scene.is(cast.cli('config', 'get', 'databases'), 'databases\n16')
}

async function prove(cast: Cast): Promise<void> {
  const { scene } = cast
  const owner = ['-a', 'secret', '--no-auth-warning']
  await scene.is(cast.cli('config', 'set', 'requirepass', 'secret'), 'OK')
  await scene.is(cast.cli('get', 'name'), 'NOAUTH Authentication required.')
  await scene.is(cast.cli(...owner, 'acl', 'whoami'), 'default')
  await scene.is(cast.cli('-u', `redis://default:secret@127.0.0.1:${scene.port}`, '--no-auth-warning', 'ping'), 'PONG')
  await scene.is(cast.cliWith('auth wrong\nauth secret\nping\n'), expect.stringMatching(/^WRONGPASS .*\n+OK\nPONG$/s))
  await scene.is(cast.cli(...owner, 'config', 'set', 'requirepass', ''), 'OK')
}

async function keepStrings(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('set', 'name', 'value'), 'OK')
  await scene.is(cast.cli('get', 'name'), 'value')
  await scene.is(cast.cli('--no-raw', 'get', 'name'), '"value"')
  await scene.is(cast.cli('--no-raw', 'get', 'none'), '(nil)')
  await scene.is(cast.cliWith('from standard input', '-x', 'set', 'piped'), 'OK')
  await scene.is(cast.cli('get', 'piped'), 'from standard input')
  await scene.is(cast.cli('--quoted-input', 'set', 'bytes', '"\\x00\\xff"'), 'OK')
  await scene.is(cast.cli('--no-raw', 'get', 'bytes'), '"\\x00\\xff"')
  await scene.is(cast.cli('-r', '3', 'incr', 'counter'), '1\n2\n3')
  await scene.is(cast.cli('expire', 'name', '100'), '1')
  await scene.is(cast.cli('--no-raw', 'ttl', 'name'), '(integer) 100')
  await scene.is(cast.cli('type', 'name'), 'string')
  await scene.is(cast.cli('rename', 'name', 'other'), 'OK')
  await scene.is(cast.cli('del', 'other', 'none'), '1')
  await scene.is(cast.cli('--csv', 'mget', 'counter', 'none'), '"3",NULL')
}

async function writeStream(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('xadd', 'log', '1-1', 'field', 'value'), '1-1')
  await scene.is(cast.cli('xadd', 'log', '1-*', 'field', 'second'), '1-2')
  await scene.is(cast.cli('xadd', 'log', '*', 'field', 'now'), expect.stringMatching(/^\d+-0$/))
  await scene.is(cast.cli('xlen', 'log'), '3')
  await scene.is(cast.cli('xrange', 'log', '-', '1-1'), '1-1\nfield\nvalue')
  await scene.is(cast.cli('--csv', 'xrange', 'log', '-', '1'), '"1-1","field","value","1-2","field","second"')
  await scene.is(
    cast.cli('--no-raw', 'xrevrange', 'log', '1', '-', 'count', '1'),
    '1) 1) "1-2"\n   2) 1) "field"\n      2) "second"',
  )
  await scene.is(
    cast.cli('--json', '-3', 'xread', 'count', '1', 'streams', 'log', '0'),
    '{"log":[["1-1",["field","value"]]]}',
  )
  await scene.is(cast.cli('--no-raw', 'xread', 'streams', 'log', '$'), '(nil)')
  await scene.is(cast.cli('xdel', 'log', '1-2'), '1')
  await scene.is(cast.cli('xtrim', 'log', 'maxlen', '1'), '1')
  await scene.is(cast.cli('-3', 'xinfo', 'stream', 'log'), expect.stringMatching(/^length 1\nradix-tree-keys 1\n/))
}

async function workGroup(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('xgroup', 'create', 'work', 'team', '$', 'mkstream'), 'OK')
  await scene.is(cast.cli('xadd', 'work', '1-0', 'job', 'one'), '1-0')
  await scene.is(cast.cli('xreadgroup', 'group', 'team', 'ann', 'streams', 'work', '>'), 'work\n1-0\njob\none')
  await scene.is(cast.cli('xpending', 'work', 'team'), '1\n1-0\n1-0\nann\n1')
  await scene.is(cast.cli('xautoclaim', 'work', 'team', 'bob', '0', '0', 'justid'), '0-0\n1-0')
  await scene.is(cast.cli('xack', 'work', 'team', '1-0'), '1')
  await scene.is(
    cast.cli('--json', '-3', 'xinfo', 'groups', 'work'),
    expect.stringMatching(/^\[\{"name":"team",.*"pending":0,.*"lag":0\}\]$/),
  )
}

async function waitForEntries(cast: Cast): Promise<void> {
  const { scene } = cast
  const reader = cast.open('xread', 'block', '0', 'streams', 'calls', '$')
  await cast.untilBlocked()
  await scene.is(cast.cli('xadd', 'calls', '5-5', 'from', 'cli'), '5-5')
  await scene.is(reader.lines.take(4), ['calls', '5-5', 'from', 'cli'])
  await scene.is(cast.cli('--no-raw', 'xread', 'block', '1', 'streams', 'calls', '$'), '(nil)')
}

async function transact(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cliWith('multi\nset a 1\nincr a\nexec\n'), 'OK\nQUEUED\nQUEUED\nOK\n2')
  await scene.is(cast.cliWith('watch a\nmulti\ndiscard\nunwatch\n'), 'OK\nOK\nOK\nOK')
  await scene.is(
    cast.cliWith('multi\nnosuch\nexec\n'),
    expect.stringContaining('EXECABORT Transaction discarded because of previous errors.'),
  )
  const watcher = cast.open()
  watcher.write('watch a')
  await scene.is(watcher.lines.take(1), ['OK'])
  await scene.is(cast.cli('incr', 'a'), '3')
  for (const line of ['multi', 'set a 0', 'exec', 'get a']) watcher.write(line)
  await scene.is(watcher.lines.take(4), ['OK', 'QUEUED', '', '3'])
}

async function hear(cast: Cast): Promise<void> {
  const { scene } = cast
  const subscriber = cast.open('subscribe', 'news')
  await scene.is(subscriber.lines.take(3), ['subscribe', 'news', '1'])
  await scene.is(cast.cli('publish', 'news', 'today'), '1')
  await scene.is(subscriber.lines.take(3), ['message', 'news', 'today'])
  await scene.is(cast.cli('config', 'set', 'notify-keyspace-events', 'KEA'), 'OK')
  const pushed = cast.open('-3', 'psubscribe', '__keyevent@0__:*')
  await scene.is(pushed.lines.take(3), ['psubscribe', '__keyevent@0__:*', '1'])
  await scene.is(cast.cli('xadd', 'heard', '1-1', 'a', 'b'), '1-1')
  await scene.is(pushed.lines.take(4), ['pmessage', '__keyevent@0__:*', '__keyevent@0__:xadd', 'heard'])
  await scene.is(cast.cli('config', 'set', 'notify-keyspace-events', ''), 'OK')
}

async function monitor(cast: Cast): Promise<void> {
  const { scene } = cast
  const program = cast.open('monitor')
  await scene.is(program.lines.take(1), ['OK'])
  await scene.is(cast.cli('set', 'seen', 'two\nlines'), 'OK')
  await scene.is(program.lines.take(1), [
    expect.stringMatching(/^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "seen" "two\\nlines"$/),
  ])
}

async function hearErrors(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('nosuch', 'a'), "ERR unknown command 'nosuch', with args beginning with: 'a'")
  await scene.is(cast.cli('--no-raw', 'incr', 'log'), expect.stringMatching(/^\(error\) WRONGTYPE Operation against/))
  await scene.is(cast.cli('xadd', 'log'), "ERR wrong number of arguments for 'xadd' command")
  await scene.is(
    cast.cli('xadd', 'log', '1-0', 'a', 'b'),
    expect.stringMatching(/^ERR The ID specified in XADD is equal/),
  )
  await scene.is(cast.cli('select', '99'), 'ERR DB index is out of range')
  await scene.is(
    cast.cli('-a', 'secret', '--no-auth-warning', 'ping'),
    expect.stringContaining('AUTH failed: ERR AUTH <password> called without any password configured'),
  )
  const { code } = await run('redis-cli', ['-p', String(scene.port), '-e', 'incr', 'log'])
  await scene.is(Promise.resolve(code), 1)
}

async function insert(cast: Cast): Promise<void> {
  const { scene } = cast
  const count = 20_000
  const requests: string[] = []
  for (let i = 1; i <= count; i++) {
    const id = `${i}-0`
    requests.push(`*5\r\n$4\r\nXADD\r\n$4\r\nmass\r\n$${id.length}\r\n${id}\r\n$1\r\na\r\n$1\r\nb\r\n`)
  }
  await scene.is(cast.cliWith(requests.join(''), '--pipe'), expect.stringMatching(/errors: 0, replies: 20000$/))
  await scene.is(cast.cli('xlen', 'mass'), String(count))
  await scene.is(cast.cli('xrevrange', 'mass', '+', '-', 'count', '1'), '20000-0\na\nb')
  await scene.is(
    cast.cliWith('SET inline 1\r\nINCR mass\r\n', '--pipe'),
    expect.stringContaining('errors: 1, replies: 2'),
  )
}

async function lookAtKeys(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cli('--scan', '--pattern', 'w*'), 'work')
  await scene.is(cast.cli('--scan', '--pattern', 'none*'), '')
  const sorted = cast.cli('--scan').then((text) => text.split('\n').sort())
  const keys = ['a', 'bytes', 'calls', 'counter', 'heard', 'inline', 'log', 'mass', 'piped', 'seen', 'work']
  await scene.is(sorted, keys)
  await scene.is(cast.cli('--bigkeys'), expect.stringContaining('Biggest stream found \'"mass"\' has 20000 entries'))
  await scene.is(cast.cli('--memkeys'), expect.stringMatching(/Biggest stream found '"mass"' has \d+ bytes/))
  await scene.is(cast.cli('dbsize'), String(keys.length))
  await scene.is(cast.cli('flushall'), 'OK')
  await scene.is(cast.cli('--scan'), '')
}

async function measure(cast: Cast): Promise<void> {
  const { scene } = cast
  // Least, most and mean milliseconds, and how many samples.
  await scene.is(cast.cli('--latency', '-i', '0.1'), expect.stringMatching(/^\d+ \d+ \d+\.\d\d \d+$/))
  const statistics = cast.open('--stat', '-i', '0.01')
  const rows = await scene.gives(statistics.lines.take(4))
  await scene.is(Promise.resolve(rows[1]), expect.stringMatching(/^keys +mem +clients +blocked +requests +connections/))
  await scene.is(Promise.resolve(rows[3]), expect.stringMatching(/^0 +[\d.]+[KMG] +\d+ +0 +\d+ \(\+\d+\) +\d+/))
}

async function help(cast: Cast): Promise<void> {
  const { scene } = cast
  await scene.is(cast.cliWith('help xadd\n'), expect.stringMatching(/XADD.*key \[NOMKSTREAM\].*\r?\n.*summary:/))
  await scene.is(cast.cliWith('help @stream\n'), expect.stringContaining('XREADGROUP'))
  await scene.is(cast.cli('xinfo', 'help'), expect.stringMatching(/^XINFO <subcommand> \[<arg> \[value\]/))
}

async function comeBack(cast: Cast): Promise<void> {
  const { scene } = cast
  const program = cast.open()
  program.write('set here before')
  await scene.is(program.lines.take(1), ['OK'])
  program.write('client id')
  const [id] = await scene.gives(program.lines.take(1))
  await scene.is(cast.cli('client', 'kill', 'id', id!), '1')
  // The command that meets the lost connection is lost with it.
  program.write('get here')
  program.write('get here')
  await scene.is(program.lines.take(1), ['before'])
  program.write('client id')
  const [next] = await scene.gives(program.lines.take(1))
  await scene.is(Promise.resolve(Number(next) > Number(id)), true)
}

/** What JavaScript makes easy to get wrong: section "language" of table.ts. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ProtocolError, ReplyReader } from '@millrace/protocol'
import { afterEach, expect, it } from 'vitest'
import { encode, encodeAll, Wire } from '../differential-wire.ts'
import { globMatch } from '../glob.ts'
import { Site } from '../testing/site.ts'
import { Plug } from './plug.ts'

const root = join(import.meta.dirname, '../../../..')

let site: Site | undefined
afterEach(async () => {
  await site?.close()
  site = undefined
})

async function start(): Promise<Wire> {
  site = await Site.start()
  return await site.client()
}

const inherited = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', '__defineGetter__']

it('names of Object.prototype: are keys, fields, groups, consumers, channels and users like any other', async () => {
  const wire = await start()
  for (const name of inherited) {
    expect(await wire.ask('GET', name), name).toBe('$-1\r\n')
    expect(await wire.ask('SET', name, name)).toBe('+OK\r\n')
    expect(await wire.ask('GET', name)).toBe(`$${name.length}\r\n${name}\r\n`)
    expect(await wire.ask('DEL', name)).toBe(':1\r\n')
    expect(await wire.ask('XADD', name, '1-1', name, name)).toBe('$3\r\n1-1\r\n')
    expect(await wire.ask('XRANGE', name, '-', '+')).toContain(`*2\r\n$${name.length}\r\n${name}\r\n$${name.length}`)
    expect(await wire.ask('XREADGROUP', 'GROUP', name, name, 'STREAMS', name, '>')).toMatch(/^-NOGROUP/)
    expect(await wire.ask('XGROUP', 'CREATE', name, name, '0')).toBe('+OK\r\n')
    expect(await wire.ask('XREADGROUP', 'GROUP', name, name, 'STREAMS', name, '>')).toContain('1-1')
    expect(await wire.ask('XPENDING', name, name, '-', '+', '9', name)).toContain('1-1')
    expect(await wire.ask('XACK', name, name, '1-1')).toBe(':1\r\n')
    expect(await wire.ask('PUBSUB', 'NUMSUB', name)).toContain(':0\r\n')
    expect(await wire.ask('CONFIG', 'GET', name)).toBe('*0\r\n')
    expect(await wire.ask('CONFIG', 'SET', name, '1')).toMatch(/^-ERR/)
    expect(await wire.ask('COMMAND', 'INFO', name)).toMatch(/^\*1\r\n[*$]-1\r\n$/)
    expect(await wire.ask('INFO', name)).toMatch(/^\$0\r\n|^\$\d+\r\n/)
    expect(await wire.ask('OBJECT', name)).toMatch(/^-ERR unknown subcommand/)
    expect(await wire.ask('XINFO', name, 'a')).toMatch(/^-ERR unknown subcommand/)
    expect(await wire.ask('ACL', 'GETUSER', name)).toBe('$-1\r\n')
    expect(await wire.ask('ACL', 'SETUSER', 'u', name)).toMatch(/^-ERR/)
    expect(await wire.ask('ACL', 'SETUSER', 'u', `+@${name}`)).toMatch(/^-ERR/)
    expect(await wire.ask('ACL', 'CAT', name)).toMatch(/^-ERR/)
    expect(await wire.ask('LATENCY', 'HISTORY', name)).toBe('*0\r\n')
    expect(await wire.ask(name, 'a')).toMatch(/^-ERR unknown command/)
    expect(await wire.ask('CLIENT', 'KILL', name, 'a')).toMatch(/^-ERR/)
    expect(await wire.ask('XREAD', name, '1', 'STREAMS', 'a', '0')).toMatch(/^-ERR/)
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

it('recursion: replies nested deeper than 32 are refused by the client parser, whatever their depth', () => {
  for (const depth of [33, 20_000, 1_000_000]) {
    const reader = new ReplyReader()
    reader.feed(Buffer.from('*1\r\n'.repeat(depth)))
    expect(() => reader.next(), String(depth)).toThrow(ProtocolError)
  }
  const reader = new ReplyReader()
  reader.feed(Buffer.from(`${'*1\r\n'.repeat(31)}:1\r\n`))
  expect(reader.next()).toBe(true)
})

it('recursion: requests have no nesting, and selectors and quotes in them are read without a stack', async () => {
  const wire = await start()
  expect(await wire.ask('ACL', 'SETUSER', 'u', '('.repeat(50_000))).toMatch(/^-ERR/)
  expect(await wire.ask('ACL', 'SETUSER', 'u', '('.repeat(50_000) + ')'.repeat(50_000))).toMatch(/^-ERR/)
  wire.send(Buffer.from(`ECHO "${'\\x41'.repeat(15_000)}"\r\n`))
  expect((await wire.take(1))[0]).toHaveLength(15_010)
})

it('CVE-2022-36021, CVE-2024-31228: globs take no stack and no exponential time', async () => {
  const wire = await start()
  const key = 'a'.repeat(10_000)
  await wire.ask('SET', key, '1')
  // Each of these would run for longer than there is time if a star were tried anew for every star before it.
  expect(await wire.ask('KEYS', `${'a*'.repeat(5000)}b`)).toBe('*0\r\n')
  expect(await wire.ask('KEYS', `${'*a'.repeat(5000)}*b`)).toBe('*0\r\n')
  expect(await wire.ask('KEYS', '['.repeat(100_000))).toBe('*0\r\n')
  expect(await wire.ask('KEYS', '\\'.repeat(100_000))).toBe('*0\r\n')
  expect(await wire.ask('SCAN', '0', 'MATCH', `${'?*'.repeat(20_000)}`)).toContain('*0\r\n')
  expect(await wire.ask('PSUBSCRIBE', `${'*?'.repeat(20_000)}x`)).toMatch(/^\*3/)
  const other = await site!.client()
  expect(await other.ask('PUBLISH', key, 'm')).toBe(':0\r\n')
  expect(await other.ask('CONFIG', 'GET', `${'*a'.repeat(20_000)}*`)).toBe('*0\r\n')
  expect(globMatch(`${'*'.repeat(100_000)}b`, key)).toBe(false)
})

/** The source of what serves requests, without comments. */
function sources(): { file: string; code: string }[] {
  const found: { file: string; code: string }[] = []
  for (const folder of ['protocol', 'engine', 'server', 'cli']) {
    const base = join(root, 'packages', folder, 'src')
    for (const name of readdirSync(base, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || /\.(test|fuzz|bench)\.ts$|^(clients|testing|security)\/|differential/.test(name))
        continue
      const code = readFileSync(join(base, name), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      found.push({ file: `${folder}/${name}`, code })
    }
  }
  return found
}

it('text that becomes code: no RegExp, Function, eval or vm is made of what a peer sent', () => {
  const all = sources()
  expect(all.length).toBeGreaterThan(100)
  // The collector of garbage has no other name; the text is a constant.
  const withoutCollector = (code: string): string =>
    code.replace("import { runInNewContext } from 'node:vm'", '').replace("runInNewContext('gc')", '')
  const wrong = all.filter(({ code }) =>
    /new RegExp\(|\bRegExp\(|new Function\(|\beval\(|node:vm|runIn\w*Context|\bimport\([^'"]/.test(
      withoutCollector(code),
    ),
  )
  expect(wrong.map(({ file }) => file)).toEqual([])
})

it('text that becomes code: EVAL runs what the program was given at its start and nothing else', async () => {
  const wire = await start()
  for (const text of ['return 1', 'process.exit(1)', '', 'redis.call("set","a","b")']) {
    expect(await wire.ask('EVAL', text, '0'), text).toMatch(/^-/)
    expect(await wire.ask('EVAL_RO', text, '0'), text).toMatch(/^-/)
    expect(await wire.ask('SCRIPT', 'LOAD', text), text).toMatch(/^-/)
  }
  expect(await wire.ask('EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', '0')).toMatch(/^-NOSCRIPT/)
  expect(await wire.ask('FCALL', 'f', '0')).toMatch(/^-ERR 'FCALL' is not available/)
  expect(await wire.ask('EXISTS', 'a')).toBe(':0\r\n')
})

it('64-bit numbers: are exact, beyond 2^53 too', async () => {
  const wire = await start()
  const cases: [string[], string][] = [
    [['SET', 'n', '9223372036854775806'], '+OK\r\n'],
    [['INCR', 'n'], ':9223372036854775807\r\n'],
    [['INCR', 'n'], '-ERR increment or decrement would overflow\r\n'],
    [['DECRBY', 'n', '9223372036854775807'], ':0\r\n'],
    [['DECRBY', 'n', '9223372036854775807'], ':-9223372036854775807\r\n'],
    [['DECR', 'n'], ':-9223372036854775808\r\n'],
    [['DECR', 'n'], '-ERR increment or decrement would overflow\r\n'],
    [['XADD', 's', '9007199254740993-9007199254740993', 'f', 'v'], '$33\r\n9007199254740993-9007199254740993\r\n'],
    [
      ['XADD', 's', '18446744073709551615-18446744073709551614', 'f', 'v'],
      '$41\r\n18446744073709551615-18446744073709551614\r\n',
    ],
    [['XADD', 's', '*', 'f', 'v'], '$41\r\n18446744073709551615-18446744073709551615\r\n'],
    [
      ['XADD', 's', '18446744073709551616-1', 'f', 'v'],
      '-ERR Invalid stream ID specified as stream command argument\r\n',
    ],
    [['XDEL', 's', '9007199254740993-9007199254740992'], ':0\r\n'],
    [['XDEL', 's', '9007199254740993-9007199254740993'], ':1\r\n'],
    [['XSETID', 's', '18446744073709551615-18446744073709551615', 'ENTRIESADDED', '4503599627370495'], '+OK\r\n'],
  ]
  for (const [args, reply] of cases) expect(await wire.ask(...args), args.join(' ')).toBe(reply)
  expect(await wire.ask('XINFO', 'STREAM', 's')).toContain('entries-added\r\n:4503599627370495\r\n')
})

it('memory of others: what a pooled buffer held before is in no reply', async () => {
  await start()
  const canary = 'CANARY-9f3c'
  // Fills the pools that allocUnsafe takes from, and lets them go.
  const dirty = (): void => {
    for (let i = 0; i < 2000; i++) Buffer.allocUnsafe(8 * ((i % 500) + 1)).fill(canary)
    for (let i = 0; i < 50; i++) Buffer.allocUnsafe(16_384).fill(canary)
  }
  const plug = await Plug.into(site!.server.state)
  dirty()
  const commands = [
    ['SETRANGE', 'a', '5000', 'x'],
    ['GET', 'a'],
    ['SETRANGE', 'a', '20000', 'y'],
    ['APPEND', 'a', 'z'],
    ['GETRANGE', 'a', '0', '-1'],
    ['XADD', 's', '1-1', '', ''],
    ['XADD', 's', '2-1', 'f', '', 'g', 'v'],
    ['XRANGE', 's', '-', '+'],
    ['XREAD', 'STREAMS', 's', '0'],
    ['XINFO', 'STREAM', 's', 'FULL'],
    ['XDEL', 's', '1-1'],
    ['XRANGE', 's', '-', '+'],
    ['COPY', 'a', 'b'],
    ['GET', 'b'],
    ['MGET', 'a', 'b', 's'],
    ['ECHO', ''],
    ['HELLO', '3'],
    ['CLIENT', 'LIST'],
    ['COMMAND'],
    ['INFO', 'everything'],
  ]
  for (const args of commands) {
    dirty()
    const bytes = encode(args)
    // Cut in two, so that the parser copies it into a buffer of its own.
    plug.put(bytes.subarray(0, bytes.length - 3))
    dirty()
    plug.put(bytes.subarray(bytes.length - 3))
  }
  expect(plug.frames()).toHaveLength(commands.length)
  expect(plug.text).not.toContain('CANARY')
  expect(plug.text).not.toContain('9f3c')
})

it('memory of others: what many clients send at once, in pieces, stays their own', async () => {
  site = await Site.start()
  const wires = await Promise.all(Array.from({ length: 30 }, async () => await site!.client()))
  const own = (number: number): string => `<${number}>`.repeat(200 + number)
  const requests = wires.map((_, number) => {
    const mark = own(number)
    // Queued in a transaction, waiting behind a blocked read, published, and cut: wherever bytes are kept for later.
    return encodeAll([
      ['MULTI'],
      ['SET', `k${number}`, mark],
      ['XADD', `s${number}`, '*', mark, mark],
      ['EXEC'],
      ['XREAD', 'BLOCK', '20', 'STREAMS', `none${number}`, '$'],
      ['ECHO', mark],
      ['SUBSCRIBE', `c${number}`],
      ['UNSUBSCRIBE'],
      ['GET', `k${number}`],
      ['XRANGE', `s${number}`, '-', '+'],
    ])
  })
  const piece = 700
  for (let at = 0; requests.some((bytes) => at < bytes.length); at += piece) {
    for (const [number, wire] of wires.entries()) wire.send(requests[number]!.subarray(at, at + piece))
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (const [number, wire] of wires.entries()) {
    const said = (await wire.take(10)).join('')
    expect(said.split(own(number)).length - 1, `client ${number}`).toBe(4)
    const marks = new Set([...said.matchAll(/<(\d+)>/g)].map((match) => match[1]))
    expect([...marks], `client ${number}`).toEqual([String(number)])
  }
})

it('a mistake of ours: in any command is that client one error, and no process ends', async () => {
  const wire = await start()
  const { state } = site!.server
  for (const name of ['get', 'xadd', 'xread', 'client|list', 'exec']) {
    Object.assign(state.commands.entry(name)!, {
      run() {
        throw name === 'get' ? 'not even an error' : new RangeError('Maximum call stack size exceeded')
      },
    })
  }
  const error = "-ERR Internal error, told in the server's log\r\n"
  wire.send(
    encodeAll([
      ['GET', 'a'],
      ['XADD', 's', '*', 'f', 'v'],
      ['XREAD', 'STREAMS', 's', '0'],
      ['CLIENT', 'LIST'],
      ['PING'],
    ]),
  )
  expect(await wire.take(5)).toEqual([error, error, error, error, '+PONG\r\n'])
  wire.send(encodeAll([['MULTI'], ['GET', 'a'], ['EXEC'], ['DISCARD'], ['PING']]))
  expect(await wire.take(5)).toEqual(['+OK\r\n', '+QUEUED\r\n', error, '+OK\r\n', '+PONG\r\n'])
})

it(
  'a mistake of ours: outside of any command ends the server in order, with a code that tells',
  { timeout: 60_000 },
  async () => {
    const cli = join(root, 'packages/cli/src/program.ts')
    const code =
      `import { run } from ${JSON.stringify(cli)}; process.once('SIGUSR2', () => { throw new Error('a mistake') }); ` +
      `await run(['serve', '--port', '0', '--bind', '127.0.0.1'])`
    const flags = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e', code]
    const child = spawn(process.execPath, flags, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let told = ''
    child.stderr.on('data', (bytes: Buffer) => (told += bytes.toString()))
    const [ready] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const wire = await Wire.connect(Number(ready.split(':').at(-1)))
    expect(await wire.ask('SET', 'a', '1')).toBe('+OK\r\n')
    child.kill('SIGUSR2')
    const [exitCode] = (await once(child, 'exit')) as [number]
    expect(exitCode).toBe(1)
    expect(told).toContain('ends after an error of its own: Error: a mistake')
    await wire.closed()
  },
)

const badLines = [
  ['serve', '--port', '65536'],
  ['serve', '--port', '-1'],
  ['serve', '--port', 'a'.repeat(100_000)],
  ['serve', '--config', '/'.repeat(5000)],
  ['serve', '--config', '/dev/null/x'],
  ['serve', '--config', '/'],
  ['serve', '--acl', `/${'a'.repeat(300)}`],
  ['serve', '--acl', '/etc/hostname', '--port', '0'],
  ['serve', '--port', '0', '--unixsocket', `/tmp/${'s'.repeat(200)}`],
  ['serve', '--port', '0', '--unixsocket', '/nowhere/s'],
  ['serve', '--unixsocketperm', '999', '--port', '0'],
  ['serve', '--maxmemory', '1zb'],
  ['serve', '--maxclients', '0'],
  ['serve', '--tls-port', '0'],
  ['serve', '--tls-port', '0', '--tls-cert', '/dev/null', '--tls-key', '/dev/null', '--port', '0'],
  ['serve', '--threads', '2'],
  ['serve', '--bind', '0.0.0.0', '--port', '0'],
  ['serve', '--bind', '\u0000', '--port', '0'],
  ['serve', '--__proto__', 'x'],
  ['serve', 'extra'],
  ['\u001b[2J'],
  [],
]

it(
  'CVE-2025-27151: paths and arguments of the command line, however long or odd, end in a sentence',
  { timeout: 60_000 },
  () => {
    const cli = join(root, 'packages/cli/src/program.ts')
    const code = `
    import { run } from ${JSON.stringify(cli)}
    const codes = []
    for (const line of ${JSON.stringify(badLines)}) codes.push(await run(line))
    process.stdout.write(JSON.stringify(codes))
    process.exit(0)`
    const flags = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e', code]
    const { stdout, stderr, status } = spawnSync(process.execPath, flags, { cwd: root, encoding: 'utf8' })
    expect(status, stderr.slice(-1000)).toBe(0)
    const codes = JSON.parse(stdout.slice(stdout.lastIndexOf('['))) as (number | null)[]
    for (const [i, line] of badLines.entries()) expect([1, 2], line.join(' ').slice(0, 60)).toContain(codes[i])
    // No stack trace, and nothing that moves a terminal's cursor.
    expect(stderr).not.toMatch(/\n\s+at /)
    expect([...stderr].filter((char) => char < ' ' && char !== '\n')).toEqual([])
  },
)

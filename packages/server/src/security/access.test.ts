/** Who may connect, and do what: section "access" of table.ts. */
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { encode, type Wire } from '../differential-wire.ts'
import type { ServerOptions } from '../options.ts'
import { isDenied } from '../protected-mode.ts'
import { Server } from '../server.ts'
import { Site } from '../testing/site.ts'
import { Plug } from './plug.ts'
import { Victim } from './victim.ts'

let directory: string
let site: Site | undefined
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-access-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
afterEach(async () => {
  await site?.close()
  site = undefined
})

async function start(options?: ServerOptions): Promise<Site> {
  site = await Site.start(options)
  return site
}

/** A client that is somebody. */
async function as(name: string, ...rules: string[]): Promise<Wire> {
  const admin = await site!.client()
  expect(await admin.ask('ACL', 'SETUSER', name, 'reset', 'on', '>pw', ...rules)).toBe('+OK\r\n')
  const wire = await site!.client()
  expect(await wire.ask('AUTH', name, 'pw')).toBe('+OK\r\n')
  return wire
}

it('protected mode: a server listens on loopback unless it is told to do otherwise', async () => {
  const server = await Server.start({ port: 0 })
  expect(server.listeners.length).toBeGreaterThan(0)
  for (const { address } of server.listeners) expect(address).toMatch(/^(127\.0\.0\.1|\[::1\]):/)
  await server.close()
})

it('protected mode: a public address is refused without a password, closed users or `insecure`', async () => {
  for (const bind of [
    ['0.0.0.0'],
    ['127.0.0.1', '0.0.0.0'],
    ['::'],
    ['10.1.2.3'],
    ['example.org'],
    ['-0.0.0.0'],
    [''],
  ]) {
    await expect(Server.start({ port: 0, bind }), bind.join(' ')).rejects.toThrow(/anybody there could read/)
  }
  const aclFile = join(directory, 'open.acl')
  writeFileSync(aclFile, 'user default on nopass ~* &* +@all\n')
  await expect(Server.start({ port: 0, bind: ['0.0.0.0'], aclFile })).rejects.toThrow(/anybody/)
  await expect(Server.start({ port: 0, bind: ['127.0.0.1'], password: '' })).rejects.toThrow(/empty password/)
  const opened = [
    await Server.start({ port: 0, bind: ['0.0.0.0'], password: 'pw' }),
    await Server.start({ port: 0, bind: ['0.0.0.0'], insecure: true }),
  ]
  for (const server of opened) await server.close()
})

/** Opens the server, whose address is public, in the words of one command. */
const openings = [
  ['CONFIG', 'SET', 'requirepass', ''],
  ['ACL', 'SETUSER', 'default', 'nopass'],
  ['ACL', 'SETUSER', 'default', 'off', 'nopass', 'on'],
  ['MULTI', 'ACL SETUSER default nopass', 'EXEC'],
]

it.each(openings)(
  'protected mode: without its password the server is for this machine alone (%s %s %s)',
  async (...words) => {
    await start({ bind: ['0.0.0.0'], password: 'pw' })
    const { state } = site!.server
    const admin = await site!.client()
    await admin.ask('AUTH', 'pw')
    const [stranger, known, near] = [
      await Plug.into(state, '10.1.2.3'),
      await Plug.into(state, '2001:db8::1'),
      await Plug.into(state, '::ffff:127.0.0.1'),
    ]
    known.put('AUTH pw\r\n')
    expect([stranger, known, near].map((plug) => plug.isEnded)).toEqual([false, false, false])
    if (words[0] !== 'MULTI') expect(await admin.ask(...words)).toBe('+OK\r\n')
    else for (const part of words) await admin.ask(...part.split(' '))
    stranger.put('FLUSHALL\r\n')
    expect([stranger, known, near].map((plug) => plug.isEnded)).toEqual([true, true, false])
    expect(stranger.frames()).toEqual([])
    expect([undefined, '127.0.0.1', '::1', '10.1.2.3', '2001:db8::1'].map((remote) => isDenied(state, remote))).toEqual(
      [false, false, false, true, true],
    )
    near.put('PING\r\n')
    expect(near.frames()).toEqual(['+PONG\r\n'])
    expect(await admin.ask('CONFIG', 'GET', 'protected-mode')).toContain('$3\r\nyes\r\n')
    expect(await admin.ask('CONFIG', 'SET', 'requirepass', 'new')).toBe('+OK\r\n')
    expect(isDenied(state, '10.1.2.3')).toBe(false)
  },
)

it('protected mode: who opens the server from elsewhere is told so, and closed', async () => {
  await start({ bind: ['0.0.0.0'], password: 'pw' })
  const admin = await Plug.into(site!.server.state, '10.1.2.3')
  admin.put('AUTH pw\r\nCONFIG SET requirepass ""\r\n')
  await admin.settled()
  expect(admin.frames()).toEqual(['+OK\r\n', '+OK\r\n'])
  expect(admin.isEnded).toBe(true)
})

it('protected mode: an ACL file that opens the server closes it to others; `insecure` leaves it to everybody', async () => {
  const aclFile = join(directory, 'opened.acl')
  writeFileSync(aclFile, 'user default on >pw ~* &* +@all\n')
  for (const insecure of [false, true]) {
    await start({ bind: ['0.0.0.0'], aclFile, insecure })
    const { state } = site!.server
    const admin = await site!.client()
    await admin.ask('AUTH', 'pw')
    const stranger = await Plug.into(state, '10.1.2.3')
    writeFileSync(aclFile, 'user default on nopass ~* &* +@all\n')
    expect(await admin.ask('ACL', 'LOAD')).toBe('+OK\r\n')
    expect([stranger.isEnded, isDenied(state, '10.1.2.3')]).toEqual([!insecure, !insecure])
    expect(await admin.ask('CONFIG', 'GET', 'protected-mode')).toContain(insecure ? '\r\nno\r\n' : '\r\nyes\r\n')
    await site!.close()
    writeFileSync(aclFile, 'user default on >pw ~* &* +@all\n')
  }
})

it('protected mode: who comes from elsewhere to a server that was opened is denied, and told what to do', async () => {
  const host = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.internal === false && one.family === 'IPv4')?.address
  // A machine without a network has nobody who could come.
  if (host === undefined) return
  await start({ bind: ['127.0.0.1', host], password: 'pw' })
  const admin = await site!.client()
  await admin.ask('AUTH', 'pw')
  await admin.ask('CONFIG', 'SET', 'requirepass', '')
  const socket = connect({ port: site!.server.port, host })
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
  await once(socket, 'close')
  expect(text).toMatch(/^-DENIED Protected mode: .*CONFIG SET requirepass.*\r\n$/)
})

it('ACL: keys that are read and keys that are written are told apart', async () => {
  await start()
  const wire = await as('u', '+@all', '%R~r:*', '%W~w:*', '~b:*')
  expect(await wire.ask('GET', 'r:1')).toBe('$-1\r\n')
  expect(await wire.ask('SET', 'r:1', 'v')).toMatch(/^-NOPERM/)
  expect(await wire.ask('SET', 'w:1', 'v')).toBe('+OK\r\n')
  expect(await wire.ask('GET', 'w:1')).toMatch(/^-NOPERM/)
  expect(await wire.ask('SET', 'w:1', 'v', 'GET')).toMatch(/^-NOPERM/)
  expect(await wire.ask('COPY', 'r:1', 'w:2')).toBe(':0\r\n')
  expect(await wire.ask('COPY', 'w:1', 'r:2')).toMatch(/^-NOPERM/)
  expect(await wire.ask('GETDEL', 'b:1')).toBe('$-1\r\n')
  expect(await wire.ask('GETDEL', 'r:1')).toMatch(/^-NOPERM/)
})

it('ACL: every key of a command is checked, wherever it stands', async () => {
  await start()
  const admin = await site!.client()
  for (const key of ['ours:1', 'theirs:1']) await admin.ask('XGROUP', 'CREATE', key, 'STREAMS', '0', 'MKSTREAM')
  // A key of its own that is called like the keyword.
  const wire = await as('u', '+@all', '~ours:*', '~STREAMS')
  const forbidden = [
    ['XREAD', 'STREAMS', 'ours:1', 'theirs:1', '0', '0'],
    ['XREAD', 'COUNT', '1', 'BLOCK', '1', 'STREAMS', 'theirs:1', 'ours:1', '0', '0'],
    // A group that is called STREAMS does not hide the keys.
    ['XREADGROUP', 'GROUP', 'STREAMS', 'ours:1', 'STREAMS', 'theirs:1', '>'],
    ['XREADGROUP', 'GROUP', 'STREAMS', 'ours:1', 'COUNT', '1', 'STREAMS', 'ours:1', 'theirs:1', '>', '>'],
    ['xreadgroup', 'group', 'STREAMS', 'STREAMS', 'noack', 'streams', 'theirs:1', '>'],
    ['XREADGROUP', 'COUNT', '1', 'GROUP', 'STREAMS', 'ours:c', 'STREAMS', 'theirs:1', '>'],
    ['XREADGROUP', 'COUNT', '1', 'GROUP', 'ours:c', 'STREAMS', 'STREAMS', 'theirs:1', '>'],
    ['XREAD', 'COUNT', 'STREAMS', 'STREAMS', 'theirs:1', '0'],
    ['XACKDEL', 'theirs:1', 'STREAMS', 'KEEPREF', 'IDS', '1', '1-1'],
    ['XNACK', 'theirs:1', 'STREAMS', 'FAIL', 'IDS', '1', '1-1'],
    ['XDELEX', 'theirs:1', 'KEEPREF', 'IDS', '1', '1-1'],
    ['XGROUP', 'CREATE', 'theirs:1', 'g', '0'],
    ['XINFO', 'STREAM', 'theirs:1'],
    ['MSET', 'ours:2', 'a', 'theirs:2', 'b'],
    ['MSETNX', 'ours:2', 'a', 'theirs:2', 'b'],
    ['MGET', 'ours:2', 'theirs:2'],
    ['DEL', 'ours:2', 'ours:3', 'theirs:1'],
    ['RENAME', 'ours:2', 'theirs:2'],
    ['COPY', 'theirs:1', 'ours:9'],
    ['WATCH', 'ours:1', 'theirs:1'],
    ['OBJECT', 'ENCODING', 'theirs:1'],
    ['MEMORY', 'USAGE', 'theirs:1'],
    ['EXISTS', 'ours:1', 'theirs:1'],
    ['EVAL', 'return 1', '2', 'ours:1', 'theirs:1'],
  ]
  for (const args of forbidden) expect(await wire.ask(...args), args.join(' ')).toMatch(/^-NOPERM/)
  expect(await wire.ask('XREADGROUP', 'GROUP', 'STREAMS', 'theirs:1', 'STREAMS', 'ours:1', '>')).toMatch(/^\*-1/)
  // Inside of a transaction too, and when the rules change before EXEC.
  await wire.ask('MULTI')
  expect(await wire.ask('GET', 'theirs:1')).toMatch(/^-NOPERM/)
  expect(await wire.ask('EXEC')).toMatch(/^-EXECABORT/)
  await wire.ask('MULTI')
  await wire.ask('SET', 'ours:2', 'a')
  await admin.ask('ACL', 'SETUSER', 'u', 'resetkeys')
  expect(await wire.ask('EXEC')).toMatch(/^\*1\r\n-NOPERM/)
})

it('ACL: a blocked reader whose rules are taken away while it waits gets no entry', async () => {
  await start()
  const admin = await site!.client()
  const wire = await as('u', '+@all', '~s')
  wire.send(encode(['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']))
  await expect.poll(() => site!.server.state.blockedClients.size).toBe(1)
  await admin.ask('ACL', 'DELUSER', 'u')
  await admin.ask('XADD', 's', '1-1', 'secret', 'v')
  await wire.closed()
  expect(wire.arrived().join()).not.toContain('secret')
})

it('ACL: a blocked reader whose key is taken from its user while it waits is refused, and gets no entry', async () => {
  await start()
  const admin = await site!.client()
  await admin.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
  const [plain, grouped] = [await as('u', '+@all', '~s'), await as('u', '+@all', '~s')]
  plain.send(encode('XREAD BLOCK 0 STREAMS s $'.split(' ')))
  grouped.send(encode('XREADGROUP GROUP g c BLOCK 0 STREAMS s >'.split(' ')))
  await expect.poll(() => site!.server.state.blockedClients.size).toBe(2)
  await admin.ask('ACL', 'SETUSER', 'u', 'resetkeys', '~other')
  await admin.ask('XADD', 's', '1-1', 'secret', 'v')
  for (const wire of [plain, grouped]) expect((await wire.take(1))[0]).toMatch(/^-NOPERM .* keys/)
  expect(await admin.ask('XPENDING', 's', 'g')).toMatch(/^\*4\r\n:0/)
})

it('ACL file: without a line for it the default user is off, and so nothing is open', async () => {
  const aclFile = join(directory, 'closed.acl')
  writeFileSync(aclFile, 'user worker on >pw ~* +@all\n')
  await start({ aclFile })
  const wire = await site!.client()
  expect(await wire.ask('PING')).toMatch(/^-NOAUTH/)
  expect(await wire.ask('AUTH', 'default', '')).toMatch(/^-WRONGPASS/)
  const other = await site!.client()
  other.send(encode(['AUTH', 'worker', 'pw']))
  expect((await other.take(1))[0]).toBe('+OK\r\n')
  expect(await other.ask('PING')).toBe('+PONG\r\n')
})

it('CVE-2023-45145: the Unix socket has its permissions before anybody can reach it, whatever the umask', async () => {
  const path = join(directory, 'millrace.sock')
  const { chmodSync, renameSync } = fs
  const seen: string[] = []
  const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8)
  fs.chmodSync = (file, wanted) => {
    seen.push(`before chmod: directory ${mode(dirname(String(file)))}, at its place ${fs.existsSync(path)}`)
    seen.push(`hidden beside its place: ${dirname(dirname(String(file))) === directory}`)
    chmodSync(file, wanted)
  }
  fs.renameSync = (from, to) => {
    seen.push(`before rename: socket ${mode(String(from))}`)
    renameSync(from, to)
  }
  syncBuiltinESMExports()
  const umask = process.umask(0)
  try {
    const server = await Server.start({ port: false, unixSocket: path, unixSocketMode: 0o600 })
    expect(mode(path)).toBe('600')
    await server.close()
  } finally {
    process.umask(umask)
    Object.assign(fs, { chmodSync, renameSync })
    syncBuiltinESMExports()
  }
  expect(seen).toEqual([
    'before chmod: directory 700, at its place false',
    'hidden beside its place: true',
    'before rename: socket 600',
  ])
})

// ---- TLS

interface Papers {
  readonly certFile: string
  readonly keyFile: string
}

function papers(name: string): Papers {
  const [certFile, keyFile] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`]
  execFileSync('openssl', [...request, ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  return { certFile, keyFile }
}

/** The first reply to a PING over TLS; or why there was none. */
async function ping(port: number, options: ConnectionOptions): Promise<string> {
  return await new Promise((resolve) => {
    const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      socket.write('PING\r\n')
    })
    socket.once('data', (bytes: Buffer) => {
      resolve(`${bytes.toString().trim()} ${socket.getProtocol()} ${String(socket.getPeerCertificate().subject.CN)}`)
      socket.destroy()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('closed'))
  })
}

it('TLS: versions before 1.2 are refused, and a client that checks the name is content', async () => {
  const { certFile, keyFile } = papers('first.test')
  const server = await Server.start({ port: false, tls: { port: 0, certFile, keyFile } })
  const port = server.tlsPort
  expect(await ping(port, {})).toBe('+PONG TLSv1.3 first.test')
  expect(await ping(port, { maxVersion: 'TLSv1.2' })).toBe('+PONG TLSv1.2 first.test')
  const old: ConnectionOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
  expect(await ping(port, old)).toMatch(/ERR_SSL|ECONNRESET|closed/)
  const ca = readFileSync(certFile)
  expect(await ping(port, { ca, servername: 'first.test', rejectUnauthorized: true })).toMatch(/^\+PONG/)
  expect(await ping(port, { ca, servername: 'other.test', rejectUnauthorized: true })).toBe(
    'ERR_TLS_CERT_ALTNAME_INVALID',
  )
  await server.close()
})

it('TLS: with a CA a client has to show a certificate of it', async () => {
  const [own, known, unknown] = [papers('own.test'), papers('known.test'), papers('unknown.test')]
  const server = await Server.start({ port: false, tls: { port: 0, ...own, caFile: known.certFile } })
  const shown = ({ certFile, keyFile }: Papers): ConnectionOptions => ({
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
  })
  expect(await ping(server.tlsPort, shown(known))).toMatch(/^\+PONG/)
  expect(await ping(server.tlsPort, {})).not.toMatch(/^\+PONG/)
  expect(await ping(server.tlsPort, shown(unknown))).not.toMatch(/^\+PONG/)
  await server.close()
})

it('TLS: certificates are read again without a restart, and bad ones are not taken', async () => {
  const [first, second] = [papers('one.test'), papers('two.test')]
  const own: Papers = { certFile: join(directory, 'own.crt'), keyFile: join(directory, 'own.key') }
  const install = ({ certFile, keyFile }: Papers): void => {
    writeFileSync(own.certFile, readFileSync(certFile))
    writeFileSync(own.keyFile, readFileSync(keyFile))
  }
  install(first)
  const server = await Server.start({ port: false, tls: { port: 0, ...own } })
  expect(await ping(server.tlsPort, {})).toMatch(/one\.test$/)
  install(second)
  server.reloadTls()
  expect(await ping(server.tlsPort, {})).toMatch(/two\.test$/)
  rmSync(own.certFile)
  expect(() => server.reloadTls()).toThrow(/certificate/)
  expect(await ping(server.tlsPort, {})).toMatch(/two\.test$/)
  await server.close()
})

// ---- administration

it('write-anything: where files are is not for CONFIG SET, and nothing of the known attack runs', async () => {
  await start()
  const wire = await site!.client()
  const attack = [
    ['CONFIG', 'SET', 'dir', '/tmp'],
    ['CONFIG', 'SET', 'dbfilename', 'authorized_keys'],
    ['CONFIG', 'SET', 'aclfile', '/tmp/users.acl'],
    ['CONFIG', 'SET', 'unixsocket', '/tmp/s'],
    ['CONFIG', 'SET', 'enable-debug-command', 'yes'],
    ['CONFIG', 'SET', 'enable-module-command', 'yes'],
    ['CONFIG', 'SET', 'logfile', '/tmp/log'],
    ['CONFIG', 'REWRITE'],
    ['MODULE', 'LOAD', '/tmp/evil.so'],
    ['MODULE', 'LOADEX', '/tmp/evil.so'],
    ['SLAVEOF', '127.0.0.1', '6379'],
    ['REPLICAOF', '127.0.0.1', '6379'],
    ['DEBUG', 'SEGFAULT'],
    ['DEBUG', 'SLEEP', '1'],
    ['DEBUG', 'JMAP'],
    ['ACL', 'SAVE'],
    ['ACL', 'LOAD'],
    ['BGREWRITEAOF'],
    ['SYNC'],
    ['PSYNC', '?', '-1'],
    ['MIGRATE', '127.0.0.1', '6379', 'a', '0', '1'],
    ['SCRIPT', 'LOAD', 'return 1'],
    ['FUNCTION', 'LOAD', '#!lua name=a\nredis.call()'],
  ]
  for (const args of attack) expect(await wire.ask(...args), args.join(' ')).toMatch(/^-/)
  expect(await wire.ask('CONFIG', 'GET', 'dir')).not.toContain('$4\r\n/tmp\r\n')
})

it('secrets: neither MONITOR, SLOWLOG, CLIENT LIST, ACL LOG nor the log tells a password', async () => {
  await start({ password: 'first-secret', settings: { slowsGuesses: false } })
  const admin = await site!.client()
  await admin.ask('AUTH', 'first-secret')
  await admin.ask('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
  const monitor = await site!.client()
  await monitor.ask('AUTH', 'first-secret')
  await monitor.ask('MONITOR')
  const wire = await site!.client()
  for (const args of [
    ['AUTH', 'second-secret'],
    ['AUTH', 'somebody', 'second-secret'],
    ['AUTH', 'default', 'first-secret'],
    ['HELLO', '3', 'AUTH', 'default', 'first-secret', 'SETNAME', 'me'],
    ['ACL', 'SETUSER', 'u', 'on', '>second-secret', '#' + 'a'.repeat(64)],
    ['CONFIG', 'SET', 'maxmemory', '0', 'requirepass', 'second-secret'],
    ['AUTH', 'a', 'second-secret', 'too many'],
    ['PING', 'end'],
  ]) {
    await wire.ask(...args)
  }
  await expect.poll(() => monitor.arrived().join()).toContain('"end"')
  const told = [
    ...monitor.arrived(),
    await admin.ask('SLOWLOG', 'GET', '-1'),
    await admin.ask('CLIENT', 'LIST'),
    await admin.ask('ACL', 'LOG'),
    await admin.ask('INFO', 'everything'),
    site!.log.join(),
  ].join('\n')
  expect(told).toContain('(redacted)')
  expect(told).not.toContain('secret')
})

it('secrets: MONITOR, CLIENT LIST and the like are for administrators', async () => {
  await start()
  const wire = await as('u', '~*', '&*', '+@all', '-@admin', '-@dangerous')
  const commands =
    'MONITOR|CLIENT LIST|CLIENT KILL ID 1|ACL LIST|CONFIG GET *|SLOWLOG GET|SHUTDOWN|FLUSHALL|FLUSHDB|KEYS *|SWAPDB 0 1|INFO|DEBUG HELP|MODULE LIST|REPLICAOF NO ONE|LATENCY LATEST|ROLE|CLIENT PAUSE 1'
  for (const line of commands.split('|')) expect(await wire.ask(...line.split(' ')), line).toMatch(/^-NOPERM/)
  expect(site!.server.state.isClosing).toBe(false)
})

it('secrets: SHUTDOWN and FLUSHALL can be taken from a user that may do all else', async () => {
  await start()
  const wire = await as('u', '~*', '&*', '+@all', '-shutdown', '-flushall')
  await wire.ask('SET', 'a', '1')
  expect(await wire.ask('SHUTDOWN', 'NOSAVE')).toMatch(/^-NOPERM/)
  expect(await wire.ask('FLUSHALL')).toMatch(/^-NOPERM/)
  expect(await wire.ask('GET', 'a')).toBe('$1\r\n1\r\n')
})

it('log: control bytes that a client sends do not reach the terminal as such', async () => {
  await start()
  site!.replace('echo', (_client, request) => {
    throw new TypeError(`a mistake about ${request.text(1)}`)
  })
  const plug = await Plug.into(site!.server.state)
  plug.put(encode(['ECHO', '\x1b[2J\x07\r\nfake line']))
  plug.put(encode(['SET', '\x1b[31m']))
  expect(plug.frames()).toHaveLength(2)
  // The program escapes what the server gives it: packages/cli, logLine. No reply carries the line on.
  expect(plug.frames()[0]).toBe("-ERR Internal error, told in the server's log\r\n")
  const program = join(import.meta.dirname, '../../../cli/src/terminal.ts')
  const flags = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e']
  const code = `import { logLine } from ${JSON.stringify(program)}; logLine(${JSON.stringify(site!.log.join())})`
  const { stderr } = spawnSync(process.execPath, [...flags, code], { encoding: 'utf8' })
  expect(stderr).toContain('\\x1b[2J\\x07\\x0d\n')
  expect([...stderr].filter((char) => char < ' ' && char !== '\n')).toEqual([])
})

it('CVE-2026-21863, CVE-2026-92925: no port is open but those that were asked for, so there is no cluster bus', async () => {
  const { certFile, keyFile } = papers('ports.test')
  const victim = await Victim.start({ tls: { port: 0, certFile, keyFile } })
  const own = new Set<string>()
  for (const descriptor of readdirSync(`/proc/${victim.pid}/fd`)) {
    const link = fs.readlinkSync(`/proc/${victim.pid}/fd/${descriptor}`, { encoding: 'utf8' })
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1]
    if (inode !== undefined) own.add(inode)
  }
  const ports: number[] = []
  for (const family of ['tcp', 'tcp6', 'udp', 'udp6']) {
    for (const line of readFileSync(`/proc/net/${family}`, 'utf8').split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      const isListening = family.startsWith('udp') || state === '0A'
      if (isListening && own.has(inode!)) ports.push(Number.parseInt(local!.split(':')[1]!, 16))
    }
  }
  await victim.stop()
  expect(ports.toSorted()).toEqual([victim.port, victim.tlsPort].toSorted())
})

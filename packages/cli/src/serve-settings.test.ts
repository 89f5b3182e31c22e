import { expect, it } from 'vitest'
import { serverOptions, type Given } from './serve-settings.ts'

function options(...given: readonly (readonly [name: string, ...words: string[]])[]): ReturnType<typeof serverOptions> {
  return serverOptions(given.map(([name, ...words]): Given => ({ name, words, origin: `--${name}` })))
}

it('turns what is given into the options of a server', () => {
  expect(
    options(
      ['port', '7000'],
      ['bind', '127.0.0.1', '-::1', '*'],
      ['requirepass', 'pw'],
      ['aclfile', '/etc/users.acl'],
      ['tls-port', '7001'],
      ['tls-cert-file', 'a.crt'],
      ['tls-key-file', 'a.key'],
      ['tls-ca-cert-file', 'ca.crt'],
      ['tls-auth-clients', 'optional'],
      ['unixsocket', '/run/millrace.sock'],
      ['unixsocketperm', '770'],
      ['maxmemory', '2gb'],
      ['maxclients', '100'],
      ['maxclients-per-address', '10'],
      ['databases', '4'],
      ['timeout', '60'],
      ['tcp-keepalive', '0'],
      ['protected-mode', 'no'],
      ['notify-keyspace-events', 'KEA'],
    ),
  ).toEqual({
    port: 7000,
    bind: ['127.0.0.1', '-::1', '0.0.0.0'],
    password: 'pw',
    aclFile: '/etc/users.acl',
    tls: { port: 7001, certFile: 'a.crt', keyFile: 'a.key', caFile: 'ca.crt', clients: 'optional' },
    unixSocket: '/run/millrace.sock',
    unixSocketMode: 0o770,
    databases: 4,
    insecure: true,
    settings: {
      maxMemoryBytes: 2 * 1024 ** 3,
      maxClients: 100,
      maxClientsPerAddress: 10,
      idleSeconds: 60,
      keepAliveSeconds: 0,
    },
    config: { 'notify-keyspace-events': 'KEA' },
  })
})

it('keeps the data in a directory when one is given, and takes what only then means something', () => {
  expect(
    options(['appendfsync', 'everysec'], ['save', '900', '1'], ['dir', './data'], ['appendonly', 'yes']),
  ).toMatchObject({
    directory: './data',
    config: { appendfsync: 'everysec', save: '900 1', appendonly: 'yes' },
  })
  expect(() => options(['appendfsync', 'always'])).toThrow(
    '--appendfsync: appendfsync: this server keeps its data in memory only',
  )
  expect(() => options(['appendonly', 'yes'])).toThrow(
    '--appendonly: appendonly: this server keeps its data in memory only',
  )
  expect(() => options(['save', '900', '1'])).toThrow('--save: save: this server keeps its data in memory only')
  expect(() => options(['dir', 'd'], ['appendonly', 'no'])).toThrow(
    'a server with a directory always writes its journal',
  )
  expect(() => options(['dir', 'd'], ['appendfsync', 'often'])).toThrow('always')
  expect(() => options(['dir', 'd'], ['save', '900'])).toThrow('--save: save: Invalid save parameters')
})

it('takes the later of two values', () => {
  expect(options(['port', '1'], ['bind', '::1'], ['port', '2'], ['bind', '127.0.0.1'])).toMatchObject({
    port: 2,
    bind: ['127.0.0.1'],
  })
})

it('reads bytes as Redis does', () => {
  const bytes = (text: string): number | undefined => options(['maxmemory', text]).settings?.maxMemoryBytes
  expect(['0', '100', '1b', '1k', '1kb', '2M', '2MB', '3g', '3GB'].map(bytes)).toEqual([
    0,
    100,
    1,
    1000,
    1024,
    2_000_000,
    2 * 1024 ** 2,
    3_000_000_000,
    3 * 1024 ** 3,
  ])
})

it('keeps paths in UTF-8 and passwords in their bytes', () => {
  const latin1 = Buffer.from('/tmp/ü', 'utf8').toString('latin1')
  expect(options(['unixsocket', latin1], ['requirepass', latin1])).toMatchObject({
    unixSocket: '/tmp/ü',
    password: latin1,
  })
})

it('says in one sentence what is wrong, and where', () => {
  const wrong = (...given: [string, ...string[]]): string => {
    try {
      options(given)
    } catch (error) {
      return (error as Error).message
    }
    return 'nothing'
  }
  expect(wrong('port', 'x')).toBe("--port is a whole number from 0 to 65535, not 'x'")
  expect(wrong('port', '65536')).toBe("--port is a whole number from 0 to 65535, not '65536'")
  expect(wrong('port', '-1')).toBe("--port is a whole number from 0 to 65535, not '-1'")
  expect(wrong('port', '1', '2')).toBe('--port takes one value, not 2')
  expect(wrong('port')).toBe('--port needs a value')
  expect(wrong('bind')).toBe('--bind needs an address')
  expect(wrong('requirepass', '')).toBe('--requirepass is empty: leave it out, or choose a password')
  expect(wrong('unixsocketperm', '9')).toBe("--unixsocketperm is octal permissions like 700, not '9'")
  expect(wrong('maxmemory', '5xb')).toBe("--maxmemory is bytes like 500mb or 2gb, not '5xb'")
  expect(wrong('maxmemory', '999999999999gb')).toBe('--maxmemory is too large: 999999999999gb')
  expect(wrong('maxmemory-policy', 'allkeys-lru')).toContain('nothing is evicted')
  expect(wrong('threads', '2')).toContain('one thread')
  expect(wrong('tls-port', '1')).toBe('TLS needs a certificate (--tls-cert)')
  expect(wrong('tls-cert-file', 'a')).toContain('without a TLS port')
  expect(wrong('tls-auth-clients', 'maybe')).toBe("--tls-auth-clients is yes, no or optional, not 'maybe'")
  expect(wrong('protected-mode', 'maybe')).toBe("--protected-mode is yes or no, not 'maybe'")
  expect(wrong('slowlog-max-len', 'x')).toContain("slowlog-max-len: argument couldn't be parsed into an integer")
  expect(wrong('cluster-enabled', 'yes')).toBe(
    '--cluster-enabled: cluster-enabled: this server is no part of a cluster',
  )
  expect(wrong('daemonize', 'yes')).toContain('stays in the foreground')
  expect(wrong('io-threads', '4')).toContain('one thread')
  expect(wrong('enable-module-command', 'yes')).toContain('no modules')
  expect(wrong('enable-module-command', 'local')).toContain('no modules')
  expect(wrong('enable-debug-command', 'maybe')).toContain('no, yes, local')
  expect(wrong('dir', '')).toBe('--dir needs the path of a directory')
  expect(wrong('dbfilename', 'a/b')).toContain("dbfilename can't be a path, just a filename")
  expect(wrong('proto-max-bulk-len', '1mb')).toBe('nothing')
  expect(wrong('proto-max-bulk-len', '1000kb')).toContain('must be between 1048576 and 268435456 inclusive')
  expect(wrong('client-query-buffer-limit', '1')).toContain('must be between 1048576 and')
  expect(wrong('no-such-thing', 'x')).toBe("--no-such-thing: Unknown parameter 'no-such-thing'")
})

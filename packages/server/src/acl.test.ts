/** Users and their rules, as redis-server tells them and as a server holds to them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AclFileError } from './acl-file.ts'
import { Acl } from './acl.ts'
import { CommandTable } from './command-table.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { encode, Wire } from './differential-wire.ts'
import { Site } from './testing/site.ts'

const seed = seedOfRun()
const runs = Number(process.env['MILLRACE_RUNS'] ?? 150)
console.log(`ACL rules: MILLRACE_SEED=${seed}`)

let site: Site
let admin: Wire

beforeEach(async () => {
  site = await Site.start()
  admin = await site.client()
})
afterEach(async () => await site.close())

/** A client that is this user. */
async function as(name: string, ...rules: string[]): Promise<Wire> {
  expect(await admin.ask('ACL', 'SETUSER', name, 'on', 'nopass', ...rules)).toBe('+OK\r\n')
  const wire = await site.client()
  expect(await wire.ask('AUTH', name, 'any')).toBe('+OK\r\n')
  return wire
}

const noKey = '-NOPERM this user has no permissions to access one of the keys used as arguments\r\n'
const noChannel = '-NOPERM this user has no permissions to access one of the channels used as arguments\r\n'
const noCommand = (name: string): string => `-NOPERM this user has no permissions to run the '${name}' command\r\n`

describe('what a user may do', () => {
  it('tells reading from writing a key', async () => {
    const wire = await as('u', '+@all', '%R~r*', '%W~w*')
    expect(await wire.ask('GET', 'r1')).toBe('$-1\r\n')
    expect(await wire.ask('GET', 'w1')).toBe(noKey)
    expect(await wire.ask('SET', 'w1', 'v')).toBe('+OK\r\n')
    expect(await wire.ask('SET', 'w1', 'v', 'GET')).toBe(noKey)
    expect(await wire.ask('XADD', 'r1', '*', 'a', 'b')).toBe(noKey)
    expect(await wire.ask('XADD', 'w2', '1-1', 'a', 'b')).toBe('$3\r\n1-1\r\n')
    expect(await wire.ask('COPY', 'r1', 'w3')).toBe(':0\r\n')
    expect(await wire.ask('COPY', 'w2', 'w3')).toBe(noKey)
  })

  it('looks at every key that a command touches', async () => {
    const wire = await as('u', '+@all', '~mine:*')
    expect(await wire.ask('XREAD', 'STREAMS', 'mine:1', 'other', '0', '0')).toBe(noKey)
    expect(await wire.ask('DEL', 'mine:1', 'mine:2', 'other')).toBe(noKey)
    expect(await wire.ask('MSET', 'mine:1', 'v', 'other', 'v')).toBe(noKey)
    expect(await wire.ask('XGROUP', 'CREATE', 'other', 'g', '0', 'MKSTREAM')).toBe(noKey)
    expect(await wire.ask('RENAME', 'mine:1', 'other')).toBe(noKey)
  })

  it('is not deceived by a group that is called STREAMS', async () => {
    const wire = await as('u', '+@all', '~c', '~STREAMS')
    await admin.ask('XGROUP', 'CREATE', 'secret', 'STREAMS', '0', 'MKSTREAM')
    expect(await wire.ask('XREADGROUP', 'COUNT', '5', 'GROUP', 'STREAMS', 'c', 'STREAMS', 'secret', '>')).toBe(noKey)
  })

  it('tells subcommands apart, and first arguments', async () => {
    const wire = await as('u', '+client|id', '+select|0', '+config', '-config|set')
    expect(await wire.ask('CLIENT', 'ID')).toMatch(/^:/)
    expect(await wire.ask('CLIENT', 'LIST')).toBe(noCommand('client|list'))
    expect(await wire.ask('SELECT', '0')).toBe('+OK\r\n')
    expect(await wire.ask('SELECT', '1')).toBe(noCommand('select'))
    expect(await wire.ask('CONFIG', 'GET', 'port')).toMatch(/^\*2/)
    expect(await wire.ask('CONFIG', 'SET', 'timeout', '1')).toBe(noCommand('config|set'))
  })

  it('checks channels, and takes a pattern only as it was given', async () => {
    const wire = await as('u', '+@all', '&news*')
    expect(await wire.ask('PUBLISH', 'news1', 'm')).toBe(':0\r\n')
    expect(await wire.ask('PUBLISH', 'other', 'm')).toBe(noChannel)
    expect(await wire.ask('SPUBLISH', 'other', 'm')).toBe(noChannel)
    expect(await wire.ask('PSUBSCRIBE', 'news1*')).toBe(noChannel)
    expect(await wire.ask('PSUBSCRIBE', 'news*')).toMatch(/^\*3/)
    expect(await wire.ask('SUBSCRIBE', 'news1', 'other')).toBe(noChannel)
  })

  it('allows what one selector allows as a whole, never a part of each', async () => {
    const wire = await as('u', '+get', '~a', '(+set ~b)')
    expect(await wire.ask('GET', 'a')).toBe('$-1\r\n')
    expect(await wire.ask('SET', 'b', 'v')).toBe('+OK\r\n')
    expect(await wire.ask('SET', 'a', 'v')).toBe(noKey)
    expect(await wire.ask('GET', 'b')).toBe(noKey)
    expect(await wire.ask('DEL', 'a')).toBe(noCommand('del'))
  })

  it('is asked again by EXEC, and spoils a transaction before it', async () => {
    const wire = await as('u', '+@all', '~*')
    await wire.ask('MULTI')
    expect(await wire.ask('SET', 'k', 'v')).toBe('+QUEUED\r\n')
    await admin.ask('ACL', 'SETUSER', 'u', 'resetkeys', '~other')
    expect(await wire.ask('EXEC')).toBe(
      '*1\r\n-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. ' +
        'This command is no longer allowed for the following reason: no permission to touch the specified keys\r\n',
    )
    await wire.ask('MULTI')
    expect(await wire.ask('GET', 'k')).toBe(noKey)
    expect(await wire.ask('EXEC')).toBe('-EXECABORT Transaction discarded because of previous errors.\r\n')
    expect(await admin.ask('ACL', 'LOG', '1')).toContain('$5\r\nmulti\r\n')
  })

  it('ends with the user, and with its channels', async () => {
    const reader = await as('u', '+@all', '&news')
    await reader.ask('SUBSCRIBE', 'news')
    await admin.ask('ACL', 'SETUSER', 'u', 'resetchannels')
    await reader.closed()
    const wire = await as('v', '+@all')
    expect(await admin.ask('ACL', 'DELUSER', 'v')).toBe(':1\r\n')
    await wire.closed()
  })

  it('is counted and logged when it was not enough', async () => {
    const wire = await as('u', '+get', '~a')
    await wire.ask('GET', 'b')
    await wire.ask('GET', 'b')
    await wire.ask('DEL', 'a')
    const log = await admin.ask('ACL', 'LOG')
    expect(log).toContain('count\r\n:2\r\n$6\r\nreason\r\n$3\r\nkey\r\n')
    expect(log).toContain('$7\r\ncommand\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$3\r\ndel\r\n')
    expect(await admin.ask('INFO', 'stats')).toContain('acl_access_denied_key:2\r\n')
  })
})

describe('an ACL file', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'acl-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const commands = new CommandTable().all

  it('names each line that is wrong, and then nothing is taken', () => {
    const file = join(folder, 'users.acl')
    writeFileSync(file, 'user a on +get\n\nuser b +nope\nxuser c\nuser a off\n')
    expect(() => new Acl(commands, { file })).toThrow(AclFileError)
    expect(() => new Acl(commands, { file })).toThrow(
      `${file}:3: Error in applying operation '+nope': Unknown command or category name in ACL. ` +
        `${file}:4: line should start with user keyword followed by the username. ${file}:5: user 'a' is defined twice`,
    )
  })

  it('is saved as it is listed, and loaded again the same', () => {
    const file = join(folder, 'users.acl')
    writeFileSync(
      file,
      '# who may\nuser default on >pw ~* &* +@all\nuser w on nopass ~a %R~b -@all +@stream (~c +get)\n',
    )
    const acl = new Acl(commands, { file })
    const listed = acl.users.map((user) => user.text)
    acl.save()
    expect(readFileSync(file, 'latin1')).toBe(`${listed.join('\n')}\n`)
    expect(acl.load()).toEqual([])
    expect(acl.users.map((user) => user.text)).toEqual(listed)
    expect(listed[1]).toBe('user w on nopass ~a %R~b resetchannels -@all +@stream (~c resetchannels -@all +get)')
  })

  it('closes the default user unless it has a line for it', () => {
    const file = join(folder, 'users.acl')
    writeFileSync(file, 'user w on nopass +@all\n')
    expect(new Acl(commands, { file }).defaultUser.isOn).toBe(false)
  })
})

describe('beside redis-server', () => {
  let redis: RedisServer
  let theirs: Wire
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(async () => await redis.stop())
  beforeEach(async () => {
    theirs = await Wire.connect(redis.port)
  })
  afterEach(() => theirs.destroy())

  const words = `
    on, off, nopass, resetpass, reset, resetkeys, resetchannels, allkeys, allchannels, ON,
    allcommands, nocommands, clearselectors, sanitize-payload, ~*, &*, +@all, -@all, foo, ~, &
   , %, (, ), (), +, -, #abc, >x, <x, <z, +select|0, -select|0, +get|x, +client|foo,
    +config|get|x, %R~a, %W~a, %RW~b, %X~c, ~a*, &ch*, ~a b, +xnope, %R, (+get), (~k &c
    +@read -xlen), (foo), (+get, ~x), +set), +|, +client|, -client|kill, +debug|sleep, +@stream
   , -@dangerous, +@read, -@write, +@connection, -@list, +lpush, -lpush, +xadd, -xread,
    +@keyspace, -@fast, +@admin, +acl|cat, -@blocking, -@string
   , #${'b'.repeat(64)}
  `
    .split(',')
    .map((word) => word.trim().replace(/\s+/g, ' '))
  /** Commands of ours that redis-server 7.0 does not know: they are told by us alone. */
  const newer = [...new CommandTable().all]
    .flatMap((command) => [command, ...(command.subcommands ?? [])])
    .filter(({ since }) => since > '7.1')
    .map(({ name }) => name)
  /** Redis tells single commands in the order of a hash table, another one at each start. */
  const comparable = (line: string): string[] =>
    line
      .split(/[ ()\r\n]+/)
      .filter((word) => !newer.includes(word.slice(1)) && !/^\$\d+$/.test(word))
      .sort()

  it('tells the same of users after any sequence of rules', async () => {
    const random = new Random(seed)
    for (let run = 0; run < runs; run++) {
      const name = `u${random.below(2)}`
      const rules = Array.from({ length: 1 + random.below(6) }, () => random.pick(words))
      const said = { seed, rules }
      const [ours, reference] = [
        await admin.ask('ACL', 'SETUSER', name, ...rules),
        await theirs.ask('ACL', 'SETUSER', name, ...rules),
      ]
      expect({ ...said, reply: ours }).toEqual({ ...said, reply: reference })
      const [list, wanted] = [await admin.ask('ACL', 'LIST'), await theirs.ask('ACL', 'LIST')]
      expect({ ...said, list: comparable(list) }).toEqual({ ...said, list: comparable(wanted) })
    }
  })

  it('answers any bytes as rules, and goes on', async () => {
    const random = new Random(seed)
    const letters = '()+-~&%@|<>#!RW* a\0\xff*get'
    for (let run = 0; run < runs; run++) {
      const rules = Array.from({ length: random.below(5) }, () =>
        Array.from({ length: random.below(8) }, () => random.pick([...letters])).join(''),
      )
      admin.send(encode(['ACL', 'SETUSER', 'fuzz', ...rules]))
      expect((await admin.take(1))[0]).toMatch(/^(\+OK|-ERR [^\r\n]*)\r\n$/)
    }
    expect(await admin.ask('PING')).toBe('+PONG\r\n')
  })
})

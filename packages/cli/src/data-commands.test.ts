import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { basename, join } from 'node:path'
import { append, nodeEnv, Store } from '@millrace/engine'
import { endChild, startChild, startRedis, temporaryDirectory, type RedisServer } from '@millrace/testing'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { run } from './program.ts'

let place = ''
const servers: RedisServer[] = []
const stores: Store[] = []
beforeEach(() => {
  place = temporaryDirectory('data')
})
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
  for (const store of stores.splice(0)) store.abandon()
})

interface Ended {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

/** The command line in this process, and what it has printed. */
async function millrace(...args: readonly string[]): Promise<Ended> {
  const printed = { out: '', err: '' }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed.out += String(text)), true))
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((printed.err += String(text)), true))
  try {
    const code = await run(args)
    return { code, ...printed }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}

/** Sends lines to a server and returns all that it answers. */
async function ask(port: number, ...lines: readonly string[]): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  socket.end([...lines, 'QUIT', ''].join('\r\n'))
  let answers = ''
  socket.on('data', (bytes: Buffer) => (answers += bytes.toString('latin1')))
  await once(socket, 'close')
  return answers
}

async function redis(...args: readonly string[]): Promise<number> {
  const server = await startRedis({ args: ['--dir', place, ...args] })
  servers.push(server)
  return server.port
}

/** What a user of the file `dump.rdb` had. */
const HISTORY = [
  'XADD orders 5-1 item "a book"',
  'XADD orders 6-1 item pen count 2',
  'XADD orders 7-1 item cup',
  'XGROUP CREATE orders packers 0',
  'XREADGROUP GROUP packers anna COUNT 2 STREAMS orders >',
  'XACK orders packers 5-1',
  'XDEL orders 7-1',
  'SET greeting hello PX 100000000',
  'SELECT 3',
  'XADD other 1-1 f v',
]
const QUESTIONS = [
  'XRANGE orders - +',
  'XINFO STREAM orders',
  'XINFO GROUPS orders',
  'XPENDING orders packers',
  'GET greeting',
  'PEXPIRETIME greeting',
  'DBSIZE',
  'SELECT 3',
  'XRANGE other - +',
]

async function store(directory: string): Promise<Store> {
  const opened = await Store.open(directory, { env: nodeEnv })
  stores.push(opened)
  return opened
}

/** A directory with ten entries, as a crash leaves it: its files are copied while it is open. */
async function directoryWithEntries(): Promise<string> {
  const directory = join(place, 'data')
  const opened = await store(temporaryDirectory('live'))
  for (let i = 1; i <= 10; i++) {
    const id = { kind: 'exact', id: { ms: BigInt(i), seq: 0n } } as const
    append(opened.databases.at(0), { key: 'orders', fields: ['text', `number ${i}`], id }, 1)
    await opened.whenSafe()
  }
  cpSync(opened.directory, directory, { recursive: true, filter: (name) => !basename(name).startsWith('lock') })
  await opened.close()
  return directory
}

/** The names and contents of a directory. */
function contents(directory: string): Map<string, string> {
  const names = readdirSync(directory).filter((name) => !name.startsWith('lock'))
  return new Map(names.map((name) => [name, readFileSync(join(directory, name), 'latin1')]))
}

/** A bit of the fourth entry's value. */
function damage(directory: string): void {
  const path = join(directory, 'journal-000001')
  const bytes = readFileSync(path)
  bytes[bytes.indexOf('number 4')]! ^= 1
  writeFileSync(path, bytes)
}

it('brings a dump of redis-server into a directory and back, and all answers are the same', async () => {
  const first = await redis()
  const answers = (await ask(first, ...HISTORY), await ask(first, ...QUESTIONS))
  await ask(first, 'SAVE')
  const [dump, directory, back] = ['dump.rdb', 'data', 'back.rdb'].map((name) => join(place, name))
  const imported = await millrace('import', dump!, '--dir', directory!)
  expect(imported).toEqual({ code: 0, out: `'${directory}': 3 keys, 2 of them streams, from ${dump}\n`, err: '' })
  const opened = await store(directory!)
  expect(opened.databases.at(0).keyCount).toBe(2)
  await opened.close()
  const exported = await millrace('export', back!, '--dir', directory!)
  expect(exported).toMatchObject({ code: 0, err: '' })
  expect(exported.out).toMatch(/^[^\n]*back\.rdb: 3 keys, 2 of them streams, \d+ bytes\n$/)
  const second = await redis('--dbfilename', 'back.rdb')
  expect(await ask(second, ...QUESTIONS)).toBe(answers)
})

it('refuses a key of another type by name and leaves nothing, or counts what it leaves out', async () => {
  const port = await redis()
  await ask(port, 'XADD s 1-1 f v', 'RPUSH todo a b', 'HSET user name x', 'RPUSH list a', 'SAVE')
  const [dump, directory] = [join(place, 'dump.rdb'), join(place, 'data')]
  const refused = await millrace('import', dump, '--dir', directory)
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(refused.err).toMatch(
    /key '(todo|user|list)' of database 0 with a (list|hash)[^\n]*--skip-other-types[^\n]*\n$/,
  )
  expect(readdirSync(place)).toEqual(['dump.rdb'])
  const skipped = await millrace('import', dump, '--dir', directory, '--skip-other-types')
  expect(skipped).toMatchObject({ code: 0, err: '' })
  expect(skipped.out.split('\n').slice(1).sort()).toEqual([
    '',
    'left out, of another type: 1 hash',
    'left out, of another type: 2 list',
  ])
  expect((await store(directory)).databases.at(0).keyCount).toBe(1)
})

it('imports into an empty directory too, and into none that has something in it', async () => {
  const directory = await directoryWithEntries()
  const dump = join(place, 'dump.rdb')
  await millrace('export', dump, '--dir', directory)
  const before = contents(directory)
  const refused = await millrace('import', dump, '--dir', directory)
  expect(refused).toMatchObject({
    code: 1,
    err: `'${directory}' is not empty: name a new directory, or an empty one\n`,
  })
  expect(contents(directory)).toEqual(before)
  const empty = join(place, 'empty')
  mkdirSync(empty)
  expect(await millrace('import', dump, '--dir', empty)).toMatchObject({ code: 0 })
  expect((await store(empty)).databases.at(0).streamAt('orders', 1)?.length).toBe(10)
})

it('leaves nothing of an import that fails, or is interrupted', async () => {
  const directory = await directoryWithEntries()
  const dump = join(place, 'dump.rdb')
  await millrace('export', dump, '--dir', directory)
  const bytes = readFileSync(dump)
  bytes[bytes.length - 20]! ^= 1
  writeFileSync(dump, bytes)
  const failed = await millrace('import', dump, '--dir', join(place, 'in', 'here'))
  expect(failed).toMatchObject({ code: 1, out: '' })
  expect(failed.err).toContain(`${dump} is damaged`)
  expect(readdirSync(join(place, 'in'))).toEqual([])
  const never = 'new Promise(() => { console.log("begun"); setInterval(() => undefined, 1000) })'
  const module = JSON.stringify(join(import.meta.dirname, 'new-place.ts'))
  const script = `import { inNewDirectory } from ${module}; await inNewDirectory(process.argv[1], () => ${never})`
  const node = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e', script, '--']
  const child = startChild(process.execPath, [...node, join(place, 'in', 'there')])
  await once(child.stdout!, 'data')
  expect(readdirSync(join(place, 'in'))).toHaveLength(1)
  await endChild(child, 'SIGINT')
  expect(child.exitCode).toBe(130)
  expect(readdirSync(join(place, 'in'))).toEqual([])
})

it('exports over no file without --force, and not into the directory', async () => {
  const directory = await directoryWithEntries()
  const dump = join(place, 'dump.rdb')
  writeFileSync(dump, 'mine')
  const refused = await millrace('export', dump, '--dir', directory)
  expect(refused).toMatchObject({ code: 1, err: `'${dump}' is there already: --force writes over it\n` })
  expect(readFileSync(dump, 'utf8')).toBe('mine')
  const inside = join(directory, 'journal-000001')
  expect(await millrace('export', inside, '--dir', directory, '--force')).toMatchObject({ code: 1 })
  expect(await millrace('export', dump, '--dir', directory, '--force')).toMatchObject({ code: 0 })
  expect(await millrace('check', dump)).toMatchObject({ code: 0 })
  expect(readdirSync(place).sort()).toEqual(['data', 'dump.rdb'])
})

it('neither exports, checks nor repairs what a server has open, and names it', async () => {
  const opened = await store(join(place, 'data'))
  const dump = join(place, 'dump.rdb')
  const exported = await millrace('export', dump, '--dir', opened.directory)
  const checked = await millrace('check', opened.directory)
  const repaired = await millrace('repair', opened.directory, '--to', join(place, 'new'))
  expect([exported.code, checked.code, repaired.code]).toEqual([1, 2, 1])
  for (const { err } of [exported, checked, repaired]) {
    expect(err).toMatch(new RegExp(`^The directory '${opened.directory}' is open already: by this process[^\\n]*\\n$`))
  }
  expect(readdirSync(place)).toEqual(['data'])
})

it('finds no fault with what a crash has left, and lists its files', async () => {
  const directory = await directoryWithEntries()
  const before = contents(directory)
  const { code, out, err } = await millrace('check', directory)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const lines = out.trimEnd().split('\n')
  expect(lines.map((line) => line.split(/ +/)[0])).toEqual([
    'durable',
    'journal-000001',
    'manifest-0',
    'manifest-1',
    'reserve',
    'whole:',
  ])
  expect(lines[1]).toMatch(/whole +10 frames \(1 to 10\)$/)
  expect(lines.at(-1)).toBe('whole: 1 key, 1 of them streams')
  expect(contents(directory)).toEqual(before)
})

it('tells where a directory is damaged, the last ID before it and the first behind it', async () => {
  const directory = await directoryWithEntries()
  damage(directory)
  const before = contents(directory)
  const { code, out, err } = await millrace('check', directory)
  expect({ code, err }).toEqual({ code: 1, err: '' })
  expect(out).toMatch(/journal-000001 +\d+ +damaged +3 frames \(1 to 3\) up to offset 203;/)
  expect(out).toContain(" last whole changes before it: 'orders' 3-0 (entry-added)\n")
  expect(out).toContain(" what is damaged seems to begin with 'orders' 4-0 (entry-added)\n")
  expect(out).toContain(
    " frames 5 to 10 are behind it, whole, from offset 259 on, beginning with 'orders' 5-0 (entry-added)\n",
  )
  expect(out).toMatch(/\ndamaged: [^\n]*journal-000001: damaged at offset 203, behind frame 3: [^\n]*\n$/)
  expect(contents(directory)).toEqual(before)
})

it('says with exit code 2 what it cannot look at', async () => {
  const [newer, text] = [join(place, 'newer.rdb'), join(place, 'text')]
  writeFileSync(newer, 'REDIS0099')
  writeFileSync(text, 'no RDB file')
  expect(await millrace('check', join(place, 'none'))).toEqual({
    code: 2,
    out: '',
    err: `There is no '${place}/none'\n`,
  })
  const checked = await millrace('check', newer)
  expect(checked).toMatchObject({ code: 2, err: '' })
  expect(checked.out).toContain('is of RDB version 99')
  expect(await millrace('check', text)).toMatchObject({ code: 1 })
})

it('repairs into a new directory up to the hole, and changes nothing in the old one', async () => {
  const directory = await directoryWithEntries()
  damage(directory)
  const before = contents(directory)
  const to = join(place, 'new')
  const { code, out, err } = await millrace('repair', directory, '--to', to)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out.split('\n').slice(1)).toEqual([
    `saved in '${to}': 1 key, 1 of them streams; 3 frames of the journal`,
    expect.stringMatching(/^left out: .*journal-000001: 393 bytes from offset 203 on, with whole frames up to 10$/),
    `'${directory}' is as it was`,
    '',
  ])
  expect(contents(directory)).toEqual(before)
  const opened = await store(to)
  expect(opened.databases.at(0).streamAt('orders', 1)?.lastId).toEqual({ ms: 3n, seq: 0n })
})

it('repairs into no place in the directory, and makes none where there is nothing to save', async () => {
  const directory = await directoryWithEntries()
  const inside = await millrace('repair', directory, '--to', join(directory, 'new'))
  expect(inside).toMatchObject({ code: 1, out: '' })
  expect(inside.err).toContain('name another place')
  writeFileSync(join(directory, 'journal-000001'), '')
  const to = join(place, 'new')
  const nothing = await millrace('repair', directory, '--to', to)
  expect(nothing).toMatchObject({ code: 1, out: '' })
  expect(nothing.err).toContain('nothing can be saved')
  expect(existsSync(to)).toBe(false)
})

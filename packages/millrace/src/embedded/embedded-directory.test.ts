import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Backend, EntryId } from '../backend.ts'
import { describeBackend } from '../conformance/conformance.ts'
import { connect } from '../connect.ts'
import { knownDifferences } from '../differences.ts'
import type { EmbeddedBackend } from './embedded-backend.ts'
import { type DirectoryEvent, type DirectoryRequest, openDirectory } from './embedded-directory.ts'
import { TriedDisk } from './testing/tried-disk.ts'

const runner = { describe, it, beforeAll, afterAll }
const inDirectory = (): Promise<Backend> => openDirectory({ path: temporaryDirectory('backend') })
describeBackend('embedded in a directory', inDirectory, knownDifferences.embedded, runner)

async function reopened(): Promise<Backend> {
  const path = temporaryDirectory('backend')
  const first = await openDirectory({ path })
  await first.createGroup('before', 'g')
  for (let i = 0; i < 10; i++) await first.add('before', ['n', String(i)])
  await first.readGroup({ group: 'g', consumer: 'c' }, news('before'), { count: 5 })
  await first.close()
  return await openDirectory({ path })
}
describeBackend('embedded in a directory that is opened again', reopened, knownDifferences.embedded, runner)

let path = ''
let disk = new TriedDisk()
let events: DirectoryEvent[] = []
const opened: EmbeddedBackend[] = []
let onEvent: (event: DirectoryEvent) => void = () => undefined

beforeEach(() => {
  path = temporaryDirectory('backend')
  disk = new TriedDisk()
  events = []
})

afterEach(async () => {
  disk.failure = undefined
  disk.freeBytes = Infinity
  disk.release()
  for (const backend of opened.splice(0)) await backend.close().catch(() => undefined)
})

async function open(request: Partial<DirectoryRequest> = {}): Promise<EmbeddedBackend> {
  const tell = (event: DirectoryEvent): void => {
    events.push(event)
    onEvent(event)
  }
  const backend = await openDirectory({ path, env: disk.env, onEvent: tell, ...request })
  opened.push(backend)
  return backend
}

/** Resolves when an event of this kind has come, from now on. */
function event(type: DirectoryEvent['type']): Promise<void> {
  return new Promise((resolve) => {
    onEvent = (one) => {
      if (one.type === type) resolve()
    }
  })
}

const news = (stream: string): ReadonlyMap<string, '>'> => new Map([[stream, '>']])
const end = (stream: string): ReadonlyMap<string, '$'> => new Map([[stream, '$']])
const consumer = { group: 'g', consumer: 'c' }

/** Whether it has an outcome now, or after what is due has been done. */
async function hasOutcome(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const settle = (): void => void (isSettled = true)
  promise.then(settle, settle)
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
  return isSettled
}

describe('a directory', () => {
  it('has everything when it is opened again: entries, groups, pending entries, what was deleted', async () => {
    const env = { ...disk.env, nowMs: () => 1_700_000_000_000 }
    const before = await open({ env })
    await before.createGroup('s', 'g')
    const ids = await before.addMany('s', [
      ['a', '1'],
      ['a', '2'],
      ['a', '3'],
      ['b', new Uint8Array([0, 255, 128])],
    ])
    await before.readGroup(consumer, news('s'), { count: 3 })
    await before.settle('s', 'g', 'c', [ids[0]!])
    await before.claim('s', 'g', 'other', { minIdleMs: 0, ids: [ids[1]!] })
    await before.delete('s', [ids[2]!])
    await before.add('short', ['a', '1'], { expireMs: 60_000 })
    const look = async (backend: Backend): Promise<unknown> => [
      await backend.range('s'),
      await backend.pending('s', 'g'),
      { ...(await backend.inspect('s')), memoryBytes: 0, backendMemoryBytes: 0 },
      (await backend.inspect('short'))?.ttlMs,
    ]
    const seen = await look(before)
    await before.close()
    const after = await open({ env })
    expect(await look(after)).toEqual(seen)
    expect(events).toEqual([])
  })

  it('is one process’s: a second opening is told who has it', async () => {
    const first = await connect(path)
    await expect(connect(`file://${path}`)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`'${path}' is open already: by this process (${process.pid})`),
    })
    await first.close()
    await (await connect(path)).close()
  })

  it('is refused when what had been safe is damaged, with the file and the place', async () => {
    const first = await open()
    for (let i = 0; i < 3; i++) await first.add('s', ['n', String(i)])
    await first.close()
    const file = join(path, 'journal-000001')
    const bytes = readFileSync(file)
    bytes[40]! ^= 1
    writeFileSync(file, bytes)
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(file) })
    expect(readFileSync(file)).toEqual(bytes)
  })

  it('that cannot be made is told as the system says it', async () => {
    writeFileSync(join(path, 'file'), '')
    await expect(connect(join(path, 'file', 'data'))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ENOTDIR'),
    })
  })

  it('keeps streams that are larger than the memory they may take', async () => {
    const backend = await open({ memory: '2mb', fsync: 'no' })
    const value = 'x'.repeat(1000)
    for (let i = 0; i < 100; i++) {
      await backend.addMany(
        's',
        Array.from({ length: 100 }, (_, j) => ['n', String(i * 100 + j), 'value', value]),
      )
    }
    expect(readdirSync(join(path, 'cold')).length).toBeGreaterThan(0)
    let from = '-'
    let count = 0
    for (let page = await backend.range('s', { count: 500 }); page.length > 0;) {
      for (const { fields } of page) expect(String(Buffer.from(fields[1]!))).toBe(String(count++))
      from = `(${page.at(-1)!.id}`
      page = await backend.range('s', { from, count: 500 })
    }
    expect(count).toBe(10_000)
  })
})

describe('what is told of a directory', () => {
  it('is on stable storage: every verb waits for that, those that only look and those that fail too', async () => {
    const backend = await open()
    await backend.createGroup('s', 'g')
    const synced = disk.hold()
    const verbs = [backend.add('s', ['a', '1'])]
    await synced
    const looks = [
      backend.range('s'),
      backend.inspect('s'),
      backend.pending('s', 'g'),
      backend.read(end('s')),
      backend.read(new Map([['s', '0-0' as EntryId]]), { blockMs: 5000 }),
      backend.readGroup(consumer, news('s'), { blockMs: 5000 }),
      backend.addMany('s', [['a', '2']]),
      backend.settle('s', 'g', 'c', ['1-1' as EntryId]),
      backend.claim('s', 'g', 'c', { minIdleMs: 0 }),
      backend.trim('s', { maxLen: 10 }),
      backend.setGroup('none', 'g', '$'),
      backend.add('s', ['a', '3'], { ifLastId: '5-5' as EntryId }),
    ]
    for (const outcome of [...verbs, ...looks]) expect(await hasOutcome(outcome)).toBe(false)
    disk.release()
    const outcomes = await Promise.allSettled([...verbs, ...looks])
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 11 }, () => 'fulfilled'),
      'rejected',
      'rejected',
    ])
    expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'LAST_ID_MISMATCH' } })
  })

  it('is on stable storage also when it was waited for', async () => {
    const backend = await open()
    await backend.createGroup('s', 'g')
    const reads = [
      backend.read(end('s'), { blockMs: 60_000 }),
      backend.readGroup(consumer, news('s'), { blockMs: 60_000 }),
    ]
    const ended = backend.readGroup({ group: 'ended', consumer: 'c' }, news('t'), { blockMs: 60_000 })
    await expect(ended).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
    const synced = disk.hold()
    const adding = backend.add('s', ['a', '1'])
    await synced
    for (const read of reads) expect(await hasOutcome(read)).toBe(false)
    disk.release()
    const id = await adding
    for (const read of reads) expect((await read).get('s')?.[0]?.id).toBe(id)
  })

  it('costs one write and one sync for all that is added in one turn', async () => {
    const backend = await open()
    await backend.add('s', ['a', '0'])
    const before = disk.journalWrites
    await Promise.all(Array.from({ length: 1000 }, (_, i) => backend.add('s', ['a', String(i)])))
    expect(disk.journalWrites - before).toBeLessThanOrEqual(2)
  })

  it('does not wait for the disk with everysec', async () => {
    const backend = await open({ fsync: 'everysec' })
    void disk.hold()
    const id = await backend.add('s', ['a', '1'])
    expect((await backend.range('s')).map((entry) => entry.id)).toEqual([id])
  })

  it('is what was asked before the end', async () => {
    const backend = await open()
    const adding = Array.from({ length: 50 }, (_, i) => backend.add('s', ['n', String(i)]))
    const looking = backend.range('s')
    await backend.close()
    const ids = await Promise.all(adding)
    expect((await looking).map(({ id }) => id)).toEqual(ids)
    expect((await (await open()).range('s')).map(({ id }) => id)).toEqual(ids)
  })
})

describe('a disk that is full', () => {
  it('takes no entries; reading, acknowledging and claiming go on; it resumes by itself', async () => {
    const backend = await open()
    await backend.createGroup('s', 'g')
    const ids = await backend.addMany('s', [
      ['n', '0'],
      ['n', '1'],
    ])
    const isFull = event('disk-full')
    disk.freeBytes = 100_000
    const refused = await addUntilRefused(backend, ids)
    await isFull
    expect(refused).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('ENOSPC') })
    const before = await backend.inspect('s')
    await expect(backend.addMany('s', [['n', 'x']])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(backend.add('s', ['n', 'x'], { expireMs: 1000 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(backend.createGroup('s', 'new')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await backend.inspect('s')).toEqual(before)
    expect(await backend.createGroup('s', 'g')).toBe(false)
    const [first, second] = (await backend.readGroup(consumer, news('s'), { count: 2 })).get('s')!
    expect(await backend.settle('s', 'g', 'c', [first!.id])).toEqual([first!.id])
    const claimed = await backend.claim('s', 'g', 'other', { minIdleMs: 0 })
    expect(claimed.entries.map(({ id }) => id)).toEqual([second!.id])
    expect((await backend.range('s')).map(({ id }) => id)).toEqual(ids)
    const resumed = event('resumed')
    disk.freeBytes = Infinity
    await resumed
    ids.push(...(await backend.addMany('s', [['n', 'again']])))
    await backend.close()
    const after = await open()
    expect((await after.range('s')).map(({ id }) => id)).toEqual(ids)
    expect(await after.pending('s', 'g')).toMatchObject([{ id: second!.id, consumer: 'other' }])
  })

  async function addUntilRefused(backend: Backend, ids: EntryId[]): Promise<unknown> {
    for (let i = 0; i < 1000; i++) {
      try {
        ids.push(...(await backend.addMany('s', [['value', 'v'.repeat(5000)]])))
      } catch (error) {
        return error
      }
    }
    return undefined
  }
})

describe('a disk that is broken', () => {
  it('leaves outcomes unknown, then takes and tells nothing, and goes on when it is whole', async () => {
    const backend = await open()
    const [first] = await backend.addMany('s', [['n', '0']])
    disk.failure = 'EIO'
    await expect(backend.add('s', ['n', '1'])).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringContaining('EIO'),
    })
    await expect(backend.add('s', ['n', '2'])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(backend.settle('s', 'g', 'c', [first!])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(backend.range('s')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const moved = event('moved')
    disk.failure = undefined
    await moved
    await backend.add('s', ['n', '3'])
    const numbers = (entries: Awaited<ReturnType<Backend['range']>>): string[] =>
      entries.map(({ fields }) => Buffer.from(fields[1]!).toString())
    expect(numbers(await backend.range('s'))).toEqual(['0', '1', '3'])
    await backend.close()
    expect(numbers(await (await open()).range('s'))).toEqual(['0', '1', '3'])
  })

  it('is told by close, and lets the directory go', async () => {
    const backend = await open()
    await backend.add('s', ['n', '0'])
    disk.failure = 'EIO'
    const adding = backend.add('s', ['n', '1'])
    const told = expect(adding).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await expect(backend.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await told
    disk.failure = undefined
    expect((await (await open()).range('s')).length).toBeGreaterThan(0)
  })
})

/** The archive: what was read is kept before it may be trimmed, and told once wherever it is. */

import { temporaryDirectory, waitFor } from '@millrace/testing'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Entry, EntryId } from '../backend.ts'
import { nodeClock } from '../clock.ts'
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { archiveFolder, archiveKey, compareIds, rangeOf } from './archive-keys.ts'
import { type ArchiveEvent, Archiver, type ArchiveOptions } from './archiver.ts'
import { DirectoryStore, type ObjectStore } from './object-store.ts'
import { replayEntries, type ReplayOptions } from './replay.ts'
import { readSegment, writeSegment } from './segment-file.ts'

const id = (text: string): EntryId => text as EntryId
const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function backend(): EmbeddedBackend {
  const made = new EmbeddedBackend()
  ends.push(async () => await made.close())
  return made
}

function archiver(on: EmbeddedBackend, options: ArchiveOptions): { archiver: Archiver; events: ArchiveEvent[] } {
  const events: ArchiveEvent[] = []
  const made = new Archiver({ backend: on, clock: nodeClock }, 's', {
    onEvent: (event) => events.push(event),
    ...options,
  })
  ends.push(async () => await made.stop())
  return { archiver: made, events }
}

async function fill(on: EmbeddedBackend, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await on.add('s', ['n', String(n)], { id: `${n}-0` })
}

async function replayed(on: EmbeddedBackend, options: ReplayOptions): Promise<number[]> {
  const numbers: number[] = []
  for await (const entry of replayEntries(on, 's', options)) numbers.push(Number(entry.id.split('-')[0]))
  return numbers
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

async function untilArchived(events: readonly ArchiveEvent[], entries: number): Promise<void> {
  const count = (): number => events.reduce((sum, event) => sum + (event.type === 'archived' ? event.entries : 0), 0)
  await waitFor(async () => count() >= entries, { what: `${entries} entries to be archived` })
}

describe('a segment', () => {
  const entries: Entry[] = [
    { id: id('1-0'), fields: [Buffer.from('a'), Buffer.from([0, 255, 10])] },
    { id: id('18446744073709551615-18446744073709551615'), fields: [Buffer.from(''), Buffer.alloc(0)] },
  ]

  it('holds any bytes and any ID', async () => {
    const { head, bytes } = await writeSegment('s', entries)
    expect(head).toMatchObject({ firstId: '1-0', entries: 2, stream: 's' })
    const read = await readSegment('k', bytes)
    expect(read.map((entry) => [entry.id, entry.fields.map((field) => Buffer.from(field).toString('hex'))])).toEqual(
      entries.map((entry) => [entry.id, entry.fields.map((field) => Buffer.from(field).toString('hex'))]),
    )
  })

  it('is refused by name when it was cut anywhere or any bit has changed', async () => {
    const { bytes } = await writeSegment('s', entries)
    for (let length = 0; length < bytes.length; length++) {
      await expect(readSegment('the/key.seg', bytes.subarray(0, length))).rejects.toMatchObject({ code: 'CORRUPT' })
    }
    let undetected = 0
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      try {
        // What does not count (a name in the head, a flag of gzip) may differ; the entries may not.
        expect(await readSegment('k', damaged)).toEqual(await readSegment('k', bytes))
        undetected++
      } catch (error) {
        expect(error).toMatchObject({ code: 'CORRUPT', message: expect.stringContaining("'k'") as string })
      }
    }
    expect(undetected).toBeLessThan(bytes.length * 8)
  })
})

describe('keys', () => {
  it('are in the order of the IDs and tell the range', () => {
    const ranges = [
      ['2-0', '10-5'],
      ['10-6', '9999-18446744073709551615'],
      ['18446744073709551615-0', '18446744073709551615-1'],
    ].map(([first, last]) => ({ firstId: id(first!), lastId: id(last!) }))
    const keys = ranges.map((range) => archiveKey('Orders {1}/é', range, 'json'))
    expect(keys.toSorted()).toEqual(keys)
    expect(keys.map(rangeOf)).toEqual(ranges)
    expect(archiveFolder('a/../b')).toBe('a%2f%2e%2e%2fb/')
    expect(compareIds(id('9-0'), id('10-0'))).toBeLessThan(0)
  })
})

describe('a directory', () => {
  it('keeps whole objects, lists them in order, and refuses names that lead out of it', async () => {
    const path = temporaryDirectory('archive')
    const store = new DirectoryStore(path)
    expect(await store.get('s/a')).toBeUndefined()
    expect(await store.list('s/')).toEqual([])
    await store.put('s/b', Buffer.from('2'))
    await store.put('s/a', Buffer.from('1'))
    await store.put('s/a', Buffer.from('1 again'))
    writeFileSync(join(path, 's', 'c.7-1.writing'), 'half')
    expect(await store.list('s/')).toEqual(['s/a', 's/b'])
    expect(await store.list('s/', 's/a')).toEqual(['s/b'])
    expect(Buffer.from((await store.get('s/a'))!).toString()).toBe('1 again')
    await store.delete('s/a')
    await store.delete('s/a')
    expect(await store.list('s/')).toEqual(['s/b'])
    for (const key of ['../x', 's/../../x', '/x', 's//x', 'S', '']) {
      await expect(store.put(key, Buffer.alloc(0)), key).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    }
  })
})

describe('an archiver', () => {
  it('writes closed ranges, acknowledges them, and what was trimmed then is told from there', async () => {
    const on = backend()
    const store = new DirectoryStore(temporaryDirectory('archive'))
    await fill(on, 1, 95)
    const { archiver: made, events } = archiver(on, { store, segmentEntries: 10, segmentMs: 60_000 })
    await untilArchived(events, 90)
    await made.stop()
    // The rest was open, and is written at the end.
    await untilArchived(events, 95)
    const info = await on.inspect('s')
    expect(info?.groups[0]).toMatchObject({ name: 'archive', pending: 0, lag: 0, consumers: [] })
    expect(await replayed(on, { store })).toEqual(numbers(1, 95))
    await on.trim('s', { maxLen: 20 })
    await fill(on, 96, 120)
    expect(await replayed(on, { store })).toEqual(numbers(1, 120))
    expect(await replayed(on, { store, from: id('50-0'), to: id('110-0') })).toEqual(numbers(50, 110))
    expect(await replayed(on, { store, from: id('200-0') })).toEqual([])
    await on.trim('s', { maxLen: 0 })
    expect(await replayed(on, { store, to: id('30-0') })).toEqual(numbers(1, 30))
  })

  it('closes a segment that is old enough', async () => {
    const on = backend()
    const store = new DirectoryStore(temporaryDirectory('archive'))
    const { events } = archiver(on, { store, segmentMs: 30 })
    await fill(on, 1, 3)
    await untilArchived(events, 3)
    expect(await replayed(on, { store })).toEqual([1, 2, 3])
  })

  it('goes on where another ended without a word, and tells nothing twice', async () => {
    const on = backend()
    const store = new DirectoryStore(temporaryDirectory('archive'))
    await fill(on, 1, 40)
    // Delivered to an archiver that wrote a record of a part, and was gone before it acknowledged.
    await on.createGroup('s', 'archive')
    await on.readGroup({ group: 'archive', consumer: 'gone' }, new Map([['s', '>']]), { count: 25 })
    const part = (await on.range('s', { to: '15-0' })).filter((entry) => entry.id !== '7-0')
    const { head, bytes } = await writeSegment('s', part)
    await store.put(archiveKey('s', head, 'seg'), bytes)
    await store.put(archiveKey('s', head, 'json'), Buffer.from(JSON.stringify(head)))
    const { events } = archiver(on, { store, segmentEntries: 10 })
    await untilArchived(events, 40)
    await on.trim('s', { maxLen: 0 })
    expect(await replayed(on, { store })).toEqual(numbers(1, 40))
  })

  it('keeps everything pending while the store refuses, and goes on when it takes objects again', async () => {
    const on = backend()
    const directory = new DirectoryStore(temporaryDirectory('archive'))
    let isFull = true
    const store: ObjectStore = {
      put: async (key, bytes) => {
        if (isFull) throw new Error('no space')
        await directory.put(key, bytes)
      },
      get: async (key) => await directory.get(key),
      list: async (prefix, after) => await directory.list(prefix, after),
      delete: async (key) => await directory.delete(key),
    }
    await fill(on, 1, 10)
    const { events } = archiver(on, { store, segmentEntries: 5 })
    await waitFor(async () => events.some((event) => event.type === 'error'), { what: 'the refusal to be told' })
    expect((await on.inspect('s'))?.groups[0]).toMatchObject({ pending: 5, lag: 5 })
    isFull = false
    await untilArchived(events, 10)
    expect(await replayed(on, { store })).toEqual(numbers(1, 10))
  })

  it('lets one work at a time', async () => {
    const on = backend()
    const store = new DirectoryStore(temporaryDirectory('archive'))
    const first = archiver(on, { store, segmentEntries: 1 })
    await fill(on, 1, 5)
    await untilArchived(first.events, 5)
    const second = archiver(on, { store, segmentEntries: 1, leaseMs: 1000 })
    await fill(on, 6, 10)
    await untilArchived(first.events, 10)
    expect(second.events).toEqual([])
    await first.archiver.stop()
    await fill(on, 11, 12)
    await untilArchived(second.events, 2)
  })
})

describe('a replay', () => {
  it('stops at a damaged or missing segment and names it', async () => {
    const on = backend()
    const path = temporaryDirectory('archive')
    const store = new DirectoryStore(path)
    await fill(on, 1, 20)
    const { events } = archiver(on, { store, segmentEntries: 10 })
    await untilArchived(events, 20)
    await on.trim('s', { maxLen: 0 })
    const name = readdirSync(join(path, 's')).filter((file) => file.endsWith('.seg'))[1]!
    const file = join(path, 's', name)
    const whole = readFileSync(file)
    truncateSync(file, whole.length - 1)
    await expect(replayed(on, { store })).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(name) as string,
    })
    await store.delete(`s/${name}`)
    await expect(replayed(on, { store })).rejects.toMatchObject({ code: 'CORRUPT' })
    writeFileSync(file, whole)
    expect(await replayed(on, { store })).toEqual(numbers(1, 20))
  })

  it('misses nothing while entries are archived and trimmed under its hands', async () => {
    const on = backend()
    const store = new DirectoryStore(temporaryDirectory('archive'))
    await fill(on, 1, 3000)
    const { events } = archiver(on, { store, segmentEntries: 100 })
    const found: number[] = []
    for await (const entry of replayEntries(on, 's', { store })) {
      found.push(Number(entry.id.split('-')[0]))
      if (found.length % 400 === 0) {
        await untilArchived(events, Math.min(3000, found.length + 900))
        await on.trim('s', { maxLen: Math.max(0, 3000 - found.length - 800) })
      }
    }
    expect(found).toEqual(numbers(1, 3000))
  })
})

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { append } from '../append.ts'
import { nodeEnv } from '../env.ts'
import type { Fs } from './files.ts'
import { endOfUse } from './fill-ahead.ts'
import { stateText } from './state-text.ts'
import { Store, type StoreEvent, type StoreOptions } from './store.ts'

let directory = ''
let events: StoreEvent[] = []
const opened: Store[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-store-'))
  events = []
})

afterEach(() => {
  for (const store of opened.splice(0)) store.abandon()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await Store.open(directory, { env: nodeEnv, onEvent: (event) => events.push(event), ...options })
  opened.push(store)
  return store
}

function add(store: Store, text: string): void {
  append(store.databases.at(0), { key: 'orders', fields: ['text', text] }, Date.now())
}

it('has the same state after an orderly end, and after none', async () => {
  const first = await open()
  for (let i = 0; i < 100; i++) add(first, `number ${i}`)
  await first.whenSafe()
  const before = stateText(first.databases)
  await first.close()
  const second = await open()
  expect(stateText(second.databases)).toEqual(before)
  add(second, 'one more')
  await second.whenSafe()
  const after = stateText(second.databases)
  second.abandon()
  const third = await open()
  expect(stateText(third.databases)).toEqual(after)
  expect(events.filter(({ kind }) => kind === 'torn')).toEqual([])
})

it('writes several segments, and reads them all', async () => {
  const store = await open({ segmentBytes: 4096 })
  for (let i = 0; i < 300; i++) {
    add(store, `number ${i} ${'x'.repeat(50)}`)
    await store.whenSafe()
  }
  expect(readdirSync(directory).filter((name) => name.startsWith('journal-')).length).toBeGreaterThan(3)
  const before = stateText(store.databases)
  store.abandon()
  expect(stateText((await open()).databases)).toEqual(before)
})

it('cuts a torn tail, and tells where', async () => {
  const store = await open()
  add(store, 'whole')
  await store.whenSafe()
  const before = stateText(store.databases)
  store.abandon()
  const path = join(directory, 'journal-000001')
  const bytes = readFileSync(path)
  const end = endOfUse(nodeEnv.fs.open(path, 'read'), 0)
  expect(bytes.subarray(end).equals(Buffer.alloc(bytes.length - end)), 'it is filled ahead').toBe(true)
  expect(bytes.length).toBeGreaterThan(end)
  bytes.write('half a frame', end)
  writeFileSync(path, bytes)
  expect(stateText((await open()).databases)).toEqual(before)
  expect(events.filter(({ kind }) => kind === 'torn')).toMatchObject([{ tail: { path, bytes: 12 } }])
})

it('takes the zeros that a file is filled ahead with for nothing, when it was left', async () => {
  const store = await open()
  add(store, 'whole')
  await store.whenSafe()
  store.abandon()
  await open()
  expect(events.filter(({ kind }) => kind === 'torn')).toEqual([])
})

it('refuses a journal whose durable part is damaged, and names the place', async () => {
  const store = await open()
  for (let i = 0; i < 3; i++) {
    add(store, `number ${i}`)
    await store.whenSafe()
  }
  store.abandon()
  const path = join(directory, 'journal-000001')
  const bytes = readFileSync(path)
  bytes[40]! ^= 1
  writeFileSync(path, bytes)
  await expect(open()).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining(`${path}: damaged at offset 32`),
  })
  expect(readFileSync(path)).toEqual(bytes)
})

it('writes a snapshot while changes go on, lets go of the journal before it, and starts from both', async () => {
  const store = await open({ segmentBytes: 65_536 })
  for (let i = 0; i < 5000; i++) add(store, `number ${i}`)
  await store.whenSafe()
  const done = store.snapshot()
  let during = 0
  while (store.snapshotInfo.runningSinceMs !== undefined) {
    add(store, `during ${during++}`)
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  await done
  await store.whenSafe()
  expect(during).toBeGreaterThan(1)
  expect(store.snapshotInfo).toMatchObject({ count: 1, lastFailed: false, runningSinceMs: undefined })
  const names = readdirSync(directory)
  expect(names.filter((name) => name.endsWith('.rdb'))).toHaveLength(1)
  expect(names).not.toContain('journal-000001')
  const before = stateText(store.databases)
  await store.snapshot()
  expect(readdirSync(directory).filter((name) => name.endsWith('.rdb'))).toHaveLength(1)
  store.abandon()
  expect(stateText((await open()).databases)).toEqual(before)
})

it('begins a snapshot by itself when the journal has grown, and not before', async () => {
  const store = await open({ rewrite: { growth: 1, bytesMin: 20_000 } })
  const began = new Promise<void>((resolve) => {
    const look = (): void => (store.snapshotInfo.runningSinceMs === undefined ? void setImmediate(look) : resolve())
    look()
  })
  while (store.bytes < 15_000) {
    add(store, 'x'.repeat(500))
    await store.whenSafe()
  }
  expect(store.snapshotInfo).toMatchObject({ count: 0, runningSinceMs: undefined })
  while (store.bytes < 20_000) {
    add(store, 'x'.repeat(500))
    await store.whenSafe()
  }
  await began
  await store.close()
  expect(store.snapshotInfo.count + Number(store.snapshotInfo.lastFailed === true)).toBe(1)
  const again = await open({ rewrite: { growth: 1, bytesMin: 1 } })
  while (again.bytes < again.baseBytes * 1.5) {
    add(again, 'x'.repeat(500))
    await again.whenSafe()
  }
  expect(again.snapshotInfo).toMatchObject({ count: 0, lastFailed: undefined, runningSinceMs: undefined })
})

it('tells that a snapshot which it has begun failed, and goes on without', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, open'), { code: 'ENOSPC' })
  const fs: Fs = {
    ...nodeEnv.fs,
    open: (path, mode) => {
      if (path.endsWith('.rdb.tmp')) throw full
      return nodeEnv.fs.open(path, mode)
    },
  }
  let tell: () => void = () => undefined
  const told = new Promise<void>((resolve) => (tell = resolve))
  const store = await open({
    env: { ...nodeEnv, fs },
    rewrite: { growth: 1, bytesMin: 1 },
    onEvent: (event) => {
      events.push(event)
      if (event.kind === 'snapshot-failed') tell()
    },
  })
  add(store, 'x'.repeat(500))
  await store.whenSafe()
  await told
  for (let i = 0; i < 50; i++) {
    add(store, 'x'.repeat(500))
    await store.whenSafe()
  }
  expect(events.filter(({ kind }) => kind === 'snapshot-failed')).toHaveLength(1)
  expect(store.snapshotInfo).toMatchObject({ count: 0, lastFailed: true })
  expect(store.refusal).toBeUndefined()
})

it('keeps a stream on disk that is larger than its budget, and empties that place at each opening', async () => {
  const budget = { memoryBytes: 4 << 20, fileBytes: 1 << 20 }
  const store = await open({ cold: budget })
  for (let i = 0; i < 10_000; i++) add(store, `number ${i} ${'x'.repeat(1000)}`)
  await store.whenSafe()
  expect(store.cold!.info()).toMatchObject({ failure: undefined })
  expect(store.cold!.info().spills).toBeGreaterThan(3)
  const before = stateText(store.databases)
  await store.close()
  expect(readdirSync(join(directory, 'cold'))).toEqual([])
  const again = await open({ cold: budget })
  expect(stateText(again.databases)).toEqual(before)
  expect(again.cold!.info().residentBytes).toBeLessThan(4 << 20)
  // Somebody who is locked out leaves the files to who is in.
  await expect(Store.open(directory, { env: nodeEnv, cold: budget })).rejects.toMatchObject({ code: 'LOCKED' })
  expect(stateText(again.databases)).toEqual(before)
  again.abandon()
  writeFileSync(join(directory, 'cold', 'cold-000007'), 'of a process that was killed')
  await (await open()).whenSafe()
  expect(readdirSync(join(directory, 'cold'))).toEqual([])
})

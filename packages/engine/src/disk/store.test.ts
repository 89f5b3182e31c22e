import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { append } from '../append.ts'
import { nodeEnv } from '../env.ts'
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
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('half a frame')]))
  expect(stateText((await open()).databases)).toEqual(before)
  expect(events.filter(({ kind }) => kind === 'torn')).toMatchObject([{ tail: { path, bytes: 12 } }])
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

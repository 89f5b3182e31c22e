import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { nodeEnv } from '../env.ts'
import { checkDirectory, type CheckReport } from './check.ts'
import { stateText } from './state-text.ts'
import { Store, type StoreEvent } from './store.ts'

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures')

let directory = ''
let events: StoreEvent[] = []
let opened: Store | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-fixture-'))
  events = []
})
afterEach(() => {
  opened?.abandon()
  opened = undefined
  rmSync(directory, { recursive: true, force: true })
})

async function open(): Promise<Store> {
  const store = await Store.open(directory, { env: nodeEnv, onEvent: (event) => events.push(event) })
  opened = store
  return store
}

function copy(name: string): void {
  cpSync(join(FIXTURES, name), directory, { recursive: true })
}

function look(): CheckReport {
  const steps = checkDirectory(nodeEnv.fs, directory)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

function textOf(name: string): string {
  return readFileSync(join(FIXTURES, `${name}.txt`), 'utf8').trimEnd()
}

/** Changes the bytes of each file whose name fits. */
function edit(names: RegExp, change: (bytes: Buffer) => Buffer): void {
  const paths = readdirSync(directory)
    .filter((name) => names.test(name))
    .map((name) => join(directory, name))
  expect(paths.length).toBeGreaterThan(0)
  for (const path of paths) writeFileSync(path, change(readFileSync(path)))
}

async function expectNewer(name: RegExp, what: string): Promise<void> {
  const before = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'latin1'))
  await expect(open()).rejects.toMatchObject({ code: 'NEWER_FORMAT', message: expect.stringMatching(name) })
  await expect(open()).rejects.toThrow(what)
  expect(look().problem).toMatchObject({ code: 'NEWER_FORMAT' })
  expect(look().files.some(({ state }) => state === 'newer')).toBe(true)
  expect(readdirSync(directory).map((file) => readFileSync(join(directory, file), 'latin1'))).toEqual(before)
}

it('has a state in words for each directory of each format', () => {
  for (const format of readdirSync(FIXTURES).filter((name) => name.startsWith('format-'))) {
    expect(readdirSync(join(FIXTURES, format)).sort()).toEqual(['clean', 'clean.txt', 'crashed', 'crashed.txt'])
  }
})

it.each(['format-1/clean', 'format-1/crashed'])('opens %s, twice', async (name) => {
  copy(name)
  expect(look().problem).toBeUndefined()
  expect(look().files.map(({ state }) => state)).toContain(name.endsWith('crashed') ? 'torn' : 'whole')
  const first = await open()
  expect(stateText(first.databases)).toBe(textOf(name))
  expect(events.filter(({ kind }) => kind === 'torn')).toHaveLength(name.endsWith('crashed') ? 1 : 0)
  await first.close()
  expect(stateText((await open()).databases)).toBe(textOf(name))
})

it('refuses the manifest of a newer format by name', async () => {
  copy('format-1/clean')
  edit(/^manifest-/, (bytes) => {
    const line = bytes.toString().split('\n')[0]!.replace('"format":1', '"format":2')
    return Buffer.from(`${line}\n${crc32(line).toString(16).padStart(8, '0')}\n`)
  })
  await expectNewer(/manifest-[01]/, 'format 2; this program reads format 1')
})

it('refuses the journal of a newer version by name', async () => {
  copy('format-1/clean')
  edit(/^journal-000014/, (bytes) => {
    bytes.writeUInt32LE(2, 8)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
    return bytes
  })
  await expectNewer(/journal-000014/, 'a journal of version 2; this program reads version 1')
})

it('refuses the snapshot of a newer version by name', async () => {
  copy('format-1/clean')
  edit(/^snapshot-/, (bytes) => {
    bytes.write('REDIS0099')
    return bytes
  })
  await expectNewer(/snapshot-\d+\.rdb/, 'is of RDB version 99')
})

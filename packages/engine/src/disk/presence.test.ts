/** Files that are removed while their directory is open. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { append } from '../append.ts'
import { nodeEnv } from '../env.ts'
import { stateText } from './state-text.ts'
import { Store, type StoreEvent } from './store.ts'

let directory: string
let stores: Store[]
let events: StoreEvent[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-presence-'))
  stores = []
  events = []
})
afterEach(() => {
  for (const store of stores) store.abandon()
  rmSync(directory, { recursive: true, force: true })
})

/** With a clock of its own: `tick` is a second. */
async function open(): Promise<{ store: Store; tick: () => void }> {
  const seconds: (() => void)[] = []
  const env = {
    ...nodeEnv,
    setBackgroundTimer(afterMs: number, fire: () => void) {
      if (afterMs !== 1000) return nodeEnv.setBackgroundTimer(afterMs, fire)
      seconds.push(fire)
      return () => void seconds.splice(0)
    },
  }
  const store = await Store.open(directory, { env, onEvent: (event) => events.push(event) })
  stores.push(store)
  return { store, tick: () => seconds.splice(0).forEach((fire) => fire()) }
}

function add(store: Store, value: string): Promise<void> {
  append(store.databases.at(0), { key: 's', fields: [Buffer.from('f'), Buffer.from(value)] }, nodeEnv.nowMs())
  return store.whenSafe()
}

/** Resolves when the events say so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

it.each(['journal-000001', 'snapshot-000002.rdb'])('writes all once more when %s was removed', async (name) => {
  const { store, tick } = await open()
  await add(store, 'before')
  if (name.startsWith('snapshot')) await store.snapshot()
  rmSync(join(directory, name))
  tick()
  await until(() => events.some(({ kind }) => kind === 'moved'))
  expect(events).toMatchObject([
    { kind: 'file-missing', error: { message: expect.stringContaining(name) as string } },
    {},
  ])
  await add(store, 'between')
  const { count } = store.snapshotInfo
  tick()
  await until(() => store.snapshotInfo.count > count)
  await add(store, 'after')
  const text = stateText(store.databases)
  store.abandon()
  expect(stateText((await open()).store.databases)).toBe(text)
})

it('promises nothing any more when the directory is gone', async () => {
  const { store, tick } = await open()
  await add(store, 'before')
  rmSync(directory, { recursive: true })
  tick()
  await until(() => store.refusal !== undefined)
  expect(store.refusal).toMatchObject({
    kind: 'all',
    reason: expect.stringContaining(`${directory} was removed`) as string,
  })
  await expect(add(store, 'lost')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(() => readdirSync(directory)).toThrow('ENOENT')
})

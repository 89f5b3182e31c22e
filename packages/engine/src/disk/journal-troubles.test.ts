/** Troubles of a journal one by one, and several at once: what is promised meanwhile holds, and nothing leaks. */
import { expect, it } from 'vitest'
import { append } from '../append.ts'
import { recoverFrom } from './testing/crash-workload.ts'
import { settled, SimEnv } from './testing/sim-env.ts'
import { SimFs } from './testing/sim-fs.ts'
import { Store, type StoreEvent, type StoreOptions } from './store.ts'

const DIRECTORY = '/data'

interface Site {
  readonly env: SimEnv
  readonly store: Store
  readonly events: StoreEvent[]
  /** One group of about so many bytes. */
  readonly add: (bytes?: number) => void
}

async function open(fs: SimFs, options: Partial<StoreOptions> = {}, seed = 1): Promise<Site> {
  const env = new SimEnv(fs, seed)
  const events: StoreEvent[] = []
  const onEvent = (event: StoreEvent): void => void events.push(event)
  const store = await Store.open(DIRECTORY, { env, fillBytes: 0, onEvent, ...options })
  const add = (bytes = 20): void => {
    append(store.databases.at(0), { key: 's', fields: ['f', 'x'.repeat(bytes)] }, env.nowMs())
    store.commit()
  }
  return { env, store, events, add }
}

/** What recovery says of every crash from a step on. */
function refusals(fs: SimFs, from = 0): string[] {
  const found: string[] = []
  for (const state of fs.crashStates({ samples: 4, unitsMax: 2, from })) {
    try {
      recoverFrom(state.fs)
    } catch (error) {
      found.push(`${(error as Error).message}; ${state.describe()}`)
    }
  }
  return found
}

it('puts no manifest in place any more when an end in order has failed', async () => {
  const fs = new SimFs()
  const first = await open(fs, { reserveBytes: 0 })
  first.add()
  await first.env.advance(10)
  // The sync fails, then the first try to go on in another file; the second hangs.
  fs.inject({ kind: 'sync', times: 2, error: 'EIO' })
  first.add()
  await first.env.advance(100)
  expect(first.store.refusal?.kind).toBe('all')
  fs.holdSyncs = true
  await first.env.advance(250)
  const held = fs.pendingSyncs.length
  expect(held).toBeGreaterThan(0)
  await expect(first.store.close()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  fs.holdSyncs = false
  const second = await open(fs, { reserveBytes: 0 }, 2)
  second.add()
  await second.env.advance(10)
  fs.release(held)
  await settled()
  second.add()
  await second.env.advance(10)
  second.store.abandon()
  expect(recoverFrom(fs).seq).toBe(second.store.journal.durableSeq)
})

it.each(['everysec', 'always'] as const)('ends no segment before all of it is written, with %s', async (fsync) => {
  const fs = new SimFs()
  const { add, env, store } = await open(fs, { fsync, reserveBytes: 0, segmentBytes: 400 })
  add(200)
  await env.advance(1500)
  add(10)
  await env.advance(1500)
  add(5)
  const isFrames = ({ kind, position = 0 }: { kind: string; position?: number }): boolean =>
    kind === 'write' && position > 0
  fs.inject({ matches: isFrames, path: /journal-/, times: Infinity, error: 'ENOSPC' })
  await env.advance(950)
  add(60)
  add(10)
  await env.advance(60)
  store.snapshot().catch(() => undefined)
  await env.advance(3)
  expect(refusals(fs)).toEqual([])
})

it('keeps with everysec what it has acknowledged while the journal moves to another file', async () => {
  const fs = new SimFs()
  const { add, env, store } = await open(fs, { fsync: 'everysec' })
  add()
  await env.advance(1500)
  for (let i = 0; i < 3; i++) add()
  const acknowledged = store.safeSeq
  expect(acknowledged).toBe(4)
  fs.inject({ kind: 'sync', path: /journal-/, error: 'EIO' })
  const from = fs.trace.length
  await env.advance(5000)
  let states = 0
  for (const state of fs.crashStates({ kinds: ['process'], from })) {
    expect(recoverFrom(state.fs).seq, state.describe()).toBeGreaterThanOrEqual(acknowledged)
    states++
  }
  expect(states).toBeGreaterThan(10)
})

it('makes the next segment once in a while when it cannot be made, and closes what it has opened', async () => {
  const fs = new SimFs()
  const { add, env } = await open(fs, { segmentBytes: 300 })
  add(200)
  await env.advance(10)
  fs.inject({ kind: 'rename', times: Infinity, error: 'EIO' })
  const from = fs.trace.length
  for (let i = 0; i < 50; i++) {
    add()
    await env.advance(10)
  }
  const steps = fs.trace.slice(from).filter(({ path }) => /journal-/.test(path))
  const count = (kind: string): number => steps.filter((step) => step.kind === kind).length
  expect(count('open')).toBeLessThan(5)
  expect(count('close')).toBe(count('open'))
})

it('syncs what it has acknowledged when it ends on a full disk', async () => {
  const fs = new SimFs()
  const { add, env, store } = await open(fs, { fsync: 'everysec', reserveBytes: 4096 })
  add()
  await env.advance(1500)
  fs.inject({ kind: 'write', path: /journal/, error: 'ENOSPC' })
  fs.inject({ kind: 'write', path: /reserve/, times: Infinity, error: 'ENOSPC' })
  add()
  expect(store.refusal?.kind).toBe('growing')
  await store.close()
  expect(store.journal.durableSeq).toBe(store.safeSeq)
})

it('does not fill ahead with what was kept for a full disk', async () => {
  const fs = new SimFs()
  const { add, env, store } = await open(fs, { reserveBytes: 262_144, fillBytes: 1 << 20 })
  for (let i = 0; i < 600; i++) {
    add(7000)
    await env.advance(1)
  }
  fs.quotaBytes = fs.usedBytes
  for (let i = 0; i < 300 && store.refusal === undefined; i++) {
    add(7000)
    await env.advance(1)
  }
  expect(store.refusal?.kind).toBe('growing')
  expect(fs.quotaBytes - fs.usedBytes).toBeGreaterThan(100_000)
})

it('tells nobody that a change is safe which it does not record any more', async () => {
  const { env, store, add } = await open(new SimFs())
  add()
  await env.advance(10)
  const closing = store.close()
  append(store.databases.at(0), { key: 's', fields: ['f', 'lost'] }, env.nowMs())
  await expect(store.whenSafe()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await closing
})

it.each(['durable', 'the older manifest', 'the newer manifest'])(
  'refuses writes when %s was removed, without which nothing could be opened again',
  async (what) => {
    const fs = new SimFs()
    const { add, env, store, events } = await open(fs)
    add()
    await env.advance(10)
    const { generation } = store.journal.manifest
    const newer = generation % 2
    fs.remove(`${DIRECTORY}/${what === 'durable' ? what : `manifest-${what.includes('newer') ? newer : 1 - newer}`}`)
    await env.advance(5000)
    expect(events.map(({ kind }) => kind)).toContain('file-missing')
    expect(store.refusal?.kind).toBe('all')
    const { safeSeq } = store
    add()
    await env.advance(5000)
    expect(store.safeSeq).toBe(safeSeq)
    store.abandon()
  },
)

it('goes on when whoever listens fails, and lets that be seen', async () => {
  const fs = new SimFs()
  const onEvent = (): void => {
    throw new Error('of the listener')
  }
  const { add, env, store } = await open(fs, { onEvent })
  fs.inject({ kind: 'sync', path: /journal-/, error: 'EIO' })
  add()
  await expect(env.advance(1)).rejects.toThrow('of the listener')
  for (let i = 0; i < 10; i++) await env.advance(100).catch(() => undefined)
  expect(store.safeSeq).toBe(1)
  store.abandon()
  expect(recoverFrom(fs).seq).toBe(1)
})

import { EmbeddedBackend, type EntryId } from 'millrace'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { removeLostConsumers, trimFinished } from './questions-keeper.ts'
import { WORKERS } from './questions.ts'

describe('keeping the questions small', () => {
  const stream = 'Q'
  let backend: EmbeddedBackend
  let jobs: EntryId[]
  beforeEach(async () => {
    backend = new EmbeddedBackend()
    await backend.createGroup(stream, WORKERS)
    jobs = []
    for (let i = 0; i < 10; i++) jobs.push((await backend.add(stream, ['answer', String(i)]))!)
  })
  afterEach(() => backend.close())

  const deliver = (count: number, group = WORKERS): Promise<unknown> =>
    backend.readGroup({ group, consumer: 'c' }, new Map([[stream, '>']]), { count })
  const finish = (...which: number[]): Promise<unknown> =>
    backend.settle(
      stream,
      WORKERS,
      'c',
      which.map((i) => jobs[i]!),
    )
  const left = async (): Promise<EntryId[]> => (await backend.range(stream)).map((entry) => entry.id)

  it('trims nothing that was not delivered', async () => {
    expect(await trimFinished(backend, stream)).toBe(0)
    expect(await left()).toEqual(jobs)
  })

  it('trims only behind the first pending job', async () => {
    await deliver(6)
    await finish(0, 1, 2, 4, 5)
    expect(await trimFinished(backend, stream)).toBe(3)
    expect(await left()).toEqual(jobs.slice(3))
    await finish(3)
    await trimFinished(backend, stream)
    expect(await left()).toEqual(jobs.slice(6))
  })

  it('keeps what another group has not finished', async () => {
    await backend.createGroup(stream, 'audit')
    await deliver(10)
    await finish(...jobs.keys())
    await deliver(2, 'audit')
    await trimFinished(backend, stream)
    expect(await left()).toEqual(jobs)
  })

  it('delivers new jobs after everything was trimmed', async () => {
    await deliver(10)
    await finish(...jobs.keys())
    expect(await trimFinished(backend, stream)).toBe(10)
    const next = await backend.add(stream, ['answer', 'next'])
    await trimFinished(backend, stream)
    expect(await left()).toEqual([next])
  })

  it('removes long lost consumers, but none that has a job', async () => {
    await deliver(1)
    await backend.claim(stream, WORKERS, 'idle', { minIdleMs: 1e9 })
    await removeLostConsumers(backend, stream, -1)
    const info = await backend.inspect(stream)
    expect(info!.groups[0]!.consumers.map((consumer) => consumer.name)).toEqual(['c'])
  })
})

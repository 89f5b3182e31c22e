import { startRedis } from '@millrace/testing'
import { expect, it } from 'vitest'
import { RedisBackend } from './redis-backend.ts'
it('smokes', async () => {
  const server = await startRedis()
  const backend = await RedisBackend.connect([server.url])
  expect(backend.label).toBe('redis 7.0.15')
  const id = await backend.add('s', ['a', '1'])
  expect((await backend.range('s'))[0]?.id).toBe(id)
  expect(await backend.createGroup('s', 'g')).toBe(true)
  expect(await backend.createGroup('s', 'g')).toBe(false)
  const got = await backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), { blockMs: 100 })
  expect(got.get('s')).toHaveLength(1)
  const blocked = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), { blockMs: 5000 })
  const id2 = await backend.add('s', ['a', '2'], { ifLastId: id! })
  expect((await blocked).get('s')?.[0]?.id).toBe(id2)
  const abort = new AbortController()
  const b2 = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), {
    blockMs: 5000,
    signal: abort.signal,
  })
  setTimeout(() => abort.abort(new Error('stop')), 30)
  await expect(b2).rejects.toThrow('stop')
  console.log(
    await backend.inspect('s'),
    await backend.pending('s', 'g'),
    await backend.claim('s', 'g', 'd', { minIdleMs: 0 }),
  )
  expect(await backend.settle('s', 'g', 'c', [id!])).toEqual([])
  expect(await backend.settle('s', 'g', 'd', [id!])).toEqual([id])
  await backend.close()
  await server.stop()
})

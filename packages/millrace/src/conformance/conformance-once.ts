/** Conformance of `add` with `once` and with a durability. */

import assert from 'node:assert/strict'
import { type Case, id, ids, rejects, texts, until } from './conformance-site.ts'

export const onceCases: readonly Case[] = [
  {
    name: 'adds a message with a key once, and tells the first ID again',
    run: async (site) => {
      const first = await site.backend.add(site.stream, ['n', '1'], { once: { key: 'order-7' } })
      assert.equal(await site.backend.add(site.stream, ['n', '2'], { once: { key: 'order-7' } }), first)
      const other = await site.backend.add(site.stream, ['n', '3'], { once: { key: 'order-8' } })
      assert.deepEqual(ids(await site.backend.range(site.stream)), [first, other])
      assert.deepEqual(texts((await site.backend.range(site.stream))[0]?.fields), ['n', '1'])
    },
  },
  {
    name: 'adds one of a hundred that send the same key at the same time',
    run: async (site) => {
      const add = async (_: unknown, i: number) =>
        await site.backend.add(site.stream, ['n', String(i)], { once: { key: 'k' } })
      const all = await Promise.all(Array.from({ length: 100 }, add))
      assert.equal(new Set(all).size, 1)
      assert.equal((await site.backend.range(site.stream)).length, 1)
    },
  },
  {
    name: 'knows a key for its stream alone, and after its entry was deleted',
    run: async (site) => {
      const other = site.name()
      const first = await site.backend.add(site.stream, ['n', '1'], { once: { key: 'k' } })
      await site.backend.add(other, ['n', '1'], { once: { key: 'k' } })
      assert.equal((await site.backend.range(other)).length, 1)
      await site.backend.delete(site.stream, [first!])
      assert.equal(await site.backend.add(site.stream, ['n', '2'], { once: { key: 'k' } }), first)
      assert.equal((await site.backend.range(site.stream)).length, 0)
    },
  },
  {
    name: 'forgets a key after its window',
    run: async (site) => {
      const add = async () => await site.backend.add(site.stream, ['n', '1'], { once: { key: 'k', windowMs: 30 } })
      const first = await add()
      await until('the key to be forgotten', async () => (await add()) !== first)
    },
  },
  {
    name: 'adds once with a trim, a time to live and without making a stream',
    run: async (site) => {
      const once = { key: 'k' }
      assert.equal(await site.backend.add(site.stream, ['n', '1'], { once, noMkStream: true }), undefined)
      await site.fill('1-1', '2-1')
      const added = await site.backend.add(site.stream, ['n', '1'], { once, trim: { maxLen: 1 }, expireMs: 60_000 })
      assert.deepEqual(ids(await site.backend.range(site.stream)), [added])
      const { ttlMs = 0 } = (await site.backend.inspect(site.stream)) ?? {}
      assert.ok(ttlMs > 50_000 && ttlMs <= 60_000)
    },
  },
  {
    name: 'refuses a key or a window that is none, and a key with an ID',
    run: async (site) => {
      const bad = [
        { once: { key: '' } },
        { once: { key: 'k'.repeat(513) } },
        { once: { key: 'k', windowMs: 0 } },
        { once: { key: 'k' }, id: '1-1' },
        { once: { key: 'k' }, ifLastId: id('0-0') },
      ]
      for (const options of bad) await rejects('BAD_ARGUMENT', site.backend.add(site.stream, ['n', '1'], options))
      assert.equal(await site.backend.inspect(site.stream), undefined)
    },
  },
  {
    name: 'adds as the backend keeps it by itself, when asked for no more',
    run: async (site) => {
      const added = await site.backend.add(site.stream, ['n', '1'], { durability: 'memory' })
      assert.deepEqual(ids(await site.backend.range(site.stream)), [added])
    },
  },
  {
    name: 'refuses a durability that is none',
    run: async (site) => {
      const bad: readonly unknown[] = ['disk', 5, { replicas: 0 }, { replicas: 1.5 }, { replicas: 1, timeoutMs: 0 }, {}]
      for (const durability of bad)
        await rejects('BAD_ARGUMENT', site.backend.add(site.stream, ['n', '1'], { durability: durability as 'memory' }))
      assert.equal(await site.backend.inspect(site.stream), undefined)
    },
  },
]

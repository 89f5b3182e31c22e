/** Conformance of `trim`, `delete` and `expire`. */

import assert from 'node:assert/strict'
import { type Case, id, ids, rejects, until } from './conformance-site.ts'

export const trimCases: readonly Case[] = [
  {
    name: 'trims to an exact length',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1', '4-1')
      assert.equal(await site.backend.trim(site.stream, { maxLen: 1 }), 3)
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['4-1'])
    },
  },
  {
    name: 'trims what is below an ID',
    run: async (site) => {
      await site.fill('1-1', '2-1', '2-2', '3-1')
      assert.equal(await site.backend.trim(site.stream, { minId: id('2-2') }), 2)
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['2-2', '3-1'])
    },
  },
  {
    name: 'trims to nothing and keeps the stream and its last ID',
    run: async (site) => {
      await site.fill('1-1', '2-1')
      assert.equal(await site.backend.trim(site.stream, { maxLen: 0 }), 2)
      const info = await site.backend.inspect(site.stream)
      assert.equal(info?.length, 0)
      assert.equal(info?.lastId, '2-1')
    },
  },
  {
    name: 'trims nothing that need not go, nor of a missing stream',
    run: async (site) => {
      assert.equal(await site.backend.trim(site.stream, { maxLen: 5 }), 0)
      await site.fill('1-1')
      assert.equal(await site.backend.trim(site.stream, { maxLen: 5 }), 0)
      assert.equal(await site.backend.trim(site.stream, { minId: id('0-1') }), 0)
    },
  },
  {
    name: 'keeps at least what was asked for when it trims approximately',
    run: async (site) => {
      await Promise.all(Array.from({ length: 350 }, () => site.backend.add(site.stream, ['a', '1'])))
      const gone = await site.backend.trim(site.stream, { maxLen: 120, approximate: true })
      const length = (await site.backend.inspect(site.stream))?.length ?? 0
      assert.equal(length, 350 - gone)
      assert.ok(length >= 120 && length < 350)
    },
  },
  {
    name: 'trims at most limit entries in one approximate call',
    run: async (site) => {
      await Promise.all(Array.from({ length: 350 }, () => site.backend.add(site.stream, ['a', '1'])))
      const gone = await site.backend.trim(site.stream, { maxLen: 0, approximate: true, limit: 100 })
      assert.ok(gone <= 100, `trimmed ${gone}`)
    },
  },
  {
    name: 'refuses to trim by both or none of maxLen and minId',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ARGUMENT', backend.trim(stream, {}))
      await rejects('BAD_ARGUMENT', backend.trim(stream, { maxLen: 1, minId: id('1-1') }))
      await rejects('BAD_ARGUMENT', backend.trim(stream, { maxLen: 1, limit: 5 }))
      await rejects('BAD_ARGUMENT', backend.trim(stream, { maxLen: 0.5 }))
      await rejects('BAD_ID', backend.trim(stream, { minId: id('x') }))
    },
  },
  {
    name: 'deletes entries and tells how many were there',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      assert.equal(await site.backend.delete(site.stream, [id('1-1'), id('3-1'), id('9-9')]), 2)
      assert.equal(await site.backend.delete(site.stream, [id('1-1')]), 0)
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['2-1'])
    },
  },
  {
    name: 'deletes nothing when one of the IDs is none',
    run: async (site) => {
      await site.fill('1-1')
      await rejects('BAD_ID', site.backend.delete(site.stream, [id('1-1'), id('x')]))
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['1-1'])
    },
  },
  {
    name: 'deletes nothing of a missing stream, and nothing for no IDs',
    run: async (site) => {
      assert.equal(await site.backend.delete(site.stream, [id('1-1')]), 0)
      await site.fill('1-1')
      assert.equal(await site.backend.delete(site.stream, []), 0)
    },
  },
  {
    name: 'keeps an emptied stream and goes on above its last ID',
    run: async (site) => {
      await site.fill('9999999999999-5')
      await site.backend.delete(site.stream, [id('9999999999999-5')])
      assert.equal((await site.backend.inspect(site.stream))?.length, 0)
      assert.equal(await site.backend.add(site.stream, ['a', '1']), '9999999999999-6')
    },
  },
  {
    name: 'expires a stream after its time',
    run: async (site) => {
      await site.fill('1-1')
      assert.equal(await site.backend.expire(site.stream, 20), true)
      await until('the stream to expire', async () => (await site.backend.inspect(site.stream)) === undefined)
    },
  },
  {
    name: 'removes a stream at once with 0, its groups included',
    run: async (site) => {
      await site.group('1-1')
      assert.equal(await site.backend.expire(site.stream, 0), true)
      assert.equal(await site.backend.inspect(site.stream), undefined)
      assert.deepEqual(await site.backend.range(site.stream), [])
    },
  },
  {
    name: 'resolves false for the expiry of a missing stream',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.expire(stream, 1000), false)
      await rejects('BAD_ARGUMENT', backend.expire(stream, -1))
    },
  },
  {
    name: 'begins anew after a stream was removed',
    run: async (site) => {
      await site.fill('5-1')
      await site.backend.expire(site.stream, 0)
      assert.equal(await site.backend.add(site.stream, ['a', '1'], { id: '1-1', ifLastId: id('0-0') }), '1-1')
    },
  },
  {
    name: 'neither trims, deletes from nor expires a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.trim(key, { maxLen: 0 }))
      await rejects('WRONG_TYPE', site.backend.delete(key, [id('1-1')]))
      await rejects('WRONG_TYPE', site.backend.expire(key, 0))
    },
  },
  {
    name: 'trims what every group has finished, and no more',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1', '4-1')
      await site.backend.createGroup(site.stream, 'h')
      await site.deliver('c')
      const acked = async () => await site.backend.trim(site.stream, { acked: true })
      await site.backend.settle(site.stream, 'g', 'c', [id('1-1'), id('2-1'), id('4-1')])
      assert.equal(await acked(), 0)
      await site.backend.readGroup({ group: 'h', consumer: 'c' }, new Map([[site.stream, '>']]), { count: 3 })
      await site.backend.settle(site.stream, 'h', 'c', [id('1-1'), id('3-1')])
      assert.equal(await acked(), 1)
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['2-1', '3-1', '4-1'])
      await site.backend.settle(site.stream, 'h', 'c', [id('2-1')])
      assert.equal(await acked(), 1)
      await site.backend.settle(site.stream, 'g', 'c', [id('3-1')])
      assert.equal(await acked(), 1)
      await site.backend.destroyGroup(site.stream, 'h')
      assert.equal(await acked(), 1)
      assert.equal(await acked(), 0)
      assert.equal((await site.backend.inspect(site.stream))?.lastId, '4-1')
    },
  },
  {
    name: 'trims nothing as finished without a group, nor of a missing stream',
    run: async (site) => {
      assert.equal(await site.backend.trim(site.stream, { acked: true }), 0)
      await site.fill('1-1')
      assert.equal(await site.backend.trim(site.stream, { acked: true }), 0)
      assert.equal(await site.backend.trim(site.stream, { acked: true, maxLen: 0 }), 0)
    },
  },
  {
    name: 'trims to a length or an ID, but only what is finished',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1', '4-1', '5-1')
      await site.deliver('c', 4)
      await site.backend.settle(site.stream, 'g', 'c', ['1-1', '2-1', '3-1'].map(id))
      assert.equal(await site.backend.trim(site.stream, { acked: true, maxLen: 4 }), 1)
      assert.equal(await site.backend.trim(site.stream, { acked: true, minId: id('3-1') }), 1)
      assert.equal(await site.backend.trim(site.stream, { acked: true, maxLen: 0 }), 1)
      assert.equal(await site.backend.trim(site.stream, { acked: true, minId: id('9-9') }), 0)
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['4-1', '5-1'])
    },
  },
  {
    name: 'trims thousands of finished entries to a length',
    run: async (site) => {
      await site.group()
      await site.backend.addMany(
        site.stream,
        Array.from({ length: 3500 }, () => ['n', '1']),
      )
      const delivered = await site.deliver('c', 3000)
      for (let at = 0; at < 3000; at += 1000)
        await site.backend.settle(
          site.stream,
          'g',
          'c',
          delivered.slice(at, at + 1000).map((entry) => entry.id),
        )
      assert.equal(await site.backend.trim(site.stream, { acked: true, maxLen: 1000 }), 2500)
      assert.equal(await site.backend.trim(site.stream, { acked: true, maxLen: 100 }), 500)
      assert.equal((await site.backend.inspect(site.stream))?.length, 500)
    },
  },
  {
    name: 'refuses a trim of what is finished in an append',
    run: async (site) => {
      await rejects('BAD_ARGUMENT', site.backend.add(site.stream, ['n', '1'], { trim: { acked: true } }))
      await rejects('BAD_ARGUMENT', site.backend.trim(site.stream, { acked: true, maxLen: 1, minId: id('1-1') }))
    },
  },
]

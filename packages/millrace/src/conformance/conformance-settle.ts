/** Conformance of `settle` and `pending`. */

import assert from 'node:assert/strict'
import { type Case, id, ids, rejects } from './conformance-site.ts'

export const settleCases: readonly Case[] = [
  {
    name: 'acknowledges what the consumer owns and tells which',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c')
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', [id('1-1'), id('3-1')]), ['1-1', '3-1'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), ['2-1'])
    },
  },
  {
    name: 'acknowledges nothing that another consumer owns now',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('old')
      await site.backend.claim(site.stream, 'g', 'new', { minIdleMs: 0, ids: [id('1-1')] })
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'old', [id('1-1')]), [])
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'new', [id('1-1')]), ['1-1'])
    },
  },
  {
    name: 'acknowledges an entry once',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', [id('1-1'), id('1-1')]), ['1-1'])
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', [id('1-1')]), [])
    },
  },
  {
    name: 'acknowledges an entry that was deleted from the stream',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      await site.backend.delete(site.stream, [id('1-1')])
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', [id('1-1')]), ['1-1'])
    },
  },
  {
    name: 'acknowledges nothing for IDs that were never delivered, or for none',
    run: async (site) => {
      await site.group('1-1')
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', [id('1-1'), id('7-7')]), [])
      assert.deepEqual(await site.backend.settle(site.stream, 'g', 'c', []), [])
    },
  },
  {
    name: 'acknowledges for its own group only',
    run: async (site) => {
      await site.group('1-1')
      await site.backend.createGroup(site.stream, 'other')
      await site.backend.readGroup({ group: 'other', consumer: 'c' }, new Map([[site.stream, '>']]))
      await site.deliver('c')
      await site.backend.settle(site.stream, 'g', 'c', [id('1-1')])
      assert.equal((await site.backend.pending(site.stream, 'other')).length, 1)
    },
  },
  {
    name: 'acknowledges a thousand entries in one call',
    run: async (site) => {
      await site.group()
      await Promise.all(Array.from({ length: 1000 }, () => site.backend.add(site.stream, ['a', '1'])))
      const delivered = await site.deliver('c', 1000)
      const settled = await site.backend.settle(
        site.stream,
        'g',
        'c',
        delivered.map((entry) => entry.id),
      )
      assert.equal(settled.length, 1000)
    },
  },
  {
    name: 'acknowledges nothing when one of the IDs is none, or without a group',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', site.backend.settle(site.stream, 'g', 'c', [id('1-1')]))
      await site.group('1-1')
      await site.deliver('c')
      await rejects('BAD_ID', site.backend.settle(site.stream, 'g', 'c', [id('1-1'), id('x')]))
      assert.equal((await site.backend.pending(site.stream, 'g')).length, 1)
    },
  },
  {
    name: 'lists pending entries in the order of their IDs, of all consumers',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('b', 1)
      await site.deliver('a', 1)
      await site.deliver('b', 1)
      const pending = await site.backend.pending(site.stream, 'g')
      assert.deepEqual(
        pending.map((entry) => [entry.id, entry.consumer]),
        [
          ['1-1', 'b'],
          ['2-1', 'a'],
          ['3-1', 'b'],
        ],
      )
      assert.ok(pending.every((entry) => entry.idleMs >= 0 && entry.idleMs < 10_000))
    },
  },
  {
    name: 'lists pending entries of a range, a consumer, a count',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1', '4-1')
      await site.deliver('a', 3)
      await site.deliver('b', 1)
      const pending = async (options: object): Promise<string[]> =>
        ids(await site.backend.pending(site.stream, 'g', options))
      assert.deepEqual(await pending({ from: '2-1', to: '3-1' }), ['2-1', '3-1'])
      assert.deepEqual(await pending({ from: '(2-1' }), ['3-1', '4-1'])
      assert.deepEqual(await pending({ consumer: 'b' }), ['4-1'])
      assert.deepEqual(await pending({ consumer: 'nobody' }), [])
      assert.deepEqual(await pending({ count: 2 }), ['1-1', '2-1'])
    },
  },
  {
    name: 'lists only pending entries that have been idle so long',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c')
      await site.backend.claim(site.stream, 'g', 'c', { minIdleMs: 0, ids: [id('2-1')], idleMs: 60_000, justId: true })
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g', { minIdleMs: 50_000 })), ['2-1'])
    },
  },
  {
    name: 'has nothing pending in a new group, and no answer for a missing one',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', site.backend.pending(site.stream, 'g'))
      await site.group('1-1')
      assert.deepEqual(await site.backend.pending(site.stream, 'g'), [])
      await rejects('GROUP_NOT_FOUND', site.backend.pending(site.stream, 'other'))
    },
  },
  {
    name: 'keeps entries pending that were trimmed from the stream',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c')
      await site.backend.trim(site.stream, { maxLen: 0 })
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), ['1-1', '2-1'])
    },
  },
  {
    name: 'refuses bad options of pending',
    run: async (site) => {
      await site.group('1-1')
      await rejects('BAD_ID', site.backend.pending(site.stream, 'g', { from: 'x' }))
      await rejects('BAD_ARGUMENT', site.backend.pending(site.stream, 'g', { count: 0 }))
      await rejects('BAD_ARGUMENT', site.backend.pending(site.stream, 'g', { minIdleMs: -1 }))
      await rejects('BAD_ARGUMENT', site.backend.pending(site.stream, ''))
    },
  },
  {
    name: 'neither settles nor lists what is pending on a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.settle(key, 'g', 'c', [id('1-1')]))
      await rejects('WRONG_TYPE', site.backend.pending(key, 'g'))
    },
  },
]

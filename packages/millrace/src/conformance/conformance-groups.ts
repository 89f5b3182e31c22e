/** Conformance of `createGroup`, `setGroup`, `destroyGroup` and `deleteConsumer`. */

import assert from 'node:assert/strict'
import { type Case, id, ids, LONG_MS, rejects } from './conformance-site.ts'

export const groupCases: readonly Case[] = [
  {
    name: 'creates a group at the beginning, and the stream with it',
    run: async (site) => {
      assert.equal(await site.backend.createGroup(site.stream, 'g'), true)
      await site.fill('1-1')
      assert.deepEqual(ids(await site.deliver('c')), ['1-1'])
    },
  },
  {
    name: 'leaves a group that is there as it is',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c', 1)
      assert.equal(await site.backend.createGroup(site.stream, 'g', { from: '$' }), false)
      assert.deepEqual(ids(await site.deliver('c')), ['2-1'])
    },
  },
  {
    name: 'creates a group from now on with $',
    run: async (site) => {
      await site.fill('1-1')
      await site.backend.createGroup(site.stream, 'g', { from: '$' })
      await site.fill('2-1')
      assert.deepEqual(ids(await site.deliver('c')), ['2-1'])
    },
  },
  {
    name: 'creates a group after an ID',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      await site.backend.createGroup(site.stream, 'g', { from: id('1-1') })
      assert.deepEqual(ids(await site.deliver('c')), ['2-1', '3-1'])
    },
  },
  {
    name: 'does not create a missing stream with mkStream: false',
    run: async ({ backend, stream }) => {
      await rejects('STREAM_NOT_FOUND', backend.createGroup(stream, 'g', { mkStream: false }))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'delivers to each group everything, independently',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.backend.createGroup(site.stream, 'other')
      await site.deliver('c')
      const reader = { group: 'other', consumer: 'c' }
      const result = await site.backend.readGroup(reader, new Map([[site.stream, '>']]))
      assert.deepEqual(ids(result.get(site.stream)), ['1-1', '2-1'])
    },
  },
  {
    name: 'moves a group back and forward',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c')
      await site.backend.setGroup(site.stream, 'g', id('1-1'))
      assert.deepEqual(ids(await site.deliver('c')), ['2-1', '3-1'])
      await site.backend.setGroup(site.stream, 'g', id('0-0'))
      await site.backend.setGroup(site.stream, 'g', '$')
      assert.deepEqual(ids(await site.deliver('c')), [])
    },
  },
  {
    name: 'does not move a group that is missing, nor one of a missing stream',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', site.backend.setGroup(site.stream, 'g', '$'))
      await site.fill('1-1')
      await rejects('GROUP_NOT_FOUND', site.backend.setGroup(site.stream, 'g', '$'))
    },
  },
  {
    name: 'destroys a group with what it had pending',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      assert.equal(await site.backend.destroyGroup(site.stream, 'g'), true)
      await rejects('GROUP_NOT_FOUND', site.backend.pending(site.stream, 'g'))
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['1-1'])
    },
  },
  {
    name: 'resolves false when there was no group to destroy',
    run: async (site) => {
      assert.equal(await site.backend.destroyGroup(site.stream, 'g'), false)
      await site.fill('1-1')
      assert.equal(await site.backend.destroyGroup(site.stream, 'g'), false)
    },
  },
  {
    name: 'wakes a waiting group read with an error when its group is destroyed',
    run: async (site) => {
      await site.group()
      const reader = { group: 'g', consumer: 'c' }
      const waiting = site.backend.readGroup(reader, new Map([[site.stream, '>']]), { blockMs: LONG_MS })
      const rejected = rejects('GROUP_NOT_FOUND', waiting)
      await site.untilWaiting()
      await site.backend.destroyGroup(site.stream, 'g')
      await rejected
    },
  },
  {
    name: 'deletes a consumer that owns nothing',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      await site.backend.settle(site.stream, 'g', 'c', [id('1-1')])
      assert.equal(await site.backend.deleteConsumer(site.stream, 'g', 'c'), true)
      assert.equal(await site.backend.deleteConsumer(site.stream, 'g', 'c'), false)
      assert.deepEqual((await site.backend.inspect(site.stream))?.groups[0]?.consumers, [])
    },
  },
  {
    name: 'does not delete a consumer that owns pending entries',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      await rejects('CONSUMER_BUSY', site.backend.deleteConsumer(site.stream, 'g', 'c'))
      assert.equal((await site.backend.pending(site.stream, 'g')).length, 1)
    },
  },
  {
    name: 'deletes no consumer of a missing group',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', site.backend.deleteConsumer(site.stream, 'g', 'c'))
      await site.fill('1-1')
      await rejects('GROUP_NOT_FOUND', site.backend.deleteConsumer(site.stream, 'g', 'c'))
    },
  },
  {
    name: 'takes names of groups and consumers in UTF-8',
    run: async (site) => {
      await site.fill('1-1')
      await site.backend.createGroup(site.stream, 'Gruppe ä')
      await site.backend.readGroup({ group: 'Gruppe ä', consumer: '消費者' }, new Map([[site.stream, '>']]))
      const group = (await site.backend.inspect(site.stream))?.groups[0]
      assert.equal(group?.name, 'Gruppe ä')
      assert.equal(group.consumers[0]?.name, '消費者')
    },
  },
  {
    name: 'refuses bad names and positions of groups',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ARGUMENT', backend.createGroup(stream, ''))
      await rejects('BAD_ID', backend.createGroup(stream, 'g', { from: id('x') }))
      await rejects('BAD_ID', backend.setGroup(stream, 'g', id('+')))
      await rejects('BAD_ARGUMENT', backend.deleteConsumer(stream, 'g', ''))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'makes no groups on a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.createGroup(key, 'g'))
      await rejects('WRONG_TYPE', site.backend.setGroup(key, 'g', '$'))
      await rejects('WRONG_TYPE', site.backend.destroyGroup(key, 'g'))
      await rejects('WRONG_TYPE', site.backend.deleteConsumer(key, 'g', 'c'))
    },
  },
]

/** Conformance of `inspect`. */

import assert from 'node:assert/strict'
import { type Case, id, rejects, until } from './conformance-site.ts'

export const inspectCases: readonly Case[] = [
  {
    name: 'has no picture of a missing stream',
    run: async ({ backend, stream }) => assert.equal(await backend.inspect(stream), undefined),
  },
  {
    name: 'tells length, first, last and number of entries ever added',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      await site.backend.trim(site.stream, { maxLen: 2 })
      const info = await site.backend.inspect(site.stream)
      assert.equal(info?.length, 2)
      assert.equal(info.firstId, '2-1')
      assert.equal(info.lastId, '3-1')
      assert.equal(info.entriesAdded, 3)
      assert.equal(info.maxDeletedId, '0-0')
      assert.equal(info.ttlMs, undefined)
      assert.deepEqual(info.groups, [])
    },
  },
  {
    name: 'remembers the highest deleted ID, but not a trimmed one',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      await site.backend.delete(site.stream, [id('2-1')])
      await site.backend.delete(site.stream, [id('1-1')])
      assert.equal((await site.backend.inspect(site.stream))?.maxDeletedId, '2-1')
    },
  },
  {
    name: 'has no first entry in an empty stream',
    run: async ({ backend, stream }) => {
      await backend.createGroup(stream, 'g')
      const info = await backend.inspect(stream)
      assert.equal(info?.firstId, undefined)
      assert.equal(info?.lastId, '0-0')
      assert.equal(info?.length, 0)
    },
  },
  {
    name: 'tells memory that grows with the entries',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'])
      const before = (await backend.inspect(stream))?.memoryBytes ?? 0
      assert.ok(before > 0)
      for (let i = 0; i < 10; i++) await backend.add(stream, ['a', 'x'.repeat(10_000)])
      assert.ok(((await backend.inspect(stream))?.memoryBytes ?? 0) > before + 50_000)
    },
  },
  {
    name: 'tells the memory of all data, which is no less than the stream has bytes',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', 'x'.repeat(50_000)])
      const info = await backend.inspect(stream)
      assert.ok(info?.backendMemoryBytes === undefined || info.backendMemoryBytes > 50_000)
    },
  },
  {
    name: 'tells where a group stands: delivered, pending, lag',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c', 2)
      const group = (await site.backend.inspect(site.stream))?.groups[0]
      assert.equal(group?.name, 'g')
      assert.equal(group.lastDeliveredId, '2-1')
      assert.equal(group.entriesRead, 2)
      assert.equal(group.lag, 1)
      assert.equal(group.pending, 2)
    },
  },
  {
    name: 'tells a lag of zero for a group that has read everything',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c')
      assert.equal((await site.backend.inspect(site.stream))?.groups[0]?.lag, 0)
    },
  },
  {
    name: 'cannot tell the lag while a deleted entry lies ahead of the group',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c', 1)
      await site.backend.delete(site.stream, [id('2-1')])
      assert.equal((await site.backend.inspect(site.stream))?.groups[0]?.lag, undefined)
    },
  },
  {
    name: 'tells the lag again once the group has read past a deleted entry',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c', 1)
      await site.backend.delete(site.stream, [id('2-1')])
      await site.deliver('c')
      assert.equal((await site.backend.inspect(site.stream))?.groups[0]?.lag, 0)
    },
  },
  {
    name: 'counts the lag of a group from the middle as unknown until it has caught up',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      await site.backend.createGroup(site.stream, 'g', { from: id('2-1') })
      const group = (await site.backend.inspect(site.stream))?.groups[0]
      assert.equal(group?.entriesRead, undefined)
      assert.equal(group?.lag, undefined)
      await site.deliver('c')
      assert.equal((await site.backend.inspect(site.stream))?.groups[0]?.lag, 0)
    },
  },
  {
    name: 'lists consumers with what they own and since when they were quiet',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('one', 2)
      await until('the first consumer to be quiet for a moment', async () => {
        const [one] = (await site.backend.inspect(site.stream))?.groups[0]?.consumers ?? []
        return one !== undefined && one.idleMs >= 5
      })
      await site.deliver('two', 1)
      const consumers = (await site.backend.inspect(site.stream))?.groups[0]?.consumers
      assert.deepEqual(
        consumers?.map(({ name, pending }) => [name, pending]),
        [
          ['one', 2],
          ['two', 1],
        ],
      )
      assert.ok(consumers.every(({ idleMs }) => idleMs >= 0 && idleMs < 10_000))
    },
  },
  {
    name: 'lists groups and consumers by name, in the order of their bytes',
    run: async (site) => {
      await site.fill('1-1')
      for (const name of ['é', 'b', 'B', 'a']) await site.backend.createGroup(site.stream, name)
      const names = (await site.backend.inspect(site.stream))?.groups.map((group) => group.name)
      assert.deepEqual(names, ['B', 'a', 'b', 'é'])
    },
  },
  {
    name: 'does not inspect a key that is no stream',
    needsForeignKey: true,
    run: async (site) => await rejects('WRONG_TYPE', site.backend.inspect(await site.foreignKey())),
  },
]

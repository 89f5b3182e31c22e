/** Conformance of `close`, and of what a backend says about itself. */

import assert from 'node:assert/strict'
import { type Case, id, LONG_MS, rejects } from './conformance-site.ts'

export const closeCases: readonly Case[] = [
  {
    name: 'says what it is',
    run: async ({ backend }) => {
      assert.ok(backend.label.length > 0)
      assert.ok(['embedded', 'redis', 'cluster'].includes(backend.kind))
    },
  },
  {
    name: 'rejects every verb once it is closed',
    run: async ({ create, stream }) => {
      const backend = await create()
      await backend.close()
      await rejects('CLOSED', backend.add(stream, ['a', '1']))
      await rejects('CLOSED', backend.addMany(stream, [['a', '1']]))
      await rejects('CLOSED', backend.addMany(stream, []))
      await rejects('CLOSED', backend.range(stream))
      await rejects('CLOSED', backend.read(new Map([[stream, id('0-0')]])))
      await rejects('CLOSED', backend.trim(stream, { maxLen: 1 }))
      await rejects('CLOSED', backend.delete(stream, [id('1-1')]))
      await rejects('CLOSED', backend.expire(stream, 1))
      await rejects('CLOSED', backend.inspect(stream))
    },
  },
  {
    name: 'rejects every verb about groups once it is closed',
    run: async ({ create, stream }) => {
      const backend = await create()
      await backend.close()
      await rejects('CLOSED', backend.createGroup(stream, 'g'))
      await rejects('CLOSED', backend.setGroup(stream, 'g', '$'))
      await rejects('CLOSED', backend.destroyGroup(stream, 'g'))
      await rejects('CLOSED', backend.deleteConsumer(stream, 'g', 'c'))
      await rejects('CLOSED', backend.readGroup({ group: 'g', consumer: 'c' }, new Map([[stream, '>']])))
      await rejects('CLOSED', backend.settle(stream, 'g', 'c', [id('1-1')]))
      await rejects('CLOSED', backend.claim(stream, 'g', 'c', { minIdleMs: 0 }))
      await rejects('CLOSED', backend.pending(stream, 'g'))
    },
  },
  {
    name: 'ends waiting reads when it is closed',
    run: async (site) => {
      const { stream } = site
      const backend = await site.create()
      await backend.createGroup(stream, 'g')
      const read = backend.read(new Map([[stream, id('0-0')]]), { blockMs: LONG_MS })
      const reader = { group: 'g', consumer: 'c' }
      const group = backend.readGroup(reader, new Map([[stream, '>']]), { blockMs: LONG_MS })
      const rejected = [rejects('CLOSED', read), rejects('CLOSED', group)]
      await site.untilWaiting(2)
      await backend.close()
      await Promise.all(rejected)
    },
  },
  {
    name: 'answers what was asked before it is closed',
    run: async ({ create, stream }) => {
      const backend = await create()
      const adding = Array.from({ length: 50 }, () => backend.add(stream, ['a', '1']))
      await backend.close()
      const results = await Promise.allSettled(adding)
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 50)
    },
  },
  {
    name: 'closes as often as it is told to',
    run: async ({ create }) => {
      const backend = await create()
      await Promise.all([backend.close(), backend.close()])
      await backend.close()
    },
  },
]

/** Conformance of `readGroup`. */

import assert from 'node:assert/strict'
import type { DeliveredEntry, GroupReadOptions, ReadResult } from '../backend.ts'
import { type Case, found, id, ids, isPending, LONG_MS, rejects, type Site, texts } from './conformance-site.ts'

async function wait(site: Site, consumer: string, options: GroupReadOptions = {}): Promise<ReadResult<DeliveredEntry>> {
  const positions = new Map([[site.stream, '>' as const]])
  return await site.backend.readGroup({ group: 'g', consumer }, positions, { blockMs: LONG_MS, ...options })
}

export const readGroupCases: readonly Case[] = [
  {
    name: 'gives each entry to one consumer of a group',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      assert.deepEqual(ids(await site.deliver('one', 2)), ['1-1', '2-1'])
      assert.deepEqual(ids(await site.deliver('two', 2)), ['3-1'])
      assert.deepEqual(ids(await site.deliver('one')), [])
    },
  },
  {
    name: 'delivers the fields of an entry',
    run: async (site) => {
      await site.group('1-1')
      assert.deepEqual(texts((await site.deliver('c'))[0]?.fields), ['n', '1-1'])
    },
  },
  {
    name: 'makes a delivered entry pending, once delivered',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      const [pending] = await site.backend.pending(site.stream, 'g')
      assert.deepEqual([pending?.id, pending?.consumer, pending?.deliveries], ['1-1', 'c', 1])
    },
  },
  {
    name: 'delivers without making pending with noAck',
    run: async (site) => {
      await site.group('1-1')
      const reader = { group: 'g', consumer: 'c' }
      await site.backend.readGroup(reader, new Map([[site.stream, '>']]), { noAck: true })
      assert.deepEqual(await site.backend.pending(site.stream, 'g'), [])
      assert.deepEqual(ids(await site.deliver('c')), [])
    },
  },
  {
    name: 'reads at most 100 entries without a count',
    run: async (site) => {
      await site.group()
      await Promise.all(Array.from({ length: 110 }, () => site.backend.add(site.stream, ['a', '1'])))
      const result = await site.backend.readGroup({ group: 'g', consumer: 'c' }, new Map([[site.stream, '>']]))
      assert.equal(result.get(site.stream)?.length, 100)
    },
  },
  {
    name: 'reads its own pending entries after an ID, and raises their delivery counts',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('c', 2)
      await site.deliver('other')
      assert.deepEqual(ids(await site.deliver('c', 100, id('0-0'))), ['1-1', '2-1'])
      assert.deepEqual(ids(await site.deliver('c', 100, id('1-1'))), ['2-1'])
      const pending = await site.backend.pending(site.stream, 'g', { consumer: 'c' })
      assert.deepEqual(
        pending.map((entry) => entry.deliveries),
        [2, 3],
      )
    },
  },
  {
    name: 'never waits for its own pending entries',
    run: async (site) => {
      await site.group('1-1')
      const reader = { group: 'g', consumer: 'c' }
      const result = await site.backend.readGroup(reader, new Map([[site.stream, id('0-0')]]), { blockMs: LONG_MS })
      assert.equal(result.size, 0)
    },
  },
  {
    name: 'shows a pending entry that was deleted without fields',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      await site.backend.delete(site.stream, [id('1-1')])
      const [entry] = await site.deliver('c', 100, id('0-0'))
      assert.equal(entry?.id, '1-1')
      assert.equal(entry.fields, undefined)
    },
  },
  {
    name: 'reads many streams of one group at once',
    run: async (site) => {
      const names = [site.name(), site.name(), site.name()]
      for (const name of names) await site.backend.createGroup(name, 'g')
      await site.backend.add(names[0]!, ['a', '1'], { id: '1-1' })
      await site.backend.add(names[2]!, ['a', '1'], { id: '3-1' })
      const positions = new Map(names.map((name) => [name, '>' as const]))
      const result = await site.backend.readGroup({ group: 'g', consumer: 'c' }, positions, { blockMs: LONG_MS })
      assert.deepEqual(found(result), { [names[0]!]: ['1-1'], [names[2]!]: ['3-1'] })
    },
  },
  {
    name: 'wakes a waiting consumer when an entry is added',
    run: async (site) => {
      await site.group()
      const waiting = wait(site, 'c')
      await site.untilWaiting()
      await site.fill('1-1')
      assert.deepEqual(found(await waiting), { [site.stream]: ['1-1'] })
    },
  },
  {
    name: 'waits on many streams of one group, and loses nothing of any',
    run: async (site) => {
      const names = [site.name(), site.name(), site.name()]
      for (const name of names) await site.backend.createGroup(name, 'g')
      const positions = new Map(names.map((name) => [name, '>' as const]))
      const reading = site.backend.readGroup({ group: 'g', consumer: 'c' }, positions, { blockMs: LONG_MS })
      await site.untilWaiting()
      await Promise.all(names.map((name) => site.backend.add(name, ['a', '1'], { id: '1-1' })))
      const seen = new Set((await reading).keys())
      while (seen.size < 3) {
        const more = await site.backend.readGroup({ group: 'g', consumer: 'c' }, positions, { blockMs: LONG_MS })
        assert.notEqual(more.size, 0, 'an entry was delivered and not returned')
        for (const name of more.keys()) seen.add(name)
      }
    },
  },
  {
    name: 'serves waiting consumers first come first served',
    run: async (site) => {
      await site.group()
      const order: string[] = []
      const waiting = []
      for (const consumer of ['third', 'first', 'second']) {
        waiting.push(wait(site, consumer, { count: 1 }).then(() => order.push(consumer)))
        await site.untilWaiting(waiting.length)
      }
      for (let i = 1; i <= 3; i++) {
        await site.fill(`${i}-1`)
        await waiting[i - 1]
      }
      assert.deepEqual(order, ['third', 'first', 'second'])
    },
  },
  {
    name: 'gives an entry to one of the waiting consumers only',
    run: async (site) => {
      await site.group()
      const one = wait(site, 'one')
      await site.untilWaiting()
      const two = wait(site, 'two')
      await site.untilWaiting(2)
      await site.fill('1-1')
      assert.deepEqual(found(await one), { [site.stream]: ['1-1'] })
      assert.ok(await isPending(two))
      await site.fill('2-1')
      assert.deepEqual(found(await two), { [site.stream]: ['2-1'] })
    },
  },
  {
    name: 'resolves an empty result when the time of a group read is over',
    run: async (site) => {
      await site.group()
      assert.equal((await wait(site, 'c', { blockMs: 50 })).size, 0)
    },
  },
  {
    name: 'ends a waiting group read when its signal aborts, and delivers nothing to it',
    run: async (site) => {
      await site.group()
      const controller = new AbortController()
      const waiting = wait(site, 'c', { signal: controller.signal })
      await site.untilWaiting()
      const started = performance.now()
      controller.abort(new Error('enough'))
      await assert.rejects(waiting, /enough/)
      assert.ok(performance.now() - started < 1000)
      await site.fill('1-1')
      assert.deepEqual(await site.backend.pending(site.stream, 'g'), [])
    },
  },
  {
    name: 'returns what was delivered when the signal aborts at the same moment',
    run: async (site) => {
      await site.group()
      const seen: string[] = []
      for (let i = 1; i <= 30; i++) {
        const controller = new AbortController()
        const waiting = wait(site, 'c', { signal: controller.signal })
        const adding = site.fill(`${i}-1`)
        if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
        controller.abort(new Error('enough'))
        seen.push(
          ...(await waiting.then(
            (result) => ids(result.get(site.stream)),
            () => [],
          )),
        )
        await adding
      }
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), seen)
    },
  },
  {
    name: 'rejects with the reason when the signal of a group read was aborted before',
    run: async (site) => {
      await site.group('1-1')
      await assert.rejects(wait(site, 'c', { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
      assert.deepEqual(await site.backend.pending(site.stream, 'g'), [])
    },
  },
  {
    name: 'shares a thousand entries between four consumers, each entry once',
    run: async (site) => {
      await site.group()
      const adding = Promise.all(Array.from({ length: 1000 }, () => site.backend.add(site.stream, ['a', '1'])))
      const seen: string[] = []
      const consume = async (consumer: string): Promise<void> => {
        while (seen.length < 1000) {
          const result = await wait(site, consumer, { count: 16, blockMs: 100 })
          seen.push(...ids(result.get(site.stream)))
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map(consume))
      await adding
      assert.equal(seen.length, 1000)
      assert.equal(new Set(seen).size, 1000)
    },
  },
  {
    name: 'does not read for a missing group',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', site.deliver('c'))
      await site.fill('1-1')
      await rejects('GROUP_NOT_FOUND', site.deliver('c'))
      await rejects('GROUP_NOT_FOUND', wait(site, 'c'))
    },
  },
  {
    name: 'refuses bad names, positions and waits of a group read',
    run: async ({ backend, stream }) => {
      const reader = { group: 'g', consumer: 'c' }
      await rejects('BAD_ARGUMENT', backend.readGroup({ group: '', consumer: 'c' }, new Map([[stream, '>']])))
      await rejects('BAD_ARGUMENT', backend.readGroup({ group: 'g', consumer: '' }, new Map([[stream, '>']])))
      await rejects('BAD_ARGUMENT', backend.readGroup(reader, new Map()))
      await rejects('BAD_ID', backend.readGroup(reader, new Map([[stream, id('$')]])))
      await rejects('BAD_ARGUMENT', backend.readGroup(reader, new Map([[stream, '>']]), { blockMs: 0 }))
      await rejects('BAD_ARGUMENT', backend.readGroup(reader, new Map([[stream, '>']]), { count: -1 }))
    },
  },
  {
    name: 'does not read a key that is no stream for a group',
    needsForeignKey: true,
    run: async (site) => {
      const positions = new Map([[await site.foreignKey(), '>' as const]])
      await rejects('WRONG_TYPE', site.backend.readGroup({ group: 'g', consumer: 'c' }, positions))
    },
  },
]

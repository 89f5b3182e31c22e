/** Conformance of `claim`. */

import assert from 'node:assert/strict'
import type { ClaimOptions, ClaimResult } from '../backend.ts'
import { type Case, id, ids, rejects, type Site, texts } from './conformance-site.ts'

async function claim(site: Site, consumer: string, options: Partial<ClaimOptions>): Promise<ClaimResult> {
  return await site.backend.claim(site.stream, 'g', consumer, { minIdleMs: 0, ...options })
}

/** Three entries delivered to `old`, of which the middle one has been idle for a minute. */
async function threeDelivered(site: Site): Promise<void> {
  await site.group('1-1', '2-1', '3-1')
  await site.deliver('old')
  await claim(site, 'old', { ids: [id('2-1')], idleMs: 60_000, justId: true })
}

export const claimCases: readonly Case[] = [
  {
    name: 'takes given entries over, with their fields and one more delivery',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'new', { ids: [id('1-1'), id('3-1')] })
      assert.deepEqual(ids(result.entries), ['1-1', '3-1'])
      assert.deepEqual(texts(result.entries[0]?.fields), ['n', '1-1'])
      assert.deepEqual(
        result.entries.map((entry) => entry.deliveries),
        [2, 2],
      )
      assert.deepEqual([result.deleted, result.next], [[], '0-0'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g', { consumer: 'new' })), ['1-1', '3-1'])
    },
  },
  {
    name: 'takes only entries that have been idle so long',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'new', { minIdleMs: 50_000, ids: [id('1-1'), id('2-1')] })
      assert.deepEqual(ids(result.entries), ['2-1'])
    },
  },
  {
    name: 'takes nothing that is not pending',
    run: async (site) => {
      await site.group('1-1')
      assert.deepEqual((await claim(site, 'new', { ids: [id('1-1'), id('9-9')] })).entries, [])
      assert.deepEqual((await claim(site, 'new', { ids: [] })).entries, [])
      assert.deepEqual(await site.backend.pending(site.stream, 'g'), [])
    },
  },
  {
    name: 'neither fetches fields nor counts a delivery with justId',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'new', { ids: [id('1-1')], justId: true })
      assert.deepEqual(result.entries, [{ id: '1-1', fields: undefined, deliveries: 1 }])
      assert.equal((await site.backend.pending(site.stream, 'g'))[0]?.deliveries, 1)
    },
  },
  {
    name: 'begins the idle time anew',
    run: async (site) => {
      await threeDelivered(site)
      await claim(site, 'new', { ids: [id('2-1')] })
      const idleMs = (await site.backend.pending(site.stream, 'g', { consumer: 'new' }))[0]?.idleMs ?? -1
      assert.ok(idleMs >= 0 && idleMs < 10_000, `idleMs is ${idleMs}`)
    },
  },
  {
    name: 'sets the idle time, so that an entry can be handed back at once',
    run: async (site) => {
      await threeDelivered(site)
      await claim(site, 'old', { ids: [id('1-1')], idleMs: 3_600_000, justId: true, ifOwner: 'old' })
      assert.deepEqual(ids((await claim(site, 'new', { minIdleMs: 3_000_000 })).entries), ['1-1'])
    },
  },
  {
    name: 'renews a lease of its own with ifOwner',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'old', { ids: [id('1-1'), id('2-1')], ifOwner: 'old', justId: true })
      assert.deepEqual(ids(result.entries), ['1-1', '2-1'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g', { minIdleMs: 50_000 })), [])
    },
  },
  {
    name: 'does not steal back with ifOwner what another consumer owns now',
    run: async (site) => {
      await threeDelivered(site)
      await claim(site, 'new', { ids: [id('1-1')] })
      const result = await claim(site, 'old', { ids: [id('1-1'), id('2-1')], ifOwner: 'old', justId: true })
      assert.deepEqual(ids(result.entries), ['2-1'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g', { consumer: 'new' })), ['1-1'])
    },
  },
  {
    name: 'takes from the named owner only with ifOwner',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('a', 1)
      await site.deliver('b', 1)
      const result = await claim(site, 'new', { ids: [id('1-1'), id('2-1')], ifOwner: 'b' })
      assert.deepEqual(ids(result.entries), ['2-1'])
    },
  },
  {
    name: 'reports given entries that are gone from the stream, and they are pending no more',
    run: async (site) => {
      await threeDelivered(site)
      await site.backend.delete(site.stream, [id('2-1')])
      const result = await claim(site, 'new', { ids: [id('1-1'), id('2-1')] })
      assert.deepEqual(ids(result.entries), ['1-1'])
      assert.deepEqual(result.deleted, ['2-1'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), ['1-1', '3-1'])
    },
  },
  {
    name: 'drops what the stream has lost, however short it was idle',
    run: async (site) => {
      await threeDelivered(site)
      await site.backend.delete(site.stream, [id('1-1')])
      const result = await claim(site, 'new', { minIdleMs: 10_000_000, ids: [id('1-1'), id('3-1')] })
      assert.deepEqual([result.entries, [...result.deleted]], [[], ['1-1']])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), ['2-1', '3-1'])
    },
  },
  {
    name: 'scans for idle entries of every consumer',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1')
      await site.deliver('a', 1)
      await site.deliver('b', 1)
      await site.deliver('new', 1)
      const result = await claim(site, 'new', {})
      assert.deepEqual(ids(result.entries), ['1-1', '2-1', '3-1'])
      assert.deepEqual(
        result.entries.map((entry) => entry.deliveries),
        [2, 2, 2],
      )
      assert.equal(result.next, '0-0')
    },
  },
  {
    name: 'scans only for what has been idle so long',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'new', { minIdleMs: 50_000 })
      assert.deepEqual(ids(result.entries), ['2-1'])
      assert.deepEqual(texts(result.entries[0]?.fields), ['n', '2-1'])
    },
  },
  {
    name: 'scans in portions and tells where the next begins',
    run: async (site) => {
      await site.group('1-1', '2-1', '3-1', '4-1', '5-1')
      await site.deliver('old')
      const first = await claim(site, 'new', { count: 2 })
      assert.deepEqual(ids(first.entries), ['1-1', '2-1'])
      const second = await claim(site, 'new', { count: 10, from: first.next })
      assert.deepEqual(ids(second.entries), ['3-1', '4-1', '5-1'])
      assert.equal(second.next, '0-0')
    },
  },
  {
    name: 'reports scanned entries that are gone from the stream',
    run: async (site) => {
      await threeDelivered(site)
      await site.backend.delete(site.stream, [id('1-1'), id('3-1')])
      const result = await claim(site, 'new', {})
      assert.deepEqual(ids(result.entries), ['2-1'])
      assert.deepEqual([...result.deleted], ['1-1', '3-1'])
      assert.deepEqual(ids(await site.backend.pending(site.stream, 'g')), ['2-1'])
    },
  },
  {
    name: 'scans without fields and counts no delivery with justId',
    run: async (site) => {
      await threeDelivered(site)
      const result = await claim(site, 'new', { justId: true })
      assert.deepEqual(ids(result.entries), ['1-1', '2-1', '3-1'])
      assert.ok(result.entries.every((entry) => entry.fields === undefined && entry.deliveries === 1))
    },
  },
  {
    name: 'counts deliveries up with every claim',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('old')
      for (let times = 2; times <= 5; times++) {
        assert.equal((await claim(site, `c${times}`, {})).entries[0]?.deliveries, times)
      }
    },
  },
  {
    name: 'lets one of two consumers that scan at once have an entry',
    run: async (site) => {
      await threeDelivered(site)
      const scans = await Promise.all(['x', 'y', 'z'].map((one) => claim(site, one, { minIdleMs: 50_000 })))
      assert.deepEqual(
        scans.flatMap((scan) => ids(scan.entries)),
        ['2-1'],
      )
    },
  },
  {
    name: 'claims nothing in a missing group',
    run: async (site) => {
      await rejects('GROUP_NOT_FOUND', claim(site, 'c', {}))
      await rejects('GROUP_NOT_FOUND', claim(site, 'c', { ids: [id('1-1')] }))
      await site.fill('1-1')
      await rejects('GROUP_NOT_FOUND', claim(site, 'c', {}))
      await rejects('GROUP_NOT_FOUND', claim(site, 'c', { ids: [id('1-1')] }))
    },
  },
  {
    name: 'refuses bad options of claim',
    run: async (site) => {
      await site.group('1-1')
      await rejects('BAD_ARGUMENT', claim(site, 'c', { minIdleMs: -1 }))
      await rejects('BAD_ARGUMENT', claim(site, 'c', { count: 0 }))
      await rejects('BAD_ARGUMENT', claim(site, '', {}))
      await rejects('BAD_ARGUMENT', claim(site, 'c', { ifOwner: 'c' }))
      await rejects('BAD_ARGUMENT', claim(site, 'c', { idleMs: 5 }))
      await rejects('BAD_ARGUMENT', claim(site, 'c', { ids: [id('1-1')], count: 5 }))
      await rejects('BAD_ID', claim(site, 'c', { ids: [id('x')] }))
      await rejects('BAD_ID', claim(site, 'c', { from: id('x') }))
    },
  },
  {
    name: 'claims nothing on a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.claim(key, 'g', 'c', { minIdleMs: 0 }))
      await rejects('WRONG_TYPE', site.backend.claim(key, 'g', 'c', { minIdleMs: 0, ids: [id('1-1')] }))
    },
  },
  {
    name: 'gives an entry back as if it had not been delivered',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c')
      await claim(site, 'c', { ids: [id('1-1')] })
      const back = { ids: [id('1-1'), id('2-1'), id('9-9')], ifOwner: 'c', justId: true, idleMs: 60_000, uncount: true }
      const { entries } = await claim(site, 'c', back)
      assert.deepEqual(
        entries.map((entry) => [entry.id, entry.deliveries]),
        [
          ['1-1', 1],
          ['2-1', 0],
        ],
      )
      const pending = await site.backend.pending(site.stream, 'g', { minIdleMs: 50_000 })
      assert.deepEqual(
        pending.map((entry) => [entry.id, entry.deliveries]),
        [
          ['1-1', 1],
          ['2-1', 0],
        ],
      )
      assert.deepEqual((await claim(site, 'c', { ...back, ifOwner: 'other' })).entries, [])
      assert.equal((await claim(site, 'c', { ...back, ids: [id('2-1')] })).entries[0]?.deliveries, 0)
      const taken = await claim(site, 'next', { minIdleMs: 30_000 })
      assert.deepEqual(
        taken.entries.map((entry) => entry.deliveries),
        [2, 1],
      )
      await rejects('BAD_ARGUMENT', claim(site, 'c', { uncount: true }))
      await rejects('BAD_ARGUMENT', claim(site, 'c', { ids: [id('1-1')], uncount: true }))
    },
  },
]

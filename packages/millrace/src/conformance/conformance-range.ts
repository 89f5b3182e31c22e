/** Conformance of `range`. */

import assert from 'node:assert/strict'
import { type Case, ids, MAX, rejects, texts } from './conformance-site.ts'

export const rangeCases: readonly Case[] = [
  {
    name: 'reads everything from the oldest to the newest',
    run: async (site) => {
      await site.fill('1-1', '1-2', '2-1')
      const entries = await site.backend.range(site.stream)
      assert.deepEqual(ids(entries), ['1-1', '1-2', '2-1'])
      assert.deepEqual(texts(entries[2]?.fields), ['n', '2-1'])
    },
  },
  {
    name: 'finds nothing in a missing stream',
    run: async ({ backend, stream }) => assert.deepEqual(await backend.range(stream), []),
  },
  {
    name: 'reads backwards with reverse, the lower end still in from',
    run: async (site) => {
      await site.fill('1-1', '1-2', '2-1', '3-1')
      const entries = await site.backend.range(site.stream, { from: '1-2', to: '2-1', reverse: true })
      assert.deepEqual(ids(entries), ['2-1', '1-2'])
    },
  },
  {
    name: 'includes both ends',
    run: async (site) => {
      await site.fill('1-1', '1-2', '2-1')
      assert.deepEqual(ids(await site.backend.range(site.stream, { from: '1-2', to: '2-1' })), ['1-2', '2-1'])
    },
  },
  {
    name: 'leaves out an end in parentheses',
    run: async (site) => {
      await site.fill('1-1', '1-2', '2-1', '3-1')
      assert.deepEqual(ids(await site.backend.range(site.stream, { from: '(1-1', to: '(3-1' })), ['1-2', '2-1'])
    },
  },
  {
    name: 'takes bare milliseconds for the whole millisecond',
    run: async (site) => {
      await site.fill('1-5', '2-1', `2-${MAX}`, '3-0')
      assert.deepEqual(ids(await site.backend.range(site.stream, { from: '2', to: '2' })), ['2-1', `2-${MAX}`])
    },
  },
  {
    name: 'reads at most count entries, from the end it begins at',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      assert.deepEqual(ids(await site.backend.range(site.stream, { count: 2 })), ['1-1', '2-1'])
      assert.deepEqual(ids(await site.backend.range(site.stream, { count: 2, reverse: true })), ['3-1', '2-1'])
    },
  },
  {
    name: 'reads page by page with an exclusive start, nothing twice, nothing missing',
    run: async (site) => {
      const all = Array.from({ length: 25 }, (_, i) => `1-${i + 1}`)
      await site.fill(...all)
      const pages: string[] = []
      for (let from = '-'; ; from = `(${pages.at(-1)}`) {
        const page = await site.backend.range(site.stream, { from, count: 10 })
        if (page.length === 0) break
        pages.push(...ids(page))
      }
      assert.deepEqual(pages, all)
    },
  },
  {
    name: 'finds nothing between ends that have crossed',
    run: async (site) => {
      await site.fill('1-1', '2-1')
      assert.deepEqual(await site.backend.range(site.stream, { from: '2-1', to: '1-1' }), [])
    },
  },
  {
    name: 'reads at the 64-bit edge, and finds nothing beyond it',
    run: async (site) => {
      await site.fill('0-1', `${MAX}-${MAX}`)
      assert.deepEqual(ids(await site.backend.range(site.stream, { from: `${MAX}-${MAX}` })), [`${MAX}-${MAX}`])
      assert.deepEqual(await site.backend.range(site.stream, { from: `(${MAX}-${MAX}` }), [])
      assert.deepEqual(await site.backend.range(site.stream, { to: '(0-0' }), [])
    },
  },
  {
    name: 'does not show deleted entries',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      await site.backend.delete(site.stream, ['2-1' as never])
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['1-1', '3-1'])
    },
  },
  {
    name: 'refuses bad bounds and counts',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ID', backend.range(stream, { from: 'x' }))
      await rejects('BAD_ID', backend.range(stream, { to: '1-' }))
      await rejects('BAD_ID', backend.range(stream, { from: '(' }))
      await rejects('BAD_ID', backend.range(stream, { from: '(-' }))
      await rejects('BAD_ARGUMENT', backend.range(stream, { count: 0 }))
      await rejects('BAD_ARGUMENT', backend.range(stream, { count: 1.5 }))
    },
  },
  {
    name: 'does not range over a key that is no stream',
    needsForeignKey: true,
    run: async (site) => await rejects('WRONG_TYPE', site.backend.range(await site.foreignKey())),
  },
]

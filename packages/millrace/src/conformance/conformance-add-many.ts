/** Conformance of `addMany`. */

import assert from 'node:assert/strict'
import type { FieldValue } from '../backend.ts'
import { type Case, id, ids, LONG_MS, rejects, texts } from './conformance-site.ts'

const MANY = 2500

function numbered(count: number): string[][] {
  return Array.from({ length: count }, (_, i) => ['n', String(i)])
}

export const addManyCases: readonly Case[] = [
  {
    name: 'appends many in their order, and resolves their IDs',
    run: async ({ backend, stream }) => {
      const before = await backend.add(stream, ['n', 'before'])
      const added = await backend.addMany(stream, numbered(MANY))
      const after = await backend.add(stream, ['n', 'after'])
      const entries = await backend.range(stream)
      assert.deepEqual(ids(entries), [before, ...added, after])
      assert.equal(new Set(added).size, MANY)
      const numbers = entries.slice(1, -1).map(({ fields }) => Buffer.from(fields[1]!).toString())
      assert.deepEqual(
        numbers,
        numbered(MANY).map((fields) => fields[1]),
      )
    },
  },
  {
    name: 'goes on above a last ID that is ahead of the clock with each of many',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '9999999999999-7' })
      const wanted = ['9999999999999-8', '9999999999999-9', '9999999999999-10']
      assert.deepEqual(await backend.addMany(stream, numbered(3)), wanted)
    },
  },
  {
    name: 'keeps the names and values of each of many as they came',
    run: async ({ backend, stream }) => {
      const name = new Uint8Array(Buffer.from('xnamex')).subarray(1, 5)
      const entries: FieldValue[][] = [
        ['a', '1'],
        ['a', '2', 'a', '3'],
        ['größe', '日本語'],
        ['a', '🚀', 'b', ''],
        [name, 'text', '', new Uint8Array()],
        [name, new Uint8Array(Buffer.from('bytes'))],
        ['text', name],
        ['a', 'x'.repeat(1_000_000)],
        ['a', '4'],
      ]
      await backend.addMany(stream, entries)
      assert.deepEqual(
        (await backend.range(stream)).map(({ fields }) => texts(fields)),
        entries.map((fields) =>
          fields.map((value) => (typeof value === 'string' ? value : Buffer.from(value).toString())),
        ),
      )
    },
  },
  {
    name: 'keeps every byte of the values of many',
    run: async ({ backend, stream }) => {
      const values = Array.from({ length: 256 }, (_, i) => Uint8Array.of(i, 255 - i, 0))
      await backend.addMany(
        stream,
        values.map((value) => ['a', value]),
      )
      assert.deepEqual(
        (await backend.range(stream)).map(({ fields }) => [...fields[1]!]),
        values.map((value) => [...value]),
      )
    },
  },
  {
    name: 'trims with each of many',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['n', 'before'])
      const added = await backend.addMany(stream, numbered(5), { trim: { maxLen: 2 } })
      assert.deepEqual(ids(await backend.range(stream)), added.slice(3))
      assert.equal(added.length, 5)
    },
  },
  {
    name: 'sets the time to live with many',
    run: async ({ backend, stream }) => {
      await backend.addMany(stream, numbered(3), { expireMs: 60_000 })
      const ttlMs = (await backend.inspect(stream))?.ttlMs ?? 0
      assert.ok(ttlMs > 50_000 && ttlMs <= 60_000, `ttlMs is ${ttlMs}`)
      await backend.addMany(stream, numbered(3))
      assert.ok(((await backend.inspect(stream))?.ttlMs ?? 0) > 50_000)
    },
  },
  {
    name: 'appends nothing, and creates no stream, when many are none',
    run: async ({ backend, stream }) => {
      assert.deepEqual(await backend.addMany(stream, []), [])
      assert.deepEqual(await backend.addMany(stream, [], { expireMs: 5, trim: { maxLen: 1 } }), [])
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'refuses a bad entry among many before any is appended',
    run: async ({ backend, stream }) => {
      const bad = [[], ['a'], ['a', 5 as unknown as string], 'ab' as unknown as string[]]
      for (const fields of bad) {
        await rejects('BAD_ARGUMENT', backend.addMany(stream, [['a', '1'], fields, ['a', '2']]))
      }
      await rejects('BAD_ARGUMENT', backend.addMany(stream, { length: 1 } as unknown as string[][]))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'refuses bad options of addMany',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ARGUMENT', backend.addMany('', numbered(1)))
      await rejects('BAD_ARGUMENT', backend.addMany(stream, numbered(1), { expireMs: 0 }))
      await rejects('BAD_ARGUMENT', backend.addMany(stream, numbered(1), { trim: {} }))
      await rejects('BAD_ID', backend.addMany(stream, numbered(1), { trim: { minId: id('x') } }))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'rejects with what befell the first of many that found no ID',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '18446744073709551615-18446744073709551614' })
      await rejects('IDS_EXHAUSTED', backend.addMany(stream, numbered(3)))
      assert.equal((await backend.range(stream)).length, 2)
    },
  },
  {
    name: 'wakes a waiting read with many',
    run: async (site) => {
      const { backend, stream } = site
      const read = backend.read(new Map([[stream, id('0-0')]]), { blockMs: LONG_MS })
      await site.untilWaiting()
      const added = await backend.addMany(stream, numbered(3))
      // A server serves it between two commands, so with one entry or more.
      const found = ids((await read).get(stream))
      assert.ok(found.length > 0)
      assert.deepEqual(found, added.slice(0, found.length))
    },
  },
  {
    name: 'does not add many to a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.addMany(key, numbered(2)))
      await rejects('WRONG_TYPE', site.backend.addMany(key, numbered(2), { expireMs: 5 }))
    },
  },
]

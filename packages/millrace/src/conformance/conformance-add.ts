/** Conformance of `add`. */

import assert from 'node:assert/strict'
import { type Case, id, ids, MAX, rejects, texts, until } from './conformance-site.ts'

export const addCases: readonly Case[] = [
  {
    name: 'gives a new entry an ID made of the clock and a sequence number',
    run: async ({ backend, stream }) => {
      const before = Date.now()
      const [ms, seq] = String(await backend.add(stream, ['a', '1'])).split('-')
      assert.ok(Number(ms) >= before - 60_000 && Number(ms) <= Date.now() + 60_000)
      assert.equal(seq, '0')
    },
  },
  {
    name: 'gives IDs that strictly increase, also many within one millisecond',
    run: async ({ backend, stream }) => {
      const added = await Promise.all(Array.from({ length: 100 }, () => backend.add(stream, ['a', '1'])))
      assert.equal(new Set(added).size, 100)
      assert.deepEqual(ids(await backend.range(stream)), added)
    },
  },
  {
    name: 'keeps the order of fields, and fields of the same name',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['b', '1', 'a', '2', 'b', '3'])
      const [entry] = await backend.range(stream)
      assert.deepEqual(texts(entry?.fields), ['b', '1', 'a', '2', 'b', '3'])
    },
  },
  {
    name: 'keeps every byte of names and values',
    run: async (site) => {
      const { backend, stream } = site
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      const added = await backend.add(stream, [bytes, bytes.toReversed()])
      await backend.createGroup(stream, 'g')
      // Each way out has a path of its own, the claim on Redis even through a script.
      const ways = [
        await backend.range(stream),
        (await backend.read(new Map([[stream, id('0-0')]]))).get(stream),
        await site.deliver('c'),
        (await backend.claim(stream, 'g', 'c', { minIdleMs: 0, ids: [added!] })).entries,
        (await backend.claim(stream, 'g', 'c', { minIdleMs: 0 })).entries,
      ]
      for (const way of ways) {
        assert.deepEqual(
          way?.[0]?.fields?.map((value) => [...value]),
          [[...bytes], Array.from(bytes.toReversed())],
        )
      }
    },
  },
  {
    name: 'takes a view into a larger buffer for what it shows',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', new Uint8Array(Buffer.from('xxhelloxx')).subarray(2, 7)])
      assert.deepEqual(texts((await backend.range(stream))[0]?.fields), ['a', 'hello'])
    },
  },
  {
    name: 'keeps empty names and values',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['', '', 'a', new Uint8Array()])
      assert.deepEqual(texts((await backend.range(stream))[0]?.fields), ['', '', 'a', ''])
    },
  },
  {
    name: 'writes text as UTF-8, in values and in the names of streams',
    run: async ({ backend, stream }) => {
      const name = `${stream}:Straße 🚀`
      await backend.add(name, ['größe', '日本語'])
      assert.deepEqual(texts((await backend.range(name))[0]?.fields), ['größe', '日本語'])
    },
  },
  {
    name: 'keeps a value of a megabyte',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', new Uint8Array(1_000_000).fill(7)])
      assert.equal((await backend.range(stream))[0]?.fields[1]?.length, 1_000_000)
    },
  },
  {
    name: 'keeps an entry of a thousand fields',
    run: async ({ backend, stream }) => {
      const fields = Array.from({ length: 2000 }, (_, i) => String(i))
      await backend.add(stream, fields)
      assert.deepEqual(texts((await backend.range(stream))[0]?.fields), fields)
    },
  },
  {
    name: 'takes an explicit ID',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { id: '5-3' }), '5-3')
    },
  },
  {
    name: 'completes <ms>-* with the next sequence number',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { id: '5-*' }), '5-0')
      assert.equal(await backend.add(stream, ['a', '1'], { id: '5-*' }), '5-1')
      assert.equal(await backend.add(stream, ['a', '1'], { id: '6-*' }), '6-0')
    },
  },
  {
    name: 'makes 0-1 of 0-* on a new stream',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { id: '0-*' }), '0-1')
    },
  },
  {
    name: 'refuses an ID that is not above the last one',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '5-3' })
      await rejects('ID_TOO_SMALL', backend.add(stream, ['a', '2'], { id: '5-3' }))
      await rejects('ID_TOO_SMALL', backend.add(stream, ['a', '2'], { id: '4-9' }))
      await rejects('ID_TOO_SMALL', backend.add(stream, ['a', '2'], { id: '4-*' }))
      assert.deepEqual(ids(await backend.range(stream)), ['5-3'])
    },
  },
  {
    name: 'refuses 0-0 as an ID and creates no stream by it',
    run: async ({ backend, stream }) => {
      await rejects('ID_TOO_SMALL', backend.add(stream, ['a', '1'], { id: '0-0' }))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'never gives out the ID of a deleted newest entry again',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '5-3' })
      await backend.delete(stream, [id('5-3')])
      await rejects('ID_TOO_SMALL', backend.add(stream, ['a', '2'], { id: '5-3' }))
    },
  },
  {
    name: 'goes on above a last ID that is ahead of the clock',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '9999999999999-7' })
      assert.equal(await backend.add(stream, ['a', '2']), '9999999999999-8')
    },
  },
  {
    name: 'carries a full sequence number over into the milliseconds',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: `9999999999999-${MAX}` })
      assert.equal(await backend.add(stream, ['a', '2']), '10000000000000-0')
    },
  },
  {
    name: 'keeps IDs exact at the 64-bit edge',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '9007199254740993-9007199254740993' })
      await backend.add(stream, ['a', '1'], { id: `${MAX}-18446744073709551614` })
      const edge = ['9007199254740993-9007199254740993', `${MAX}-18446744073709551614`]
      assert.deepEqual(ids(await backend.range(stream)), edge)
    },
  },
  {
    name: 'takes the highest possible ID and then says that there are no more',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { id: `${MAX}-${MAX}` }), `${MAX}-${MAX}`)
      await rejects('IDS_EXHAUSTED', backend.add(stream, ['a', '2']))
    },
  },
  {
    name: 'refuses what is no ID, and changes nothing',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ID', backend.add(stream, ['a', '1'], { id: 'soon' }))
      await rejects('BAD_ID', backend.add(stream, ['a', '1'], { id: '5-' }))
      await rejects('BAD_ID', backend.add(stream, ['a', '1'], { id: '18446744073709551616-0' }))
      await rejects('BAD_ID', backend.add(stream, ['a', '1'], { id: '-5-1' }))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'refuses fields that are not pairs',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ARGUMENT', backend.add(stream, []))
      await rejects('BAD_ARGUMENT', backend.add(stream, ['a']))
      await rejects('BAD_ARGUMENT', backend.add(stream, ['a', 5 as unknown as string]))
    },
  },
  {
    name: 'refuses an empty name of a stream',
    run: async ({ backend }) => await rejects('BAD_ARGUMENT', backend.add('', ['a', '1'])),
  },
  {
    name: 'resolves undefined instead of creating a stream with noMkStream',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { noMkStream: true }), undefined)
      assert.equal(await backend.inspect(stream), undefined)
      await backend.add(stream, ['a', '1'], { id: '1-1' })
      assert.equal(await backend.add(stream, ['a', '2'], { noMkStream: true, id: '1-2' }), '1-2')
    },
  },
  {
    name: 'trims in the same step',
    run: async ({ backend, stream }) => {
      for (const one of ['1-1', '2-1', '3-1']) await backend.add(stream, ['a', '1'], { id: one, trim: { maxLen: 2 } })
      assert.deepEqual(ids(await backend.range(stream)), ['2-1', '3-1'])
      await backend.add(stream, ['a', '1'], { id: '4-1', trim: { minId: id('4-0') } })
      assert.deepEqual(ids(await backend.range(stream)), ['4-1'])
    },
  },
  {
    name: 'appends with ifLastId only after that very entry',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '5-1' })
      assert.equal(await backend.add(stream, ['a', '2'], { id: '5-2', ifLastId: id('5-1') }), '5-2')
      await rejects('LAST_ID_MISMATCH', backend.add(stream, ['a', '3'], { ifLastId: id('5-1') }))
      assert.deepEqual(ids(await backend.range(stream)), ['5-1', '5-2'])
    },
  },
  {
    name: 'takes ifLastId 0-0 for a stream that is missing',
    run: async ({ backend, stream }) => {
      await rejects('LAST_ID_MISMATCH', backend.add(stream, ['a', '1'], { ifLastId: id('1-1') }))
      assert.equal(await backend.inspect(stream), undefined)
      assert.equal(await backend.add(stream, ['a', '1'], { id: '1-1', ifLastId: id('0-0') }), '1-1')
      await rejects('LAST_ID_MISMATCH', backend.add(stream, ['a', '1'], { ifLastId: id('0-0') }))
    },
  },
  {
    name: 'takes ifLastId 0-0 for a stream that has never had an entry',
    run: async ({ backend, stream }) => {
      await backend.createGroup(stream, 'g')
      assert.ok(await backend.add(stream, ['a', '1'], { ifLastId: id('0-0') }))
    },
  },
  {
    name: 'compares ifLastId with the last generated ID, deleted or not',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { id: '5-1' })
      await backend.add(stream, ['a', '2'], { id: '5-2' })
      await backend.delete(stream, [id('5-2')])
      await rejects('LAST_ID_MISMATCH', backend.add(stream, ['a', '3'], { ifLastId: id('5-1') }))
      assert.equal(await backend.add(stream, ['a', '3'], { id: '5-3', ifLastId: id('5-2') }), '5-3')
    },
  },
  {
    name: 'lets exactly one of twenty racing appenders win',
    run: async ({ backend, stream }) => {
      const first = id(String(await backend.add(stream, ['a', '0'])))
      const racing = Array.from({ length: 20 }, (_, i) => backend.add(stream, ['a', String(i)], { ifLastId: first }))
      const results = await Promise.allSettled(racing)
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
      assert.equal((await backend.range(stream)).length, 2)
    },
  },
  {
    name: 'combines ifLastId with noMkStream and trim',
    run: async ({ backend, stream }) => {
      assert.equal(await backend.add(stream, ['a', '1'], { ifLastId: id('0-0'), noMkStream: true }), undefined)
      await backend.add(stream, ['a', '1'], { id: '1-1' })
      await backend.add(stream, ['a', '2'], { id: '1-2', ifLastId: id('1-1'), trim: { maxLen: 1 } })
      assert.deepEqual(ids(await backend.range(stream)), ['1-2'])
    },
  },
  {
    name: 'sets the time to live in the same step',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { expireMs: 60_000 })
      const ttlMs = (await backend.inspect(stream))?.ttlMs ?? 0
      assert.ok(ttlMs > 50_000 && ttlMs <= 60_000, `ttlMs is ${ttlMs}`)
      await backend.add(stream, ['a', '2'], { expireMs: 20 })
      await until('the stream to expire', async () => (await backend.inspect(stream)) === undefined)
    },
  },
  {
    name: 'leaves the time to live alone without expireMs',
    run: async ({ backend, stream }) => {
      await backend.add(stream, ['a', '1'], { expireMs: 60_000 })
      await backend.add(stream, ['a', '2'])
      assert.ok(((await backend.inspect(stream))?.ttlMs ?? 0) > 50_000)
    },
  },
  {
    name: 'refuses bad options of add',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ID', backend.add(stream, ['a', '1'], { ifLastId: id('x') }))
      await rejects('BAD_ARGUMENT', backend.add(stream, ['a', '1'], { expireMs: 0 }))
      await rejects('BAD_ARGUMENT', backend.add(stream, ['a', '1'], { trim: {} }))
      await rejects('BAD_ARGUMENT', backend.add(stream, ['a', '1'], { trim: { maxLen: -1 } }))
      assert.equal(await backend.inspect(stream), undefined)
    },
  },
  {
    name: 'does not add to a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.add(key, ['a', '1']))
      await rejects('WRONG_TYPE', site.backend.add(key, ['a', '1'], { ifLastId: id('0-0') }))
      await rejects('WRONG_TYPE', site.backend.add(key, ['a', '1'], { expireMs: 5 }))
    },
  },
]

/** Conformance of `read`. */

import assert from 'node:assert/strict'
import type { ReadPosition } from '../backend.ts'
import { type Case, found, id, ids, isPending, LONG_MS, rejects, texts } from './conformance-site.ts'

function at(...pairs: [string, string][]): Map<string, ReadPosition> {
  return new Map(pairs as [string, ReadPosition][])
}

export const readCases: readonly Case[] = [
  {
    name: 'reads what comes after an ID',
    run: async (site) => {
      await site.fill('1-1', '1-2', '2-1')
      const result = await site.backend.read(at([site.stream, '1-1']))
      assert.deepEqual(found(result), { [site.stream]: ['1-2', '2-1'] })
      assert.deepEqual(texts(result.get(site.stream)?.[0]?.fields), ['n', '1-2'])
    },
  },
  {
    name: 'resolves an empty result when there is nothing and it may not wait',
    run: async (site) => {
      await site.fill('1-1')
      assert.equal((await site.backend.read(at([site.stream, '1-1'], [site.name(), '0-0']))).size, 0)
    },
  },
  {
    name: 'reads many streams at once and names only those with entries',
    run: async (site) => {
      const [a, b, c] = [site.name(), site.name(), site.name()]
      await site.backend.add(a, ['x', '1'], { id: '1-1' })
      await site.backend.add(c, ['x', '1'], { id: '3-1' })
      const result = await site.backend.read(at([a, '0-0'], [b, '0-0'], [c, '0-0']))
      assert.deepEqual(found(result), { [a]: ['1-1'], [c]: ['3-1'] })
    },
  },
  {
    name: 'counts per stream',
    run: async (site) => {
      const other = site.name()
      await site.fill('1-1', '1-2', '1-3')
      for (const one of ['1-1', '1-2']) await site.backend.add(other, ['x', '1'], { id: one })
      const result = await site.backend.read(at([site.stream, '0-0'], [other, '0-0']), { count: 2 })
      assert.deepEqual(found(result), { [site.stream]: ['1-1', '1-2'], [other]: ['1-1', '1-2'] })
    },
  },
  {
    name: 'reads at most 100 entries of a stream without a count',
    run: async (site) => {
      await Promise.all(Array.from({ length: 110 }, () => site.backend.add(site.stream, ['a', '1'])))
      assert.equal((await site.backend.read(at([site.stream, '0-0']))).get(site.stream)?.length, 100)
    },
  },
  {
    name: 'wakes a waiting read when an entry is added',
    run: async (site) => {
      const waiting = site.backend.read(at([site.stream, '0-0']), { blockMs: LONG_MS })
      await site.untilWaiting()
      const added = await site.backend.add(site.stream, ['a', '1'])
      assert.deepEqual(found(await waiting), { [site.stream]: [added] })
    },
  },
  {
    name: 'does not wait when something is there',
    run: async (site) => {
      await site.fill('1-1')
      const result = await site.backend.read(at([site.stream, '0-0']), { blockMs: LONG_MS })
      assert.deepEqual(found(result), { [site.stream]: ['1-1'] })
    },
  },
  {
    name: 'resolves an empty result when its time is over, not before',
    run: async ({ backend, stream }) => {
      const started = performance.now()
      assert.equal((await backend.read(at([stream, '0-0']), { blockMs: 60 })).size, 0)
      assert.ok(performance.now() - started >= 55)
    },
  },
  {
    name: 'gives an entry to every waiting reader',
    run: async (site) => {
      const waiting = [1, 2, 3].map(async () => await site.backend.read(at([site.stream, '0-0']), { blockMs: LONG_MS }))
      await site.untilWaiting(3)
      const added = await site.backend.add(site.stream, ['a', '1'])
      for (const result of await Promise.all(waiting)) assert.deepEqual(found(result), { [site.stream]: [added] })
    },
  },
  {
    name: 'waits on many streams and returns when one has an entry',
    run: async (site) => {
      const names = [site.name(), site.name(), site.name()]
      const waiting = site.backend.read(at(...names.map((name): [string, string] => [name, '0-0'])), {
        blockMs: LONG_MS,
      })
      await site.untilWaiting()
      const added = await site.backend.add(names[1]!, ['a', '1'])
      assert.deepEqual(found(await waiting), { [names[1]!]: [added] })
    },
  },
  {
    name: 'waits on more streams than connections would be reasonable for',
    run: async (site) => {
      const names = Array.from({ length: 40 }, () => site.name())
      const waiting = site.backend.read(at(...names.map((name): [string, string] => [name, '0-0'])), {
        blockMs: LONG_MS,
      })
      assert.ok(await isPending(waiting))
      const added = await site.backend.add(names[33]!, ['a', '1'])
      assert.deepEqual(found(await waiting), { [names[33]!]: [added] })
    },
  },
  {
    name: 'follows many streams without missing an entry of any',
    run: async (site) => {
      const names = [site.name(), site.name(), site.name()]
      const positions = at(...names.map((name): [string, string] => [name, '0-0']))
      const adding = Promise.all(
        names.map(async (name) => {
          for (let i = 0; i < 30; i++) await site.backend.add(name, ['i', String(i)])
        }),
      )
      let count = 0
      while (count < 90) {
        const result = await site.backend.read(positions, { blockMs: LONG_MS, count: 7 })
        assert.notEqual(result.size, 0)
        for (const [name, entries] of result) {
          count += entries.length
          positions.set(name, entries.at(-1)!.id)
        }
      }
      await adding
      assert.equal(count, 90)
    },
  },
  {
    name: 'reads with $ only what is added from now on',
    run: async (site) => {
      await site.fill('1-1')
      const waiting = site.backend.read(at([site.stream, '$']), { blockMs: LONG_MS })
      await site.untilWaiting()
      await site.fill('2-1')
      assert.deepEqual(found(await waiting), { [site.stream]: ['2-1'] })
    },
  },
  {
    name: 'waits with $ on many streams, missing ones too',
    run: async (site) => {
      const missing = site.name()
      await site.fill('1-1')
      const waiting = site.backend.read(at([site.stream, '$'], [missing, '$']), { blockMs: LONG_MS })
      await site.untilWaiting()
      const added = await site.backend.add(missing, ['a', '1'])
      assert.deepEqual(found(await waiting), { [missing]: [added] })
    },
  },
  {
    name: 'reads nothing with $ when it may not wait',
    run: async (site) => {
      await site.fill('1-1')
      assert.equal((await site.backend.read(at([site.stream, '$']))).size, 0)
    },
  },
  {
    name: 'reads the last entry with +',
    run: async (site) => {
      await site.fill('1-1', '2-1', '3-1')
      assert.deepEqual(found(await site.backend.read(at([site.stream, '+']))), { [site.stream]: ['3-1'] })
      assert.deepEqual(found(await site.backend.read(at([site.stream, '+']), { blockMs: LONG_MS })), {
        [site.stream]: ['3-1'],
      })
    },
  },
  {
    name: 'waits with + for the first entry of a missing stream',
    run: async (site) => {
      const waiting = site.backend.read(at([site.stream, '+']), { blockMs: LONG_MS })
      await site.untilWaiting()
      const added = await site.backend.add(site.stream, ['a', '1'])
      assert.deepEqual(found(await waiting), { [site.stream]: [added] })
    },
  },
  {
    name: 'mixes + with IDs of other streams',
    run: async (site) => {
      const other = site.name()
      await site.fill('1-1', '2-1')
      await site.backend.add(other, ['a', '1'], { id: '7-1' })
      const result = await site.backend.read(at([site.stream, '+'], [other, '0-0']), { blockMs: LONG_MS })
      assert.deepEqual(found(result), { [site.stream]: ['2-1'], [other]: ['7-1'] })
    },
  },
  {
    name: 'goes on waiting while entries are added and deleted elsewhere',
    run: async (site) => {
      await site.fill('1-1')
      const waiting = site.backend.read(at([site.stream, '1-1']), { blockMs: LONG_MS })
      await site.backend.delete(site.stream, [id('1-1')])
      await site.backend.add(site.name(), ['a', '1'])
      assert.ok(await isPending(waiting))
      await site.fill('2-1')
      assert.deepEqual(found(await waiting), { [site.stream]: ['2-1'] })
    },
  },
  {
    name: 'ends a waiting read at once when its signal aborts, with the reason',
    run: async (site) => {
      const controller = new AbortController()
      const waiting = site.backend.read(at([site.stream, '0-0']), { blockMs: LONG_MS, signal: controller.signal })
      await site.untilWaiting()
      const started = performance.now()
      controller.abort(new Error('enough'))
      await assert.rejects(waiting, /enough/)
      assert.ok(performance.now() - started < 1000)
    },
  },
  {
    name: 'rejects with the reason when the signal was aborted before',
    run: async (site) => {
      await site.fill('1-1')
      const signal = AbortSignal.abort(new Error('enough'))
      await assert.rejects(site.backend.read(at([site.stream, '0-0']), { signal }), /enough/)
    },
  },
  {
    name: 'loses no entry by an aborted read',
    run: async ({ backend, stream }) => {
      const controller = new AbortController()
      const waiting = backend.read(at([stream, '0-0']), { blockMs: LONG_MS, signal: controller.signal })
      controller.abort(new Error('enough'))
      await assert.rejects(waiting, /enough/)
      const added = await backend.add(stream, ['a', '1'])
      assert.deepEqual(found(await backend.read(at([stream, '0-0']), { blockMs: LONG_MS })), { [stream]: [added] })
    },
  },
  {
    name: 'serves hundreds of reads one after another while others wait',
    run: async (site) => {
      const controller = new AbortController()
      const other = at([site.name(), '0-0'])
      const waiting = site.backend.read(other, { blockMs: LONG_MS, signal: controller.signal })
      waiting.catch(() => undefined)
      let after = id('0-0')
      for (let i = 0; i < 200; i++) {
        const added = await site.backend.add(site.stream, ['i', String(i)])
        const result = await site.backend.read(at([site.stream, after]), { blockMs: LONG_MS })
        assert.deepEqual(ids(result.get(site.stream)), [added])
        after = added!
      }
      controller.abort(new Error('enough'))
      await assert.rejects(waiting, /enough/)
    },
  },
  {
    name: 'refuses bad positions, counts and waits',
    run: async ({ backend, stream }) => {
      await rejects('BAD_ARGUMENT', backend.read(new Map()))
      await rejects('BAD_ID', backend.read(at([stream, '>'])))
      await rejects('BAD_ID', backend.read(at([stream, 'x'])))
      await rejects('BAD_ARGUMENT', backend.read(at([stream, '0-0']), { count: 0 }))
      await rejects('BAD_ARGUMENT', backend.read(at([stream, '0-0']), { blockMs: 0 }))
      await rejects('BAD_ARGUMENT', backend.read(at([stream, '0-0']), { blockMs: 2 ** 31 }))
    },
  },
  {
    name: 'does not read a key that is no stream',
    needsForeignKey: true,
    run: async (site) => {
      const key = await site.foreignKey()
      await rejects('WRONG_TYPE', site.backend.read(at([key, '0-0'])))
      await rejects('WRONG_TYPE', site.backend.read(at([key, '0-0']), { blockMs: LONG_MS }))
    },
  },
]

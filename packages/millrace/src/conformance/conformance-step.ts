/** Conformance of `step`. */

import assert from 'node:assert/strict'
import type { Action, EntryId, Step, StepResult } from '../backend.ts'
import { siblingKey } from '../sibling-key.ts'
import { type Case, found, id, ids, LONG_MS, rejects, type Site, texts } from './conformance-site.ts'

function results(result: StepResult): readonly unknown[] {
  assert.ok(result.isTaken, `the step was not taken: condition ${result.isTaken ? '' : result.failed}`)
  return result.results.map((one) => (one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : one))
}

/** A key of the stream's own slot. */
function key(site: Site, name = 'k'): string {
  return siblingKey(site.stream, name)
}

async function valueOf(site: Site, name = 'k'): Promise<unknown> {
  return results(await site.backend.step({ do: [{ kind: 'get', key: key(site, name) }] }))[0]
}

const owns = (site: Site, consumer: string, ...of: string[]) =>
  ({ kind: 'owns', stream: site.stream, group: 'g', consumer, ids: of.map(id) }) as const

export const stepCases: readonly Case[] = [
  {
    name: 'does what the actions say, in their order, and tells what came of each',
    run: async (site) => {
      await site.group('1-1', '2-1')
      await site.deliver('c')
      const { stream } = site
      const taken = await site.backend.step({
        if: [owns(site, 'c', '1-1', '2-1')],
        do: [
          { kind: 'append', stream: key(site, 'dlq'), fields: ['a', '1'] },
          { kind: 'acknowledge', stream, group: 'g', ids: [id('1-1'), id('9-9')] },
          { kind: 'delete', stream, ids: [id('2-1'), id('9-9')] },
          { kind: 'set', key: key(site), value: '40' },
          { kind: 'increment', key: key(site), by: 2 },
          { kind: 'get', key: key(site) },
          { kind: 'remove', key: key(site) },
          { kind: 'remove', key: key(site) },
          { kind: 'get', key: key(site) },
          { kind: 'increment', key: key(site, 'n') },
        ],
      })
      const [added, ...others] = results(taken)
      assert.deepEqual(others, [1, 1, undefined, 42, '42', 1, 0, undefined, 1])
      assert.deepEqual(ids(await site.backend.range(key(site, 'dlq'))), [added])
      assert.deepEqual(ids(await site.backend.range(stream)), ['1-1'])
      assert.deepEqual(ids(await site.backend.pending(stream, 'g')), ['2-1'])
    },
  },
  {
    name: 'does nothing when one condition does not hold, and tells which',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('c')
      const holding = owns(site, 'c', '1-1')
      const failing: Step['if'] = [
        owns(site, 'other', '1-1'),
        owns(site, 'c', '1-1', '2-1'),
        { kind: 'entry', stream: site.stream, id: id('2-1') },
        { kind: 'value', key: key(site), oneOf: ['x', ''] },
      ]
      for (const condition of failing) {
        const step: Step = {
          if: [holding, condition],
          do: [{ kind: 'append', stream: site.stream, fields: ['n', '1'] }],
        }
        assert.deepEqual(await site.backend.step(step), { isTaken: false, failed: 1 })
      }
      assert.equal((await site.backend.range(site.stream)).length, 1)
    },
  },
  {
    name: 'sees an owner, an entry, a value, and that there is none',
    run: async (site) => {
      await site.group('1-1')
      await site.deliver('old')
      await site.backend.claim(site.stream, 'g', 'new', { minIdleMs: 0, ids: [id('1-1')] })
      const holds = async (one: NonNullable<Step['if']>[number]): Promise<boolean> =>
        (await site.backend.step({ if: [one], do: [{ kind: 'time' }] })).isTaken
      assert.equal(await holds(owns(site, 'old', '1-1')), false)
      assert.equal(await holds(owns(site, 'new', '1-1')), true)
      assert.equal(await holds({ kind: 'entry', stream: site.stream, id: id('1-1') }), true)
      assert.equal(await holds({ kind: 'entry', stream: key(site, 'no such'), id: id('1-1') }), false)
      assert.equal(await holds({ kind: 'value', key: key(site), oneOf: [undefined] }), true)
      await site.backend.step({ do: [{ kind: 'set', key: key(site), value: Uint8Array.of(0, 255, 13, 10) }] })
      assert.equal(await holds({ kind: 'value', key: key(site), oneOf: [undefined] }), false)
      assert.equal(await holds({ kind: 'value', key: key(site), oneOf: ['x', Uint8Array.of(0, 255, 13, 10)] }), true)
      assert.equal(await holds({ kind: 'value', key: key(site), oneOf: [Uint8Array.of(0, 255, 13)] }), false)
    },
  },
  {
    name: 'keeps any bytes, of values and of fields, and empty ones',
    run: async (site) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      await site.backend.step({
        do: [
          { kind: 'set', key: key(site), value: bytes },
          { kind: 'set', key: key(site, 'empty'), value: '' },
          { kind: 'append', stream: site.stream, fields: [bytes, '', 'é', bytes] },
        ],
      })
      assert.equal(await valueOf(site), Buffer.from(bytes).toString('latin1'))
      assert.equal(await valueOf(site, 'empty'), '')
      const [entry] = await site.backend.range(site.stream)
      assert.deepEqual(
        entry?.fields.map((field) => Buffer.from(field).toString('latin1')),
        [bytes, '', 'é', bytes].map((one) => Buffer.from(one).toString('latin1')),
      )
    },
  },
  {
    name: 'changes nothing when an action meets a key of another type',
    run: async (site) => {
      await site.fill('1-1')
      const append: Action = { kind: 'append', stream: site.stream, fields: ['n', '1'] }
      await site.backend.step({ do: [{ kind: 'set', key: key(site), value: 'text' }] })
      const wrong: readonly Action[] = [
        { kind: 'append', stream: key(site), fields: ['n', '1'] },
        { kind: 'delete', stream: key(site), ids: [id('1-1')] },
        { kind: 'set', key: site.stream, value: 'x' },
        { kind: 'get', key: site.stream },
        { kind: 'remove', key: site.stream },
        { kind: 'increment', key: site.stream },
      ]
      for (const action of wrong) await rejects('WRONG_TYPE', site.backend.step({ do: [append, action] }))
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['1-1'])
    },
  },
  {
    name: 'changes nothing when a group is missing, of a condition or of an action',
    run: async (site) => {
      const append: Action = { kind: 'append', stream: site.stream, fields: ['n', '1'] }
      const acknowledge: Action = { kind: 'acknowledge', stream: site.stream, group: 'g', ids: [id('1-1')] }
      await rejects('GROUP_NOT_FOUND', site.backend.step({ do: [append, acknowledge] }))
      await rejects('GROUP_NOT_FOUND', site.backend.step({ if: [owns(site, 'c', '1-1')], do: [append] }))
      assert.equal(await site.backend.inspect(site.stream), undefined)
      await site.fill('1-1')
      await rejects('GROUP_NOT_FOUND', site.backend.step({ do: [append, acknowledge] }))
      assert.deepEqual(ids(await site.backend.range(site.stream)), ['1-1'])
    },
  },
  {
    name: 'changes nothing when an increment meets no number, or leaves the numbers that can be counted',
    run: async (site) => {
      const set = (value: string): Action => ({ kind: 'set', key: key(site), value })
      const increment = (by: number): Action => ({ kind: 'increment', key: key(site), by })
      const append: Action = { kind: 'append', stream: site.stream, fields: ['n', '1'] }
      for (const text of ['', 'x', '1.5', ' 1', '01', '-0', '9007199254740992', '99999999999999999999']) {
        await rejects('BAD_ARGUMENT', site.backend.step({ do: [append, set(text), increment(1)] }))
      }
      await rejects('BAD_ARGUMENT', site.backend.step({ do: [append, set('9007199254740991'), increment(1)] }))
      await rejects('BAD_ARGUMENT', site.backend.step({ do: [append, set('x'), { kind: 'time' }, increment(1)] }))
      assert.equal(await site.backend.inspect(site.stream), undefined)
      assert.equal(await valueOf(site), undefined)
      const taken = await site.backend.step({
        do: [set('9007199254740990'), increment(1), increment(-9007199254740991)],
      })
      assert.deepEqual(results(taken), [undefined, 9007199254740991, 0])
    },
  },
  {
    name: 'lets a value end after its time, and an increment set the time of a new key only',
    run: async (site) => {
      const countdown: Action = { kind: 'increment', key: key(site, 'n'), expireMs: 60 }
      await site.backend.step({ do: [{ kind: 'set', key: key(site), value: 'x', expireMs: 60 }, countdown, countdown] })
      assert.equal(await valueOf(site), 'x')
      assert.equal(await valueOf(site, 'n'), '2')
      await site.backend.step({
        do: [
          { kind: 'set', key: key(site, 'kept'), value: '1' },
          { ...countdown, key: key(site, 'kept') },
        ],
      })
      const deadline = performance.now() + LONG_MS
      const isGone = async (): Promise<boolean> =>
        (await valueOf(site)) === undefined && (await valueOf(site, 'n')) === undefined
      while (!(await isGone())) assert.ok(performance.now() < deadline, 'a value outlived its time')
      assert.equal(await valueOf(site, 'kept'), '2')
    },
  },
  {
    name: 'tells the time of the backend, by which the IDs are made',
    run: async (site) => {
      const taken = await site.backend.step({
        do: [{ kind: 'time' }, { kind: 'append', stream: site.stream, fields: ['n', '1'] }, { kind: 'time' }],
      })
      const [before, added, after] = results(taken) as [number, EntryId, number]
      const ms = Number(added.split('-')[0])
      assert.ok(before <= ms && ms <= after, `${before} <= ${ms} <= ${after}`)
      assert.ok(Number.isSafeInteger(before) && before > 1_600_000_000_000)
    },
  },
  {
    name: 'is taken by one of twenty that race for the same condition',
    run: async (site) => {
      const take = (owner: string): Step => ({
        if: [{ kind: 'value', key: key(site), oneOf: [undefined] }],
        do: [
          { kind: 'set', key: key(site), value: owner },
          { kind: 'append', stream: site.stream, fields: ['owner', owner] },
        ],
      })
      const all = await Promise.all(Array.from({ length: 20 }, async (_, i) => await site.backend.step(take(`o${i}`))))
      assert.equal(all.filter((one) => one.isTaken).length, 1)
      const entries = await site.backend.range(site.stream)
      assert.deepEqual(
        entries.map((entry) => texts(entry.fields)),
        [['owner', await valueOf(site)]],
      )
    },
  },
  {
    name: 'trims what it appends to',
    run: async (site) => {
      const append: Action = { kind: 'append', stream: site.stream, fields: ['n', '1'], trim: { maxLen: 2 } }
      await site.backend.step({ do: [append, append, append] })
      assert.equal((await site.backend.range(site.stream)).length, 2)
    },
  },
  {
    name: 'wakes whoever waits for what it appends',
    run: async (site) => {
      const reading = site.backend.read(new Map([[site.stream, id('0-0')]]), { blockMs: LONG_MS })
      await site.untilWaiting()
      const taken = await site.backend.step({ do: [{ kind: 'append', stream: site.stream, fields: ['n', '1'] }] })
      assert.deepEqual(found(await reading), { [site.stream]: results(taken) })
    },
  },
  {
    name: 'refuses what is no step, and changes nothing',
    run: async (site) => {
      const append: Action = { kind: 'append', stream: site.stream, fields: ['n', '1'] }
      const wrong: readonly unknown[] = [
        { do: [] },
        {},
        { do: [append, { kind: 'rename' }] },
        { if: [{ kind: 'moon' }], do: [append] },
        { if: [{ kind: 'value', key: key(site), oneOf: [] }], do: [append] },
        { if: [{ kind: 'value', key: '', oneOf: ['x'] }], do: [append] },
        { do: [append, { kind: 'acknowledge', stream: site.stream, group: 'g', ids: [] }] },
        { do: [append, { kind: 'increment', key: key(site), by: 1.5 }] },
        { do: [append, { kind: 'set', key: key(site), value: 5 }] },
        { do: [append, { kind: 'set', key: key(site), value: '', expireMs: 0 }] },
        { do: [{ kind: 'append', stream: site.stream, fields: ['odd'] }] },
        { do: Array.from({ length: 1001 }, () => append) },
      ]
      for (const step of wrong) await rejects('BAD_ARGUMENT', site.backend.step(step as Step))
      const badId: Step = { do: [append, { kind: 'delete', stream: site.stream, ids: ['1' as EntryId] }] }
      await rejects('BAD_ID', site.backend.step(badId))
      assert.equal(await site.backend.inspect(site.stream), undefined)
    },
  },
]

/**
 * Random histories, run by the engine and by the plain model: every answer must be the same, and in the end everything
 * that can be seen. The recorded changes, replayed into an empty database, must give that picture once more,
 * and so must a copy.
 *
 * MILLRACE_RUNS sets how many histories, MILLRACE_SEED repeats a run.
 */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { append, deleteEntries, setLastId, trim, type TrimRule } from './append.ts'
import { copyChange, type Change } from './change.ts'
import { acknowledge } from './acknowledge.ts'
import { autoClaim, claim, pendingEntries, pendingSummary } from './claim.ts'
import { Database } from './database.ts'
import { ColdSegments } from './disk/cold-segments.ts'
import { SimFs } from './disk/testing/sim-fs.ts'
import { deliveriesToBigint } from './delivery-count.ts'
import { EngineError } from './errors.ts'
import { createConsumer, createGroup, deleteConsumer, destroyGroup, setGroup } from './group-commands.ts'
import { formatId, type NewId, type StreamId } from './id.ts'
import { appendOnce, expireIids, recordIid, setIdempotency } from './idempotency.ts'
import { fullStreamInfo, radixTreeNodes } from './info.ts'
import { expireAt, persist, removeKey } from './keys.ts'
import { negativeAcknowledge } from './nack.ts'
import { PlainError, PlainModel } from './plain-model.ts'
import { plainPicture } from './plain-picture.ts'
import { entrySize, KEY_SIZE } from './plain-read.ts'
import { idOf, type Id } from './plain-stream.ts'
import type { PlainTrim } from './plain-trim.ts'
import type { MeasuredEntry, ReadLimits } from './read-budget.ts'
import { readGroup } from './read-group.ts'
import { length, range, read } from './read-range.ts'
import { acknowledgeAndDelete, deleteEntriesEx } from './references.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const U64_MAX = 2n ** 64n - 1n
const KEYS = ['s', 't']
const NODE_ENTRIES_MAX = 3

// Small numbers, so that IDs meet; now and then the edges of the columns and of the 64 bits.
const msArb = fc.oneof(
  { weight: 120, arbitrary: fc.bigInt(0n, 40n) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(2n ** 31n, 2n ** 32n + 7n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, U64_MAX - 1n, U64_MAX),
  },
)
const seqArb = fc.oneof(
  { weight: 120, arbitrary: fc.bigInt(0n, 4n) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(65_535n, 65_536n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, U64_MAX - 1n, U64_MAX),
  },
)
const idArb = fc.tuple(msArb, seqArb).map(([ms, seq]) => idOf(ms, seq))
const fromArb = fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 2, arbitrary: idArb })
const keyArb = fc.oneof({ weight: 5, arbitrary: fc.constant('s') }, { weight: 1, arbitrary: fc.constant('t') })
const groupArb = fc.constantFrom('g', 'g', 'g', 'h')
const consumerArb = fc.constantFrom('a', 'b', 'c')
const countArb = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(Infinity))
const fieldsArb = fc.constantFrom(
  ['f', '1'],
  ['f', '2'],
  ['f', 'x'.repeat(200)],
  ['a', '1', 'b', ''],
  ['', 'é', '', 'é'],
)
const optional = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arb, { nil: undefined, freq: 3 })
const referencesArb = fc.constantFrom('keepref' as const, 'delref' as const, 'acked' as const)
const trimArb: fc.Arbitrary<PlainTrim> = fc.oneof(
  fc.record({
    maxLen: fc.integer({ min: 0, max: 8 }),
    approximate: fc.boolean(),
    references: optional(referencesArb),
  }),
  fc.record({ minId: idArb, approximate: fc.boolean(), references: optional(referencesArb) }),
  fc.record({
    maxLen: fc.integer({ min: 0, max: 8 }),
    approximate: fc.constant(true),
    limit: fc.integer({ min: 0, max: 7 }),
    references: optional(referencesArb),
  }),
)
const limitsArb = {
  count: countArb,
  total: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined, freq: 5 }),
  size: fc.option(fc.integer({ min: 1, max: 90 }), { nil: undefined, freq: 5 }),
}
const nthArb = fc.array(fc.nat(9), { minLength: 1, maxLength: 4 })
const producerArb = fc.constantFrom('p', 'p', 'q')
const iidArb = fc.constantFrom('i', 'j', 'k', 'l')

const newIdArb = fc.oneof(
  { weight: 6, arbitrary: fc.constant('auto' as const) },
  { weight: 2, arbitrary: msArb.map((ms) => ({ ms })) },
  { weight: 3, arbitrary: idArb },
)
const addArb = fc.record({
  op: fc.constant('add' as const),
  key: keyArb,
  id: newIdArb,
  fields: fieldsArb,
  noMk: fc.boolean(),
  ifLast: fc.option(fc.constantFrom(0n, idOf(1n, 0n)), { nil: undefined, freq: 20 }),
  trim: fc.option(trimArb, { nil: undefined, freq: 5 }),
})
const positionArb = <W extends string>(word: W): fc.Arbitrary<Id | W> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(word) }, { weight: 1, arbitrary: fromArb })

const burstArb = fc.record({
  op: fc.constant('burst' as const),
  key: keyArb,
  /** The first one's, then each as if with `auto`. */
  id: newIdArb,
  fields: fieldsArb,
  times: fc.integer({ min: 2, max: 16 }),
})

const opArb = fc.oneof(
  { weight: 8, arbitrary: burstArb },
  { weight: 42, arbitrary: addArb },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('trim' as const), key: keyArb, trim: trimArb }) },
  {
    weight: 9,
    arbitrary: fc.record({
      op: fc.constant('delete' as const),
      key: keyArb,
      nth: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('set-id' as const),
      key: keyArb,
      last: idArb,
      added: optional(fc.nat(12)),
      maxDeleted: optional(idArb),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('range' as const),
      key: keyArb,
      from: fromArb,
      to: fc.oneof(idArb, fc.constant(2n ** 128n - 1n)),
      count: countArb,
      reverse: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('read' as const), from: positionArb('+'), ...limitsArb }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('delete-ex' as const),
      key: keyArb,
      nth: nthArb,
      references: referencesArb,
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      op: fc.constant('ack-delete' as const),
      key: keyArb,
      group: groupArb,
      nth: nthArb,
      references: referencesArb,
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      op: fc.constant('nack' as const),
      key: keyArb,
      group: groupArb,
      nth: nthArb,
      mode: fc.constantFrom('silent' as const, 'fail' as const, 'fatal' as const),
      retry: optional(fc.constantFrom(0, 3, 70_000)),
      force: fc.boolean(),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('add-once' as const),
      key: keyArb,
      producer: producerArb,
      iid: iidArb,
      fields: fieldsArb,
      noMk: fc.boolean(),
      trim: fc.option(trimArb, { nil: undefined, freq: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('configure' as const),
      key: keyArb,
      duration: optional(fc.constantFrom(1, 2, 100)),
      max: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('record-iid' as const),
      key: keyArb,
      producer: producerArb,
      iid: iidArb,
      nth: fc.tuple(fc.nat(9)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('forget' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('leap' as const), by: fc.constantFrom(1000, 2500) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      op: fc.constant('create-group' as const),
      key: keyArb,
      group: groupArb,
      from: positionArb('$'),
      mk: fc.boolean(),
      read: optional(fc.nat(9)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('set-group' as const),
      key: keyArb,
      group: groupArb,
      from: positionArb('$'),
      read: optional(fc.nat(9)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('destroy-group' as const), key: keyArb, group: groupArb }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('create-consumer' as const),
      key: keyArb,
      group: groupArb,
      consumer: consumerArb,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('delete-consumer' as const),
      key: keyArb,
      group: groupArb,
      consumer: consumerArb,
      onlyIfIdle: fc.boolean(),
    }),
  },
  {
    weight: 27,
    arbitrary: fc.record({
      op: fc.constant('read-group' as const),
      keys: fc.constantFrom(['s'], ['s'], ['s', 't']),
      from: positionArb('>'),
      group: groupArb,
      consumer: consumerArb,
      ...limitsArb,
      noAck: fc.constantFrom(false, false, false, true),
      claim: optional(fc.constantFrom(0, 1, 3, 10)),
    }),
  },
  {
    weight: 15,
    arbitrary: fc.record({
      op: fc.constant('ack' as const),
      key: keyArb,
      group: groupArb,
      nth: fc.array(fc.nat(6), { minLength: 1, maxLength: 4 }),
      ifOwner: optional(consumerArb),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('claim' as const),
      key: keyArb,
      group: groupArb,
      consumer: consumerArb,
      nth: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
      minIdle: fc.constantFrom(0, 0, 1, 3, 10),
      ifOwner: optional(consumerArb),
      idle: optional(fc.constantFrom(0, 2, 100, 1e12)),
      time: optional(fc.constantFrom(-1, 5, 1e9)),
      retry: optional(fc.constantFrom(0, 7, 70_000)),
      force: fc.boolean(),
      justId: fc.boolean(),
      last: optional(idArb),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      op: fc.constant('auto-claim' as const),
      key: keyArb,
      group: groupArb,
      consumer: consumerArb,
      minIdle: fc.constantFrom(0, 1, 3, 10),
      from: fromArb,
      count: fc.integer({ min: 1, max: 4 }),
      justId: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('pending' as const),
      key: keyArb,
      group: groupArb,
      from: fromArb,
      to: fc.constantFrom(idOf(10n, 0n), 2n ** 128n - 1n),
      count: fc.integer({ min: 1, max: 5 }),
      consumer: optional(consumerArb),
      minIdle: fc.constantFrom(0, 0, 3),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('summary' as const), key: keyArb, group: groupArb }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), key: keyArb }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('expire' as const), key: keyArb, after: fc.integer({ min: -1, max: 40 }) }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('persist' as const), key: keyArb }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('clock' as const), by: fc.constantFrom(1, 2, 5, 30) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('sweep' as const) }) },
)
type Op = typeof opArb extends fc.Arbitrary<infer T> ? T : never

/** The limits of a read as the engine takes them. */
function limitsOf(op: { count: number; total: number | undefined; size: number | undefined }): ReadLimits {
  const measure = (what: string | MeasuredEntry): number =>
    typeof what === 'string' ? KEY_SIZE : entrySize(what.fields?.map((field) => Buffer.from(field).toString('latin1')))
  return {
    count: op.count,
    ...given({ countTotal: op.total, size: op.size === undefined ? undefined : { bytesMax: op.size, measure } }),
  }
}

const streamId = (id: Id): StreamId => ({ ms: id >> 64n, seq: id & U64_MAX })
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const position = <W extends string>(from: Id | W): StreamId | W => (typeof from === 'bigint' ? streamId(from) : from)

function trimRule(wanted: PlainTrim): TrimRule {
  const keep: TrimRule['keep'] =
    wanted.minId === undefined
      ? { kind: 'max-len', entries: wanted.maxLen! }
      : { kind: 'min-id', id: streamId(wanted.minId) }
  return { keep, approximate: wanted.approximate, ...given({ limit: wanted.limit, references: wanted.references }) }
}

/** Without the properties that are undefined. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}

function newId(id: 'auto' | { ms: bigint } | Id): NewId {
  if (id === 'auto') return { kind: 'auto' }
  return typeof id === 'bigint' ? { kind: 'exact', id: streamId(id) } : { kind: 'auto-seq', ms: id.ms }
}

/** Which IDs an operation is about: the n-th of what is there or pending, so that it mostly meets something. */
function chosen(database: Database, key: string, nth: readonly number[], now: number): Id[] {
  const stream = database.find(key, now)
  const known =
    stream === undefined ? [] : stream.range({ ms: 0n, seq: 0n }, { ms: U64_MAX, seq: U64_MAX }, 8).map(({ id }) => id)
  const pending: StreamId[] = []
  stream?.group('g')?.pending.scan({ ms: 0n, seq: 0n }, (row) => pending.push(row.id) < 8)
  const all = [...pending, ...known]
  return nth.map((n) => {
    const id = all[n % Math.max(all.length, 1)] ?? { ms: BigInt(n), seq: 0n }
    return idOf(id.ms, id.seq)
  })
}

function runEngine(database: Database, op: Op, ids: readonly Id[], now: number): unknown {
  switch (op.op) {
    case 'add':
      return append(
        database,
        {
          key: op.key,
          fields: op.fields.map(bytes),
          id: newId(op.id),
          noMkStream: op.noMk,
          ...given({ ifLastId: op.ifLast === undefined ? undefined : streamId(op.ifLast) }),
          ...given({ trim: op.trim && trimRule(op.trim) }),
        },
        now,
      )
    case 'burst':
      return Array.from({ length: op.times }, (_, i) => {
        const id = newId(i === 0 ? op.id : 'auto')
        return append(database, { key: op.key, fields: op.fields.map(bytes), id }, now)
      })
    case 'trim':
      return trim(database, op.key, trimRule(op.trim), now)
    case 'delete':
      return deleteEntries(database, op.key, ids.map(streamId), now)
    case 'set-id': {
      const { key, last, added, maxDeleted } = op
      const more = given({
        entriesAdded: added,
        maxDeletedId: maxDeleted === undefined ? undefined : streamId(maxDeleted),
      })
      return setLastId(database, { key, lastId: streamId(last), ...more }, now)
    }
    case 'range':
      return range(database, { ...op, from: streamId(op.from), to: streamId(op.to) }, now)
    case 'read':
      return read(
        database,
        KEYS.map((key) => ({ key, from: position(op.from) })),
        limitsOf(op),
        now,
      )
    case 'create-group': {
      const options = { from: position(op.from), mkStream: op.mk, ...given({ entriesRead: op.read }) }
      return createGroup(database, op, options, now)
    }
    case 'set-group':
      return setGroup(database, op, { from: position(op.from), ...given({ entriesRead: op.read }) }, now)
    case 'destroy-group':
      return destroyGroup(database, op, now)
    case 'create-consumer':
      return createConsumer(database, op, now)
    case 'delete-consumer':
      return deleteConsumer(database, op, op, now)
    case 'read-group': {
      const positions = op.keys.map((key) => ({ key, from: position(op.from) }))
      const { group, consumer, noAck } = op
      const query = { group, consumer, noAck, positions, ...limitsOf(op), ...given({ claimMinIdleMs: op.claim }) }
      return readGroup(database, query, now)
    }
    case 'delete-ex':
      return deleteEntriesEx(database, op.key, { ids: ids.map(streamId), references: op.references }, now)
    case 'ack-delete':
      return acknowledgeAndDelete(database, op, { ids: ids.map(streamId), references: op.references }, now)
    case 'nack': {
      const request = { mode: op.mode, ids: ids.map(streamId), force: op.force, ...given({ deliveries: op.retry }) }
      return negativeAcknowledge(database, op, request, now)
    }
    case 'add-once': {
      const { key, producer, iid, noMk, trim } = op
      const entry = { key, producer, iid, noMkStream: noMk, fields: op.fields.map(bytes) }
      return appendOnce(database, { ...entry, ...given({ trim: trim && trimRule(trim) }) }, now)
    }
    case 'configure':
      return setIdempotency(database, op.key, { sizeMax: op.max, ...given({ durationS: op.duration }) }, now)
    case 'record-iid':
      return recordIid(database, { key: op.key, producer: op.producer, iid: op.iid, id: streamId(ids[0]!) }, now)
    case 'forget':
      return void expireIids(database, now)
    case 'ack':
      return acknowledge(database, op, { ids: ids.map(streamId), ...given({ ifOwner: op.ifOwner }) }, now)
    case 'claim': {
      const { minIdle, ifOwner, idle, time, retry, force, justId, last } = op
      const options = given({
        ifOwner,
        idleMs: idle,
        timeMs: time,
        deliveries: retry,
        lastId: last === undefined ? undefined : streamId(last),
      })
      return claim(database, op, { ids: ids.map(streamId), minIdleMs: minIdle, force, justId, ...options }, now)
    }
    case 'auto-claim':
      return autoClaim(database, op, { ...op, minIdleMs: op.minIdle, from: streamId(op.from) }, now)
    case 'pending': {
      const query = {
        from: streamId(op.from),
        to: streamId(op.to),
        count: op.count,
        minIdleMs: op.minIdle,
        ...given({ consumer: op.consumer }),
      }
      return pendingEntries(database, op, query, now)
    }
    case 'summary':
      return pendingSummary(database, op, now)
    case 'remove':
      return removeKey(database, op.key, now)
    case 'expire':
      return expireAt(database, op.key, now + op.after, now)
    case 'persist':
      return persist(database, op.key, now)
    case 'sweep':
      return void database.sweep(now, 10)
    case 'clock':
    case 'leap':
      return undefined
  }
}

function runModel(model: PlainModel, op: Op, ids: readonly Id[], now: number): unknown {
  switch (op.op) {
    case 'add':
      return model.add(op.key, { ...op, ...given({ ifLast: op.ifLast, trim: op.trim }) } as never, now)
    case 'burst':
      return Array.from({ length: op.times }, (_, i) =>
        model.add(op.key, { id: i === 0 ? op.id : 'auto', fields: [...op.fields], noMk: false }, now),
      )
    case 'trim':
      return model.trim(op.key, op.trim, now)
    case 'delete':
      return model.delete(op.key, ids, now)
    case 'set-id':
      return model.setId(op.key, op as never, now)
    case 'range':
      return model.range(op.key, op, now)
    case 'read':
      return model.read(
        KEYS.map((key) => ({ key, from: op.from })),
        op,
        now,
      )
    case 'create-group':
      return model.createGroup(op.key, op.group, op as never, now)
    case 'set-group':
      return model.setGroup(op.key, op.group, op as never, now)
    case 'destroy-group':
      return model.destroyGroup(op.key, op.group, now)
    case 'create-consumer':
      return model.createConsumer(op.key, op.group, op.consumer, now)
    case 'delete-consumer':
      return model.deleteConsumer(op.key, op.group, op, now)
    case 'read-group':
      return model.readGroup(
        op.keys.map((key) => ({ key, from: op.from })),
        op,
        now,
      )
    case 'ack':
      return model.acknowledge(op.key, op.group, { ids, ...given({ ifOwner: op.ifOwner }) }, now)
    case 'claim':
      return model.claim(
        op.key,
        op,
        { ...(op as never as { minIdle: number; force: boolean; justId: boolean }), ids },
        now,
      )
    case 'auto-claim':
      return model.autoClaim(op.key, op, op, now)
    case 'pending':
      return model.pendingEntries(op.key, op.group, op as never, now)
    case 'summary':
      return model.pendingSummary(op.key, op.group, now)
    case 'remove':
      return model.remove(op.key, now)
    case 'expire':
      return model.expireAt(op.key, now + op.after, now)
    case 'persist':
      return model.persist(op.key, now)
    case 'delete-ex':
      return model.deleteEx(op.key, { ...op, ids }, now)
    case 'ack-delete':
      return model.ackDelete(op.key, op.group, { ...op, ids }, now)
    case 'nack':
      return model.nack(op.key, op.group, { ...op, ids }, now)
    case 'add-once':
      return model.addOnce(op.key, op as never, now)
    case 'configure':
      return model.configure(op.key, op as never, now)
    case 'record-iid':
      return model.recordIid(op.key, { ...op, id: ids[0]! }, now)
    case 'forget':
      return model.forget(now)
    case 'sweep':
    case 'clock':
    case 'leap':
      return undefined
  }
}

/** The answer, or the code of the refusal. */
function outcome(run: () => unknown): unknown {
  try {
    return plain(run())
  } catch (error) {
    if (error instanceof EngineError) return { refused: error.code }
    if (error instanceof PlainError) return { refused: error.message }
    throw error
  }
}

/** IDs and bytes as text. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if ('ms' in value && 'seq' in value) return formatId(value as StreamId)
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, name.startsWith('deliveries') ? told(member) : plain(member)]),
  )
}

/** A delivery count as a client is told it; the model has done that already. */
function told(count: unknown): unknown {
  return typeof count === 'number' ? String(deliveriesToBigint(count)) : count
}

function picture(database: Database, key: string, now: number): unknown {
  if (database.find(key, now) === undefined) return undefined
  const info = fullStreamInfo(database, key, Infinity, now)
  expect(info.entries.length).toBe(info.length)
  expect(length(database, key, now)).toBe(info.length)
  return plain({
    entries: info.entries,
    nodes: info.nodeCount,
    radix: radixTreeNodes(database, key, now),
    last: info.lastId,
    first: info.firstId,
    maxDeleted: info.maxDeletedId,
    added: info.entriesAdded,
    expires: info.expiresAtMs,
    idmp: info.idempotency,
    groups: info.groups.map((group) => {
      expect(group.pending.length).toBe(group.pendingCount)
      expect(group.pending.filter(({ deliveredAtMs }) => deliveredAtMs === 0).length).toBeGreaterThanOrEqual(
        group.nackedCount,
      )
      return {
        name: group.name,
        last: group.lastId,
        read: group.entriesRead,
        lag: group.lag,
        pending: group.pending.map(({ id, consumer, deliveredAtMs, deliveries }) => [
          id,
          consumer,
          deliveredAtMs,
          told(deliveries),
        ]),
        nacked: [...database.find(key, now)!.group(group.name)!.nacked()],
        consumers: group.consumers.map(({ name, seenMs, activeMs, pending, pendingCount }) => {
          expect(pending.length).toBe(pendingCount)
          return { name, seen: seenMs, active: activeMs, pending: pending.map(({ id }) => id) }
        }),
      }
    }),
  })
}

/** The text is compared first because it takes a tenth of the time. */
function same(ours: unknown, models: unknown): void {
  if (JSON.stringify(ours) !== JSON.stringify(models)) expect(ours).toEqual(models)
}

function checkHistory(hasGroup: boolean, ops: readonly Op[], cold?: ColdSegments): void {
  const onDisk = cold === undefined ? {} : { cold }
  const database = new Database({ nodeEntriesMax: NODE_ENTRIES_MAX, nodeBytesMax: 0, ...onDisk })
  const model = new PlainModel(NODE_ENTRIES_MAX)
  const changes: Change[] = []
  database.subscribe((change) => changes.push(copyChange(change)))
  let now = 10
  if (hasGroup) {
    createGroup(database, { key: 's', group: 'g' }, { from: { ms: 0n, seq: 0n }, mkStream: true }, now)
    model.createGroup('s', 'g', { from: 0n, mk: true }, now)
  }
  for (const op of ops) {
    if (op.op === 'clock' || op.op === 'leap') now += op.by
    const ids = 'nth' in op ? chosen(database, op.key, op.nth, now) : []
    same(
      outcome(() => runEngine(database, op, ids, now)),
      outcome(() => runModel(model, op, ids, now)),
    )
  }
  model.forget(now)
  const replayed = new Database({ nodeEntriesMax: 100, ...onDisk })
  for (const change of changes) replayed.apply(change)
  const copied = new Database(onDisk)
  for (const key of KEYS) {
    same(picture(database, key, now), plainPicture(model.find(key, now)))
    same(picture(replayed, key, now), plainPicture(model.find(key, now)))
    if (database.find(key, now) !== undefined) database.copyKey(key, copied, key)
    same(picture(copied, key, now), plainPicture(model.find(key, now)))
    for (const one of [database, replayed, copied]) removeKey(one, key, now)
  }
  for (const one of [database, replayed, copied]) expect(one.memoryBytes).toBe(0)
}

it(
  `agrees with the plain model in ${RUNS} histories, seed ${SEED}, and replays them exactly`,
  { timeout: 600_000 },
  () => {
    console.info(`model.fuzz: MILLRACE_SEED=${SEED} MILLRACE_RUNS=${RUNS}`)
    fc.assert(
      fc.property(
        fc.constantFrom(true, true, false),
        fc.array(opArb, { minLength: 5, maxLength: 60, size: 'max' }),
        (hasGroup, ops) => checkHistory(hasGroup, ops),
      ),
      {
        seed: SEED,
        numRuns: RUNS,
      },
    )
  },
)

it(`agrees with it in ${RUNS / 2} histories with all full segments on disk, seed ${SEED}`, { timeout: 600_000 }, () => {
  let spills = 0
  const check = (hasGroup: boolean, ops: readonly Op[], segmentRowsMax: number): void => {
    const cold = new ColdSegments({
      fs: new SimFs(undefined, { isRecorded: false }),
      directory: '/cold',
      memoryBytes: 0,
      cacheBytes: 0,
      fileBytes: 200,
      segmentBytesMin: 0,
      segmentRowsMax,
    })
    checkHistory(hasGroup, ops, cold)
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, residentBytes: 0, failure: undefined })
    spills += cold.info().spills
  }
  fc.assert(
    fc.property(
      fc.constantFrom(true, true, false),
      fc.array(opArb, { minLength: 5, maxLength: 60, size: 'max' }),
      fc.integer({ min: 1, max: 5 }),
      check,
    ),
    { seed: SEED, numRuns: RUNS / 2 },
  )
  expect(spills).toBeGreaterThan(RUNS)
})

/**
 * The Backend on the engine in this process: no server, no network.
 *
 *   verb ──► check arguments ──► engine function, now ──► serve the blocked reads ──► set the timers again
 *                                                                     └─ on a directory: told when it is safe (embedded-safety.ts)
 *
 *   timers   the earliest deadline of a blocked read (keeps the process alive)
 *            the earliest expiry of a stream (does not)
 *
 * Each verb is one call of the engine, which is synchronous: whatever it does is atomic by that alone.
 */

import * as engine from '@millrace/engine'
import type {
  AddManyOptions,
  AddOptions,
  Backend,
  ClaimOptions,
  ClaimResult,
  DeliveredEntry,
  Durability,
  Entry,
  EntryId,
  FieldValue,
  GroupOptions,
  GroupPosition,
  GroupReadOptions,
  PendingEntry,
  PendingOptions,
  RangeOptions,
  ReadOptions,
  ReadPosition,
  ReadResult,
  Step,
  StepResult,
  StreamInfo,
  Trim,
} from '../backend.ts'
import * as check from '../arguments.ts'
import * as codec from './embedded-codec.ts'
import { HotPaths } from './embedded-hot.ts'
import { inspectStream } from './embedded-inspect.ts'
import { StreamError } from '../errors.ts'
import { checkStep } from '../step-arguments.ts'
import { giveBack } from './embedded-give-back.ts'
import { consumerRef, groupFrom, groupRef } from './embedded-refs.ts'
import { OnceTicket } from './embedded-once.ts'
import { EmbeddedStep } from './embedded-step.ts'
import { trimAcked } from './embedded-trim-acked.ts'
import { type Effect, Safety } from './embedded-safety.ts'
import { EmbeddedWaits } from './embedded-waits.ts'
import { toStreamError } from './embedded-errors.ts'

export interface EmbeddedBackendOptions {
  /** Clock and timers. Default: Node's. */
  readonly env?: engine.Env
  /** What keeps the data, opened with the same clock; closed with the backend. Default: nothing does. */
  readonly store?: engine.Store
}

const COUNT = 100
const NO_OPTIONS: AddOptions = {}

export class EmbeddedBackend implements Backend {
  readonly label: string
  readonly kind = 'embedded'
  readonly #env: engine.Env
  readonly #database: engine.Database
  /** Undefined: all is in memory, and what has happened can be told at once. */
  readonly #safety: Safety | undefined
  readonly #waits: EmbeddedWaits
  readonly #hot: HotPaths
  #closed: Promise<void> | undefined = undefined
  /** The stream of the last plain add and its key: mostly it is the same again. */
  #addedStream = ''
  #addedKey = ''

  constructor(options: EmbeddedBackendOptions = {}) {
    const { env = engine.nodeEnv, store } = options
    this.#env = env
    this.label = store === undefined ? 'embedded' : 'embedded (on disk)'
    this.#safety = store && new Safety(store)
    this.#database = store?.databases.at(0) ?? new engine.Database()
    this.#hot = new HotPaths(this.#database)
    this.#waits = new EmbeddedWaits(this.#database, this.#env)
  }

  async add(
    stream: string,
    fields: readonly FieldValue[],
    options: AddOptions = NO_OPTIONS,
  ): Promise<EntryId | undefined> {
    check.checkAdd(stream, fields, options)
    if (options === NO_OPTIONS) {
      const added = this.#addPlain(stream, fields)
      if (added !== undefined) {
        if (this.#safety !== undefined) await this.#safety.settled('growth')
        return added
      }
    }
    const { id, noMkStream, ifLastId, trim, expireMs, once } = options
    this.#requireDurability(options.durability)
    const key = codec.toByteString(stream)
    const entry = {
      key,
      fields: fields.map(codec.toBytes),
      ...(id === undefined ? {} : { id: engine.parseNewId(id) }),
      ...(noMkStream === undefined ? {} : { noMkStream }),
      ...(ifLastId === undefined ? {} : { ifLastId: codec.toStreamId(ifLastId) }),
      ...(trim === undefined ? {} : { trim: codec.toTrimRule(trim) }),
    }
    const ticket = once && new OnceTicket(stream, once)
    return this.#run('growth', (nowMs) => {
      const known = ticket?.known(this.#database, nowMs)
      if (known !== undefined) return known
      const added = engine.append(this.#database, entry, nowMs)
      if (added === undefined) return undefined
      if (expireMs !== undefined) this.#expire(key, expireMs, nowMs)
      const addedId = codec.toEntryId(added)
      ticket?.remember(this.#database, addedId, nowMs)
      return addedId
    })
  }

  async addMany(
    stream: string,
    entries: readonly (readonly FieldValue[])[],
    options: AddManyOptions = NO_OPTIONS,
  ): Promise<EntryId[]> {
    check.checkAddMany(stream, entries, options)
    const { trim, expireMs } = options
    const key = codec.toByteString(stream)
    const batch = { key, entries, trim: trim && codec.toTrimRule(trim) }
    return this.#run('growth', (nowMs) => {
      const ids = this.#hot.addMany(batch, nowMs)
      if (ids.length > 0 && expireMs !== undefined) this.#expire(key, expireMs, nowMs)
      return ids
    })
  }

  async range(stream: string, options: RangeOptions = {}): Promise<readonly Entry[]> {
    check.checkRange(stream, options)
    const bounds = codec.toBounds(options.from ?? '-', options.to ?? '+')
    const count = options.count ?? Infinity
    const query = { key: codec.toByteString(stream), ...bounds, count, reverse: options.reverse === true }
    return this.#run('none', (nowMs) =>
      bounds === undefined ? [] : engine.range(this.#database, query, nowMs).map(codec.toEntry),
    )
  }

  async read(positions: ReadonlyMap<string, ReadPosition>, options: ReadOptions = {}): Promise<ReadResult> {
    check.checkPositions(positions, ['$', '+'])
    check.checkRead(options)
    const count = options.count ?? COUNT
    const wanted = [...positions].map(([stream, position]) => ({
      key: codec.toByteString(stream),
      from: codec.toReadFrom(position),
    }))
    const fixed = this.#call((nowMs) => engine.fixPositions(this.#database, wanted, nowMs))
    return await this.#read('none', options, {
      keys: wanted.map(({ key }) => key),
      isGroupRead: false,
      read: (nowMs) => codec.toReadResult(engine.read(this.#database, fixed, count, nowMs), codec.toEntry),
    })
  }

  async trim(stream: string, trim: Trim): Promise<number> {
    check.checkName('stream', stream)
    check.checkTrim(trim)
    if (trim.acked === true) {
      const key = codec.toByteString(stream)
      return this.#run('change', (nowMs) => trimAcked(this.#database, { key, trim }, nowMs))
    }
    const rule = codec.toTrimRule(trim)
    return this.#run('change', (nowMs) => engine.trim(this.#database, codec.toByteString(stream), rule, nowMs))
  }

  async delete(stream: string, ids: readonly EntryId[]): Promise<number> {
    check.checkName('stream', stream)
    check.checkIds(ids)
    const wanted = ids.map(codec.toStreamId)
    return this.#run('change', (nowMs) =>
      engine.deleteEntries(this.#database, codec.toByteString(stream), wanted, nowMs),
    )
  }

  async expire(stream: string, afterMs: number): Promise<boolean> {
    check.checkName('stream', stream)
    check.checkInteger('afterMs', afterMs, 0)
    const key = codec.toByteString(stream)
    return this.#run('change', (nowMs) => this.#expire(key, afterMs, nowMs))
  }

  async inspect(stream: string): Promise<StreamInfo | undefined> {
    check.checkName('stream', stream)
    return this.#run('none', (nowMs) => inspectStream(this.#database, codec.toByteString(stream), nowMs))
  }

  async createGroup(stream: string, group: string, options: GroupOptions = {}): Promise<boolean> {
    const from = options.from ?? ('0-0' as EntryId)
    const ref = groupRef(stream, group)
    const create = { from: groupFrom(from), mkStream: options.mkStream !== false }
    return this.#run('change', (nowMs) => {
      // A group that is there takes no space: workers ask for theirs when they begin, also on a full disk.
      if (this.#safety !== undefined && !this.#hasGroup(ref, nowMs)) this.#safety.admit('growth')
      try {
        engine.createGroup(this.#database, ref, create, nowMs)
        return true
      } catch (error) {
        if (error instanceof engine.EngineError && error.code === 'GROUP_EXISTS') return false
        throw error
      }
    })
  }

  async setGroup(stream: string, group: string, from: EntryId | '$'): Promise<void> {
    const ref = groupRef(stream, group)
    const options = { from: groupFrom(from) }
    return this.#run('change', (nowMs) => engine.setGroup(this.#database, ref, options, nowMs), 'GROUP_NOT_FOUND')
  }

  async destroyGroup(stream: string, group: string): Promise<boolean> {
    const ref = groupRef(stream, group)
    return this.#run('change', (nowMs) => {
      const isThere = this.#database.find(ref.key, nowMs) !== undefined
      return isThere && engine.destroyGroup(this.#database, ref, nowMs)
    })
  }

  async deleteConsumer(stream: string, group: string, consumer: string): Promise<boolean> {
    const ref = consumerRef(stream, group, consumer)
    const onlyIfIdle = { onlyIfIdle: true }
    return this.#run(
      'change',
      (nowMs) => engine.deleteConsumer(this.#database, ref, onlyIfIdle, nowMs) !== undefined,
      'GROUP_NOT_FOUND',
    )
  }

  async readGroup(
    reader: { readonly group: string; readonly consumer: string },
    positions: ReadonlyMap<string, GroupPosition>,
    options: GroupReadOptions = {},
  ): Promise<ReadResult<DeliveredEntry>> {
    check.checkName('group', reader.group)
    check.checkName('consumer', reader.consumer)
    check.checkPositions(positions, ['>'])
    check.checkRead(options)
    const query: engine.ReadGroupQuery = {
      group: codec.toByteString(reader.group),
      consumer: codec.toByteString(reader.consumer),
      positions: [...positions].map(([stream, position]) => ({
        key: codec.toByteString(stream),
        from: codec.toReadGroupFrom(position),
      })),
      count: options.count ?? COUNT,
      noAck: options.noAck === true,
    }
    // As Redis: a read of history (an ID, not '>') never waits.
    const isHistory = query.positions.some(({ from }) => from !== '>')
    const { blockMs, ...unblocked } = options
    const waits = isHistory || blockMs === undefined ? unblocked : options
    return await this.#read('change', waits, {
      keys: query.positions.map(({ key }) => key),
      isGroupRead: true,
      read: (nowMs) => this.#readGroup(query, nowMs),
    })
  }

  async settle(stream: string, group: string, consumer: string, ids: readonly EntryId[]): Promise<readonly EntryId[]> {
    const ref = consumerRef(stream, group, consumer)
    return this.#run('change', (nowMs) => {
      // What the hot path takes are IDs; whatever else came is looked at by the check.
      if (Array.isArray(ids) && this.#hot.settle(ref, ids, nowMs)) return [...ids]
      check.checkIds(ids)
      const what = { ids: ids.map(codec.toStreamId), ifOwner: ref.consumer }
      engine.requireGroup(this.#database.find(ref.key, nowMs), ref)
      return engine.acknowledge(this.#database, ref, what, nowMs).map(codec.toEntryId)
    })
  }

  async claim(stream: string, group: string, consumer: string, options: ClaimOptions): Promise<ClaimResult> {
    const ref = consumerRef(stream, group, consumer)
    check.checkClaim(options)
    const { minIdleMs, ids, ifOwner, idleMs, from, count = COUNT } = options
    const justId = options.justId === true
    if (options.uncount === true)
      return this.#run('change', (nowMs) => giveBack(this.#database, { ref, options }, nowMs))
    const ofIds = {
      ids: (ids ?? []).map(codec.toStreamId),
      ...(ifOwner === undefined ? {} : { ifOwner: codec.toByteString(ifOwner) }),
      ...(idleMs === undefined ? {} : { idleMs }),
    }
    const ofScan = { count, ...(from === undefined ? {} : { from: codec.toStreamId(from) }) }
    return this.#run('change', (nowMs) => {
      const result: engine.AutoClaimResult =
        ids === undefined
          ? engine.autoClaim(this.#database, ref, { ...ofScan, minIdleMs, justId }, nowMs)
          : { ...engine.claim(this.#database, ref, { ...ofIds, minIdleMs, justId }, nowMs), next: engine.ID_ZERO }
      return {
        entries: result.entries.map((entry) => ({ ...codec.toDeliveredEntry(entry), deliveries: entry.deliveries })),
        deleted: result.deleted.map(codec.toEntryId),
        next: codec.toEntryId(result.next),
      }
    })
  }

  async pending(stream: string, group: string, options: PendingOptions = {}): Promise<readonly PendingEntry[]> {
    const ref = groupRef(stream, group)
    check.checkPending(options)
    const { consumer, minIdleMs = 0, count = COUNT } = options
    const bounds = codec.toBounds(options.from ?? '-', options.to ?? '+')
    const owner = consumer === undefined ? {} : { consumer: codec.toByteString(consumer) }
    const query = { ...bounds, ...owner, minIdleMs, count: bounds === undefined ? 0 : count }
    return this.#run('none', (nowMs) =>
      engine.pendingEntries(this.#database, ref, query, nowMs).map((entry) => ({
        id: codec.toEntryId(entry.id),
        consumer: codec.fromByteString(entry.consumer),
        idleMs: entry.idleMs,
        deliveries: entry.deliveries,
      })),
    )
  }

  async step(step: Step): Promise<StepResult> {
    checkStep(step)
    return this.#run('growth', (nowMs) => new EmbeddedStep(this.#database, nowMs).take(step), 'GROUP_NOT_FOUND')
  }

  /** What was asked before is answered. `UNAVAILABLE`: on a directory, not all of it could be made durable. */
  async close(): Promise<void> {
    this.#closed ??= this.#close()
    return await this.#closed
  }

  async #close(): Promise<void> {
    this.#waits.close()
    try {
      await this.#safety?.close()
    } catch (error) {
      throw toStreamError(error, 'STREAM_NOT_FOUND')
    }
  }

  /** What there is beside this process's memory: nothing, or a directory whose promise is the store's. */
  #requireDurability(durability: Durability | undefined): void {
    if (durability === undefined || durability === 'memory') return
    if (durability === 'fsync' && this.#safety?.isSynced === true) return
    const why = durability === 'fsync' ? 'open a directory with fsync: always' : 'the embedded engine has no replicas'
    throw new StreamError('UNSUPPORTED', `Expected a durability that the embedded engine can keep: ${why}`)
  }

  #hasGroup(ref: engine.GroupRef, nowMs: number): boolean {
    return this.#database.find(ref.key, nowMs)?.group(ref.group) !== undefined
  }

  /** Hot: written out, since a closure for `#run` would be made for each entry. */
  #addPlain(stream: string, fields: readonly FieldValue[]): EntryId | undefined {
    if (this.#closed !== undefined) throw closedError()
    this.#safety?.admit('growth')
    if (stream !== this.#addedStream) {
      this.#addedStream = stream
      this.#addedKey = codec.toByteString(stream)
    }
    const nowMs = this.#env.nowMs()
    try {
      return this.#hot.add(this.#addedKey, fields, nowMs)
    } catch (error) {
      throw toStreamError(error, 'STREAM_NOT_FOUND')
    } finally {
      this.#waits.settle(nowMs)
    }
  }

  #readGroup(query: engine.ReadGroupQuery, nowMs: number): ReadResult<DeliveredEntry> {
    const { group, consumer, positions, count, noAck } = query
    const only = positions[0]!
    if (positions.length > 1 || only.from !== '>') {
      return codec.toReadResult(engine.readGroup(this.#database, query, nowMs), codec.toDeliveredEntry)
    }
    const entries = this.#hot.deliver({ key: only.key, group, consumer, count, noAck: noAck === true }, nowMs)
    return entries.length === 0 ? new Map() : new Map([[codec.fromByteString(only.key), entries]])
  }

  #expire(key: string, afterMs: number, nowMs: number): boolean {
    return engine.expireAt(this.#database, key, Math.min(nowMs + afterMs, Number.MAX_SAFE_INTEGER), nowMs)
  }

  /** One engine call as a verb; on a directory its outcome is told when it is safe. It has been called when this returns. */
  #run<T>(effect: Effect, call: (nowMs: number) => T, missingKey: MissingKey = 'STREAM_NOT_FOUND'): T | Promise<T> {
    if (this.#safety === undefined) return this.#call(call, missingKey)
    this.#requireOpen()
    this.#safety.admit(effect)
    return this.#safety.run(effect, () => this.#call(call, missingKey))
  }

  /** Now, all of it, then whoever waited for it. */
  #call<T>(call: (nowMs: number) => T, missingKey: MissingKey = 'STREAM_NOT_FOUND'): T {
    this.#requireOpen()
    const nowMs = this.#env.nowMs()
    try {
      return call(nowMs)
    } catch (error) {
      throw toStreamError(error, missingKey)
    } finally {
      this.#waits.settle(nowMs)
    }
  }

  async #read<E>(effect: Effect, options: ReadOptions, reading: Reading<E>): Promise<ReadResult<E>> {
    options.signal?.throwIfAborted()
    if (this.#safety === undefined) return this.#readOrWait(options, reading)
    this.#requireOpen()
    this.#safety.admit(effect)
    return await this.#safety.run(effect, () => this.#readOrWait(options, reading))
  }

  /** Nothing comes between the look and the wait. */
  #readOrWait<E>(options: ReadOptions, reading: Reading<E>): ReadResult<E> | Promise<ReadResult<E>> {
    const found = this.#call(reading.read)
    const { blockMs, signal } = options
    if (found.size > 0 || blockMs === undefined) return found
    return this.#waits.wait({ ...reading, signal, blockMs })
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw closedError()
  }
}

type MissingKey = 'STREAM_NOT_FOUND' | 'GROUP_NOT_FOUND'

interface Reading<E> {
  readonly keys: readonly string[]
  readonly isGroupRead: boolean
  /** The read itself, without waiting. */
  readonly read: (nowMs: number) => ReadResult<E>
}

function closedError(): StreamError {
  return new StreamError('CLOSED', 'The embedded backend is closed')
}

/**
 * The Backend on a server that speaks Redis: Redis, Valkey, Dragonfly, or a Redis Cluster.
 *
 *   RedisBackend ──► RedisClient      commands, one shared connection (per node of a Cluster)
 *        └────────► RedisReader ──► BlockedReads   one connection per blocked read, pooled
 *
 * A verb is one command, or one small script where two steps must be one (scripts/).
 */

import type {
  Action,
  AddManyOptions,
  AddOptions,
  Backend,
  ClaimOptions,
  ClaimResult,
  DeliveredEntry,
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
import { StreamError } from '../errors.ts'
import { hashTag } from '../sibling-key.ts'
import { checkStep, stepKeys } from '../step-arguments.ts'
import { parseRedisUrl, type RedisAddress } from './redis-address.ts'
import { BlockedReads } from './redis-blocked-read.ts'
import { type ClientOptions, closedError, type CommandArgument, type Effect, RedisClient } from './redis-client.ts'
import { warnOfEviction } from './eviction-warning.ts'
import { isReply, toStreamError } from './redis-errors.ts'
import { RedisReader, type ReadKind } from './redis-reader.ts'
import * as replies from './redis-replies.ts'
import { runScript, type Script } from './redis-script.ts'
import { DurableAdds } from './durable-adds.ts'
import { sendAdd } from './send-add.ts'
import { trimAcked } from './trim-acked.ts'
import { SCRIPT_ARGUMENTS_MAX } from './scripts/add.ts'
import { claimIdsScript } from './scripts/claim-ids.ts'
import { claimScanScript } from './scripts/claim-scan.ts'
import { deleteConsumerScript } from './scripts/delete-consumer.ts'
import { expireScript } from './scripts/expire.ts'
import { inspectScript } from './scripts/inspect.ts'
import { settleScript } from './scripts/settle.ts'
import { probeKey, stepScript } from './scripts/step.ts'
import { trimAckedScript } from './scripts/trim-acked.ts'
import { requireOneSlot } from './one-slot.ts'

export interface RedisBackendOptions extends ClientOptions {
  /** How many blocked reads may be open at once, each a connection. Default 256. */
  readonly blockedReadsMax?: number
  /** On a Cluster: a read over more slots than this looks every 25 ms instead of blocking in each. Default 16. */
  readonly blockedSlotsMax?: number
}

const COUNT = 100

export class RedisBackend implements Backend {
  readonly label: string
  readonly kind: 'redis' | 'cluster'
  readonly #client: RedisClient
  readonly #blocked: BlockedReads
  readonly #reader: RedisReader
  readonly #durable: DurableAdds
  #isClosed = false

  /** Use `RedisBackend.connect`. */
  private constructor(client: RedisClient, label: string, options: RedisBackendOptions) {
    this.label = label
    this.kind = client.isCluster ? 'cluster' : 'redis'
    this.#client = client
    this.#blocked = new BlockedReads(options, options.blockedReadsMax ?? 256)
    this.#reader = new RedisReader(client, this.#blocked, options.blockedSlotsMax ?? 16)
    this.#durable = new DurableAdds(client, this.#blocked)
  }

  /**
   * Connects to one server, or to a Cluster: several nodes, or a single one that says it is part of a Cluster.
   * Rejects with `UNAVAILABLE` when that takes longer than `connectMs` (5 s), with `BAD_ARGUMENT` for a bad URL.
   */
  static async connect(urls: readonly string[], options: RedisBackendOptions = {}): Promise<RedisBackend> {
    const addresses = urls.map(parseRedisUrl)
    const [first, ...others] = addresses
    if (first === undefined) throw new StreamError('BAD_ARGUMENT', 'Expected the URL of a Redis, got none')
    if (others.length > 0) return await RedisBackend.#cluster(addresses, options)
    const client = await RedisClient.toServer(first, options)
    const info = await infoOf(client)
    if (!/^cluster_enabled:1/m.test(info)) return await RedisBackend.#on(client, serverLabel(info), options)
    await client.close()
    return await RedisBackend.#cluster([first], options)
  }

  static async #cluster(addresses: readonly RedisAddress[], options: RedisBackendOptions): Promise<RedisBackend> {
    if (addresses.some((address) => address.db !== undefined)) {
      throw new StreamError(
        'BAD_ARGUMENT',
        'A Redis Cluster has no numbered databases: leave the number out of the URL',
      )
    }
    const client = await RedisClient.toCluster(addresses, options)
    return await RedisBackend.#on(client, `redis cluster (${client.masterCount} nodes)`, options)
  }

  static async #on(client: RedisClient, label: string, options: RedisBackendOptions): Promise<RedisBackend> {
    if (options.onEvent !== undefined) await warnOfEviction(client, options.onEvent)
    return new RedisBackend(client, label, options)
  }

  async add(stream: string, fields: readonly FieldValue[], options: AddOptions = {}): Promise<EntryId | undefined> {
    check.checkAdd(stream, fields, options)
    return await this.#add(stream, addArguments(fields, options), options)
  }

  async addMany(
    stream: string,
    entries: readonly (readonly FieldValue[])[],
    options: AddManyOptions = {},
  ): Promise<EntryId[]> {
    check.checkAddMany(stream, entries, options)
    if (this.#isClosed) throw closedError()
    const commands = entries.map((fields) => addArguments(fields, options))
    // All are waited for, so that nothing is on its way any more when it is over.
    const results = await Promise.allSettled(commands.map(async (rest) => await this.#add(stream, rest, options)))
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason
      // Only NOMKSTREAM, which is not offered here, resolves without an ID.
      return result.value!
    })
  }

  async range(stream: string, options: RangeOptions = {}): Promise<readonly Entry[]> {
    check.checkRange(stream, options)
    const bounds = [options.from ?? '-', options.to ?? '+']
    const count = options.count === undefined ? [] : ['COUNT', options.count]
    const [name, ends] = options.reverse === true ? ['xrevrange', bounds.toReversed()] : ['xrange', bounds]
    try {
      return replies.entries(await this.#send(name as string, [stream, ...ends!, ...count], 'none', stream))
    } catch (error) {
      // An exclusive bound at the very edge of the 64-bit range: nothing lies beyond it.
      if (error instanceof StreamError && String(error.cause).includes('ID for the interval')) return []
      throw error
    }
  }

  async read(positions: ReadonlyMap<string, ReadPosition>, options: ReadOptions = {}): Promise<ReadResult> {
    check.checkPositions(positions, ['$', '+'])
    check.checkRead(options)
    const found = await this.#read({ name: 'xread', head: [], effect: 'none' }, positions, options)
    return found as ReadResult
  }

  async trim(stream: string, trim: Trim): Promise<number> {
    check.checkName('stream', stream)
    check.checkTrim(trim)
    if (trim.acked === true)
      return await trimAcked(trim, async (piece) => await this.#script(trimAckedScript, stream, piece))
    return Number(await this.#send('xtrim', [stream, ...trimArguments(trim)], 'write', stream))
  }

  async delete(stream: string, ids: readonly EntryId[]): Promise<number> {
    check.checkName('stream', stream)
    check.checkIds(ids)
    if (ids.length === 0) return 0
    return Number(await this.#send('xdel', [stream, ...ids], 'write', stream))
  }

  async expire(stream: string, afterMs: number): Promise<boolean> {
    check.checkName('stream', stream)
    check.checkInteger('afterMs', afterMs, 0)
    return (await this.#script(expireScript, stream, { afterMs })) === 1
  }

  async inspect(stream: string): Promise<StreamInfo | undefined> {
    check.checkName('stream', stream)
    return replies.streamInfo(await this.#script(inspectScript, stream, {}))
  }

  async createGroup(stream: string, group: string, options: GroupOptions = {}): Promise<boolean> {
    checkGroup(stream, group, options.from ?? '0-0')
    const make = options.mkStream === false ? [] : ['MKSTREAM']
    try {
      await this.#send('xgroup', ['CREATE', stream, group, options.from ?? '0-0', ...make], 'write', stream)
      return true
    } catch (error) {
      if (error instanceof StreamError && String(error.cause).includes('BUSYGROUP')) return false
      throw error
    }
  }

  async setGroup(stream: string, group: string, from: EntryId | '$'): Promise<void> {
    checkGroup(stream, group, from)
    await this.#ofGroup(stream, group, this.#send('xgroup', ['SETID', stream, group, from], 'write', stream))
  }

  async destroyGroup(stream: string, group: string): Promise<boolean> {
    checkGroup(stream, group, '$')
    try {
      return (await this.#send('xgroup', ['DESTROY', stream, group], 'write', stream)) === 1
    } catch (error) {
      if (error instanceof StreamError && error.code === 'STREAM_NOT_FOUND') return false
      throw error
    }
  }

  async deleteConsumer(stream: string, group: string, consumer: string): Promise<boolean> {
    checkConsumer(stream, group, consumer)
    return (await this.#script(deleteConsumerScript, stream, { group, consumer })) === 1
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
    const head = ['GROUP', reader.group, reader.consumer, ...(options.noAck === true ? ['NOACK'] : [])]
    // As Redis: a read of history (an ID, not '>') never waits.
    const { blockMs, ...unblocked } = options
    const isNew = [...positions.values()].every((position) => position === '>')
    const waits = isNew && blockMs !== undefined ? { ...unblocked, blockMs } : unblocked
    return await this.#read({ name: 'xreadgroup', head, effect: 'write' }, positions, waits)
  }

  async settle(stream: string, group: string, consumer: string, ids: readonly EntryId[]): Promise<readonly EntryId[]> {
    checkConsumer(stream, group, consumer)
    check.checkIds(ids)
    const settled = await this.#script(settleScript, stream, { group, consumer, ids })
    return typeof settled === 'number' ? [...ids] : (settled as unknown[]).map(replies.entryId)
  }

  async claim(stream: string, group: string, consumer: string, options: ClaimOptions): Promise<ClaimResult> {
    checkConsumer(stream, group, consumer)
    check.checkClaim(options)
    const { minIdleMs, ids, ifOwner, idleMs } = options
    const justId = options.justId === true
    const uncount = options.uncount === true
    const reply =
      ids === undefined
        ? this.#script(claimScanScript, stream, {
            group,
            consumer,
            minIdleMs,
            justId,
            from: options.from ?? '0-0',
            count: options.count ?? COUNT,
          })
        : this.#script(claimIdsScript, stream, { group, consumer, minIdleMs, ids, ifOwner, idleMs, justId, uncount })
    return replies.claimResult(await reply)
  }

  async pending(stream: string, group: string, options: PendingOptions = {}): Promise<readonly PendingEntry[]> {
    checkGroup(stream, group, '$')
    check.checkPending(options)
    const idle = options.minIdleMs === undefined ? [] : ['IDLE', options.minIdleMs]
    const consumer = options.consumer === undefined ? [] : [options.consumer]
    const range = [options.from ?? '-', options.to ?? '+', options.count ?? COUNT]
    return replies.pendingEntries(
      await this.#send('xpending', [stream, group, ...idle, ...range, ...consumer], 'none', stream),
    )
  }

  async step(step: Step): Promise<StepResult> {
    checkStep(step)
    const keys = stepKeys(step)
    const [first = 'time'] = keys
    if (this.kind === 'cluster') requireOneSlot(keys)
    const all = [probeKey(first, hashTag(first)), ...keys]
    const trimOf = ({ trim }: Action & { readonly kind: 'append' }): CommandArgument[] =>
      trim === undefined ? [] : trimArguments(trim)
    const reply = await this.#script(stepScript, all, { step, keys, trimOf })
    return replies.stepResult(step, reply)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#reader.close()
    await this.#client.close()
    this.#blocked.close()
  }

  /** `rest`: what stands behind the name of the stream. */
  async #add(stream: string, rest: readonly CommandArgument[], options: AddOptions): Promise<EntryId | undefined> {
    if (this.#isClosed) throw closedError()
    const { durability } = options
    try {
      const id =
        durability === undefined || durability === 'memory'
          ? await sendAdd(this.#client, { stream, rest, options })
          : await this.#durable.add({ stream, rest, options }, durability)
      return id === null ? undefined : replies.entryId(id)
    } catch (error) {
      throw toStreamError(error, `XADD of '${stream}'`)
    }
  }

  async #send(name: string, args: readonly CommandArgument[], effect: Effect, stream: string): Promise<unknown> {
    if (this.#isClosed) throw closedError()
    try {
      return await this.#client.send(name, args, effect)
    } catch (error) {
      throw toStreamError(error, `${name.toUpperCase()} of '${stream}'`)
    }
  }

  async #script<A>(script: Script<A>, keys: string | readonly string[], named: A): Promise<unknown> {
    if (this.#isClosed) throw closedError()
    try {
      return await runScript(this.#client, script, keys, named)
    } catch (error) {
      throw toStreamError(error, `'${typeof keys === 'string' ? keys : (keys[1] ?? '')}'`)
    }
  }

  async #read(
    kind: ReadKind,
    positions: ReadonlyMap<string, string>,
    options: ReadOptions,
  ): Promise<ReadResult<DeliveredEntry>> {
    if (this.#isClosed) throw closedError()
    try {
      return await this.#reader.read(kind, positions, options)
    } catch (error) {
      if (!isReply(error)) throw error
      throw toStreamError(
        error,
        `${kind.name.toUpperCase()} of ${[...positions.keys()].map((name) => `'${name}'`).join(', ')}`,
      )
    }
  }

  /** XGROUP on a missing stream speaks of the stream; for the caller it is the group that is missing. */
  async #ofGroup(stream: string, group: string, sent: Promise<unknown>): Promise<unknown> {
    try {
      return await sent
    } catch (error) {
      if (!(error instanceof StreamError) || error.code !== 'STREAM_NOT_FOUND') throw error
      throw new StreamError('GROUP_NOT_FOUND', `No group '${group}' on '${stream}': there is no such stream`, {
        cause: error,
      })
    }
  }
}

/** A client whose server cannot be asked is closed again: nobody else holds it. */
async function infoOf(client: RedisClient): Promise<string> {
  try {
    return String(await client.send('info', [], 'none'))
  } catch (error) {
    await client.close()
    throw toStreamError(error, 'INFO')
  }
}

function checkGroup(stream: string, group: string, from: string): void {
  check.checkName('stream', stream)
  check.checkName('group', group)
  if (from !== '$') check.checkId(from, 'from ($ or an entry ID)')
}

function checkConsumer(stream: string, group: string, consumer: string): void {
  check.checkName('stream', stream)
  check.checkName('group', group)
  check.checkName('consumer', consumer)
}

/** Options, ID and fields of an XADD; refused where they are too many for the script that the options need. */
function addArguments(fields: readonly FieldValue[], options: AddOptions): CommandArgument[] {
  const rest = [
    ...(options.noMkStream === true ? ['NOMKSTREAM'] : []),
    ...(options.trim === undefined ? [] : trimArguments(options.trim)),
    options.id ?? '*',
    ...fields.map(argument),
  ]
  const isScript = options.ifLastId !== undefined || options.expireMs !== undefined || options.once !== undefined
  if (isScript && rest.length > SCRIPT_ARGUMENTS_MAX) {
    const text = `Expected at most ${SCRIPT_ARGUMENTS_MAX} names and values with ifLastId, expireMs or once, got ${rest.length}`
    throw new StreamError('BAD_ARGUMENT', text)
  }
  return rest
}

function trimArguments(trim: Trim): CommandArgument[] {
  const [word, threshold] = trim.maxLen === undefined ? ['MINID', trim.minId!] : ['MAXLEN', trim.maxLen]
  const limit = trim.limit === undefined ? [] : ['LIMIT', trim.limit]
  return [word, trim.approximate === true ? '~' : '=', threshold, ...limit]
}

function argument(value: FieldValue): CommandArgument {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function serverLabel(info: string): string {
  for (const name of ['dragonfly', 'valkey', 'redis']) {
    const version = new RegExp(`^${name}_version:(?:df-v?)?([\\d.]+)`, 'm').exec(info)?.[1]
    if (version !== undefined) return `${name} ${version}`
  }
  return 'redis'
}

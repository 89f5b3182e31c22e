/**
 * What the engine should do, written as plainly as possible: arrays, maps, no index, no packing. The model test runs the
 * same history here and there and compares every answer. For tests only.
 */

import {
  plainAckDelete,
  plainDeleteEx,
  plainFindIid,
  plainForget,
  plainNack,
  plainRecord,
  type PlainNack,
  type PlainReferences,
} from './plain-newer.ts'
import { plainTrim, type PlainTrim } from './plain-trim.ts'
import { plainRead, plainReadGroup, type PlainLimits, type PlainReader } from './plain-read.ts'
import {
  consumerOf,
  fieldsOf,
  idOf,
  more,
  owned,
  removeEntry,
  show,
  sorted,
  type Id,
  type PlainGroup,
  type PlainStream,
} from './plain-stream.ts'

export class PlainError extends Error {}

const SEQ_MAX = 2n ** 64n - 1n
const ID_MAX = 2n ** 128n - 1n
const unique = (ids: readonly Id[]): Id[] => [...new Set(ids)]

function fail(code: string): never {
  throw new PlainError(code)
}

export class PlainModel {
  readonly #keys = new Map<string, PlainStream>()
  readonly #nodeEntriesMax: number
  #ticks = 0

  constructor(nodeEntriesMax: number) {
    this.#nodeEntriesMax = nodeEntriesMax
  }

  find(key: string, now: number): PlainStream | undefined {
    const stream = this.#keys.get(key)
    if (stream?.expires !== undefined && stream.expires <= now) this.#keys.delete(key)
    return this.#keys.get(key)
  }

  #require(key: string, now: number): PlainStream {
    return this.find(key, now) ?? fail('NO_SUCH_KEY')
  }

  #group(key: string, name: string, now: number): { stream: PlainStream; group: PlainGroup } {
    const stream = this.find(key, now)
    const group = stream?.groups.get(name)
    return stream === undefined || group === undefined ? fail('NO_GROUP') : { stream, group }
  }

  #create(key: string): PlainStream {
    const stream: PlainStream = {
      entries: [],
      nodes: [],
      last: 0n,
      maxDeleted: 0n,
      added: 0,
      groups: new Map(),
      idmp: { duration: 100, max: 100, sent: new Map(), added: 0, duplicates: 0 },
      expires: undefined,
    }
    this.#keys.set(key, stream)
    return stream
  }

  add(
    key: string,
    what: { id: 'auto' | { ms: bigint } | Id; fields: string[]; noMk: boolean; ifLast?: Id; trim?: PlainTrim },
    now: number,
  ): string | undefined {
    if (what.id === 0n) fail('ID_ZERO')
    const found = this.find(key, now)
    if (found === undefined && what.noMk) return undefined
    const last = found?.last ?? 0n
    if (what.ifLast !== undefined && what.ifLast !== last) fail('LAST_ID_MISMATCH')
    if (last === ID_MAX) fail('IDS_EXHAUSTED')
    let id: Id
    if (what.id === 'auto') id = BigInt(now) > last >> 64n ? idOf(BigInt(now), 0n) : last + 1n
    else if (typeof what.id === 'bigint') id = what.id
    else if (what.id.ms > last >> 64n) id = idOf(what.id.ms, 0n)
    else id = what.id.ms === last >> 64n && (last & SEQ_MAX) !== SEQ_MAX ? last + 1n : 0n
    if (id <= last) fail('ID_TOO_SMALL')
    const stream = found ?? this.#create(key)
    stream.entries.push({ id, fields: what.fields })
    const tail = stream.nodes.at(-1)
    if (tail === undefined || tail.ids.length >= this.#nodeEntriesMax) stream.nodes.push({ ids: [id], live: 1 })
    else {
      tail.ids.push(id)
      tail.live++
    }
    stream.last = id
    stream.added++
    if (what.trim !== undefined) plainTrim(stream, what.trim, this.#nodeEntriesMax)
    return show(id)
  }

  trim(key: string, trim: PlainTrim, now: number): number {
    const stream = this.find(key, now)
    return stream === undefined ? 0 : plainTrim(stream, trim, this.#nodeEntriesMax)
  }

  delete(key: string, ids: readonly Id[], now: number): number {
    const stream = this.find(key, now)
    let count = 0
    for (const id of ids) {
      const index = stream?.entries.findIndex((entry) => entry.id === id) ?? -1
      if (stream === undefined || index < 0) continue
      removeEntry(stream, id)
      if (id > stream.maxDeleted) stream.maxDeleted = id
      count++
    }
    return count
  }

  setId(key: string, what: { last: Id; added?: number; maxDeleted?: Id }, now: number): void {
    if (what.maxDeleted !== undefined && what.last < what.maxDeleted) fail('SET_ID_BELOW_MAX_DELETED')
    const stream = this.#require(key, now)
    if (what.last < stream.maxDeleted) fail('SET_ID_BELOW_MAX_DELETED')
    if (stream.entries.length > 0 && what.last < stream.entries.at(-1)!.id) fail('SET_ID_BELOW_LAST_ENTRY')
    const isLess = what.added !== undefined && what.added < stream.entries.length
    if (isLess) fail('SET_ID_BELOW_LENGTH')
    stream.last = what.last
    // Only deleted ones are above it, and they may come again.
    const tail = stream.nodes.at(-1)
    if (tail !== undefined) tail.ids = tail.ids.map((id) => (id > what.last ? what.last : id))
    stream.added = what.added ?? stream.added
    for (const group of stream.groups.values()) {
      if (group.read !== undefined) group.read = Math.min(group.read, stream.added)
    }
    if (what.maxDeleted !== undefined && what.maxDeleted > 0n) stream.maxDeleted = what.maxDeleted
  }

  range(key: string, what: { from: Id; to: Id; count: number; reverse: boolean }, now: number): unknown[] {
    const found = (this.find(key, now)?.entries ?? []).filter(({ id }) => id >= what.from && id <= what.to)
    if (what.reverse) found.reverse()
    return found.slice(0, what.count).map(({ id, fields }) => ({ id: show(id), fields }))
  }

  read(positions: { key: string; from: Id | '$' | '+' }[], limits: PlainLimits, now: number): unknown[] {
    return plainRead(
      positions.map((position) => ({ ...position, stream: this.find(position.key, now) })),
      limits,
    )
  }

  createGroup(key: string, name: string, what: { from: Id | '$'; mk: boolean; read?: number }, now: number): void {
    const found = what.mk ? this.find(key, now) : this.#require(key, now)
    if (found?.groups.has(name) === true) fail('GROUP_EXISTS')
    const stream = found ?? this.#create(key)
    stream.groups.set(name, {
      last: what.from === '$' ? stream.last : what.from,
      read: what.read === undefined ? undefined : Math.min(what.read, stream.added),
      consumers: new Map(),
      pending: new Map(),
    })
  }

  setGroup(key: string, name: string, what: { from: Id | '$'; read?: number }, now: number): void {
    this.#require(key, now)
    const { stream, group } = this.#group(key, name, now)
    group.last = what.from === '$' ? stream.last : what.from
    group.read = what.read === undefined ? undefined : Math.min(what.read, stream.added)
  }

  destroyGroup(key: string, name: string, now: number): boolean {
    return this.#require(key, now).groups.delete(name)
  }

  createConsumer(key: string, name: string, consumer: string, now: number): boolean {
    this.#require(key, now)
    const { group } = this.#group(key, name, now)
    if (group.consumers.has(consumer)) return false
    group.consumers.set(consumer, { seen: now, active: undefined })
    return true
  }

  deleteConsumer(
    key: string,
    name: string,
    what: { consumer: string; onlyIfIdle: boolean },
    now: number,
  ): number | undefined {
    this.#require(key, now)
    const { group } = this.#group(key, name, now)
    if (!group.consumers.has(what.consumer)) return undefined
    const owned = [...group.pending].filter(([, { owner }]) => owner === what.consumer)
    if (what.onlyIfIdle && owned.length > 0) fail('CONSUMER_BUSY')
    for (const [id] of owned) group.pending.delete(id)
    group.consumers.delete(what.consumer)
    return owned.length
  }

  readGroup(
    positions: { key: string; from: Id | '>' }[],
    what: { group: string } & PlainReader & PlainLimits,
    now: number,
  ): unknown[] {
    return plainReadGroup(
      positions.map((position) => ({ ...position, ...this.#group(position.key, what.group, now) })),
      what,
      now,
    )
  }

  acknowledge(key: string, name: string, what: { ids: readonly Id[]; ifOwner?: string }, now: number): string[] {
    const group = this.find(key, now)?.groups.get(name)
    if (group === undefined) return []
    const done = unique(what.ids).filter((id) => {
      const pending = group.pending.get(id)
      return pending !== undefined && (what.ifOwner === undefined || pending.owner === what.ifOwner)
    })
    for (const id of done) group.pending.delete(id)
    return done.map(show)
  }

  claim(
    key: string,
    ref: { group: string; consumer: string },
    what: {
      ids: readonly Id[]
      minIdle: number
      ifOwner?: string
      idle?: number
      time?: number
      retry?: number
      force: boolean
      justId: boolean
      last?: Id
    },
    now: number,
  ): unknown {
    const { stream, group } = this.#group(key, ref.group, now)
    const consumer = consumerOf(group, ref.consumer, now)
    consumer.seen = now
    if (what.last !== undefined && what.last > group.last) group.last = what.last
    const wanted = what.time ?? now - (what.idle ?? 0)
    const time = wanted < 0 || wanted > now ? now : wanted
    const entries: unknown[] = []
    const deleted: string[] = []
    for (const id of what.ids) {
      const pending = group.pending.get(id)
      if (what.ifOwner !== undefined && pending?.owner !== what.ifOwner) continue
      const fields = fieldsOf(stream, id)
      if (fields === undefined) {
        if (group.pending.delete(id)) deleted.push(show(id))
        continue
      }
      if (pending === undefined && !what.force) continue
      if (pending?.owner !== undefined && now - pending.time < what.minIdle) continue
      const before = pending?.count ?? 1n
      const count = what.retry === undefined ? (what.justId ? before : more(before)) : BigInt(what.retry)
      group.pending.set(id, { owner: ref.consumer, time, count, nackedAt: undefined })
      consumer.active = now
      entries.push({ id: show(id), fields: what.justId ? undefined : fields, deliveries: `${count}` })
    }
    return { entries, deleted }
  }

  autoClaim(
    key: string,
    ref: { group: string; consumer: string },
    what: { minIdle: number; from: Id; count: number; justId: boolean },
    now: number,
  ): unknown {
    const { stream, group } = this.#group(key, ref.group, now)
    const consumer = consumerOf(group, ref.consumer, now)
    consumer.seen = now
    const entries: unknown[] = []
    const deleted: string[] = []
    const scan = sorted(group).filter(([id]) => id >= what.from)
    let looked = 0
    let left = what.count
    while (looked < scan.length && looked < what.count * 10 && left > 0) {
      const [id, pending] = scan[looked++]!
      const fields = fieldsOf(stream, id)
      if (fields === undefined) {
        group.pending.delete(id)
        deleted.push(show(id))
        left--
      } else if (pending.owner === undefined || now - pending.time >= what.minIdle) {
        pending.owner = ref.consumer
        pending.nackedAt = undefined
        pending.time = now
        if (!what.justId) pending.count = more(pending.count)
        consumer.active = now
        entries.push({ id: show(id), fields: what.justId ? undefined : fields, deliveries: `${pending.count}` })
        left--
      }
    }
    return { entries, deleted, next: looked < scan.length ? show(scan[looked]![0]) : '0-0' }
  }

  pendingSummary(key: string, name: string, now: number): unknown {
    const { group } = this.#group(key, name, now)
    const ids = sorted(group).map(([id]) => show(id))
    const consumers = [...group.consumers.keys()].sort().map((name) => ({ name, pending: owned(group, name).length }))
    return {
      total: ids.length,
      first: ids[0],
      last: ids.at(-1),
      consumers: consumers.filter(({ pending }) => pending > 0),
    }
  }

  pendingEntries(
    key: string,
    name: string,
    what: { from: Id; to: Id; count: number; consumer?: string; minIdle: number },
    now: number,
  ): unknown[] {
    const { group } = this.#group(key, name, now)
    return sorted(group)
      .filter(([id, { owner, time }]) => {
        const isMine = what.consumer === undefined || owner === what.consumer
        return (
          id >= what.from && id <= what.to && isMine && (owner === undefined || Math.max(now - time, 0) >= what.minIdle)
        )
      })
      .slice(0, what.count)
      .map(([id, { owner, time, count }]) => ({
        id: show(id),
        consumer: owner ?? '',
        idleMs: owner === undefined ? -1 : Math.max(now - time, 0),
        deliveries: `${count}`,
      }))
  }

  deleteEx(key: string, what: { ids: readonly Id[]; references: PlainReferences }, now: number): number[] {
    const stream = this.find(key, now)
    return stream === undefined ? what.ids.map(() => -1) : plainDeleteEx(stream, what.ids, what.references)
  }

  ackDelete(
    key: string,
    name: string,
    what: { ids: readonly Id[]; references: PlainReferences },
    now: number,
  ): number[] {
    const stream = this.find(key, now)
    const group = stream?.groups.get(name)
    if (stream === undefined || group === undefined) return what.ids.map(() => -1)
    return plainAckDelete(stream, group, what.ids, what.references)
  }

  nack(key: string, name: string, what: PlainNack & { ids: readonly Id[] }, now: number): number {
    const { stream, group } = this.#group(key, name, now)
    return plainNack(stream, group, what, () => this.#ticks++)
  }

  addOnce(
    key: string,
    what: { producer: string; iid: string; fields: string[]; noMk: boolean; trim?: PlainTrim },
    now: number,
  ): unknown {
    const found = this.find(key, now)
    if (found !== undefined) plainForget(found, now)
    const known = found === undefined ? undefined : plainFindIid(found, what.producer, what.iid)
    if (known !== undefined && known >> 64n > BigInt(now - found!.idmp.duration * 1000)) {
      found!.idmp.duplicates++
      return { id: show(known), isDuplicate: true }
    }
    const id = this.add(key, { ...what, id: 'auto' }, now)
    const stream = this.find(key, now)
    if (id === undefined || stream === undefined) return undefined
    plainRecord(stream, what.producer, what.iid, stream.last)
    return { id, isDuplicate: false }
  }

  configure(key: string, what: { duration?: number; max?: number }, now: number): void {
    const { idmp } = this.#require(key, now)
    const { duration, max } = idmp
    idmp.duration = what.duration ?? duration
    idmp.max = what.max ?? max
    if (idmp.duration !== duration || idmp.max !== max) idmp.sent.clear()
  }

  recordIid(key: string, what: { producer: string; iid: string; id: Id }, now: number): void {
    const stream = this.#require(key, now)
    if (fieldsOf(stream, what.id) === undefined) fail('NO_SUCH_ENTRY')
    const known = plainFindIid(stream, what.producer, what.iid)
    if (known === undefined) plainRecord(stream, what.producer, what.iid, what.id)
    else if (known !== what.id) fail('IID_TAKEN')
  }

  forget(now: number): void {
    for (const key of this.#keys.keys()) {
      const stream = this.find(key, now)
      if (stream !== undefined) plainForget(stream, now)
    }
  }

  remove(key: string, now: number): boolean {
    return this.find(key, now) !== undefined && this.#keys.delete(key)
  }

  expireAt(key: string, at: number, now: number): boolean {
    const stream = this.find(key, now)
    if (stream === undefined) return false
    if (at <= now) this.#keys.delete(key)
    stream.expires = at
    return true
  }

  persist(key: string, now: number): boolean {
    const stream = this.find(key, now)
    const had = stream?.expires !== undefined
    if (stream !== undefined) stream.expires = undefined
    return had
  }
}

/**
 * Redis's replies as this package's values, the same from RESP2 and RESP3. The only place that looks into them.
 *
 *   entry         [id, [name, value, …]]   fields are nil when a group's entry was deleted
 *   read          RESP2 [[stream, entries], …], RESP3 [stream, entries, …] or a map, nil when nothing came
 *   info          a flat [name, value, …], or a map
 */

import type {
  ClaimedEntry,
  ClaimResult,
  ConsumerInfo,
  DeliveredEntry,
  Entry,
  EntryId,
  GroupInfo,
  PendingEntry,
  Step,
  StepResult,
  StreamInfo,
} from '../backend.ts'

export function entryId(reply: unknown): EntryId {
  return text(reply) as EntryId
}

export function entries(reply: unknown): Entry[] {
  return list(reply).map((entry) => ({ id: entryId(list(entry)[0]), fields: list(list(entry)[1]).map(bytes) }))
}

/** The streams of an XREAD or XREADGROUP that have entries. */
export function streams(reply: unknown): Map<string, DeliveredEntry[]> {
  const found = new Map<string, DeliveredEntry[]>()
  for (const [name, value] of pairs(reply)) {
    const delivered = list(value).map(deliveredEntry)
    if (delivered.length > 0) found.set(text(name), delivered)
  }
  return found
}

export function pendingEntries(reply: unknown): PendingEntry[] {
  return list(reply).map((row) => {
    const [id, consumer, idleMs, deliveries] = list(row)
    return { id: entryId(id), consumer: text(consumer), idleMs: Number(idleMs), deliveries: Number(deliveries) }
  })
}

/** `[claimed, deleted, next]` as the claim scripts answer; `next` is absent for given IDs. */
export function claimResult(reply: unknown): ClaimResult {
  const [claimed, deleted, next] = list(reply)
  return {
    entries: list(claimed).map((row): ClaimedEntry => {
      const [id, fields, deliveries] = list(row)
      return { ...deliveredEntry([id, fields]), deliveries: Number(deliveries) }
    }),
    deleted: list(deleted).map(entryId),
    next: next === undefined ? ('0-0' as EntryId) : entryId(next),
  }
}

/** What the inspect script answers. */
export function streamInfo(reply: unknown): StreamInfo | undefined {
  if (reply === null) return undefined
  const [stream, memoryBytes, ttlMs, groups, used] = list(reply)
  const info = fieldsOf(stream)
  const first = info.get('first-entry')
  return {
    length: Number(info.get('length')),
    lastId: entryId(info.get('last-generated-id')),
    firstId: Array.isArray(first) ? entryId(first[0]) : undefined,
    maxDeletedId: info.has('max-deleted-entry-id') ? entryId(info.get('max-deleted-entry-id')) : ('0-0' as EntryId),
    entriesAdded: Number(info.get('entries-added') ?? info.get('length')),
    memoryBytes: Number(memoryBytes ?? 0),
    backendMemoryBytes: used === null || used === undefined ? undefined : Number(text(used)),
    ttlMs: Number(ttlMs) < 0 ? undefined : Number(ttlMs),
    groups: list(groups).map((pair) => groupInfo(list(pair)[0], list(pair)[1])),
  }
}

/** What the step script answers: numbers as text, so that none is cut to an integer of Lua's. */
export function stepResult(step: Step, reply: unknown): StepResult {
  const [isTaken, ...rest] = list(reply)
  if (Number(isTaken) === 0) return { isTaken: false, failed: Number(rest[0]) }
  const results = step.do.map(({ kind }, i) => {
    const found = rest[i]
    if (kind === 'append') return entryId(found)
    if (kind === 'set') return undefined
    if (kind === 'get') return found === null || found === undefined ? undefined : bytes(found)
    return Number(text(found))
  })
  return { isTaken: true, results }
}

/** The stream's last generated ID from XINFO STREAM. */
export function lastId(reply: unknown): EntryId {
  return entryId(fieldsOf(reply).get('last-generated-id'))
}

function groupInfo(group: unknown, consumers: unknown): GroupInfo {
  const info = fieldsOf(group)
  return {
    name: text(info.get('name')),
    lastDeliveredId: entryId(info.get('last-delivered-id')),
    entriesRead: optionalNumber(info.get('entries-read')),
    lag: optionalNumber(info.get('lag')),
    pending: Number(info.get('pending')),
    consumers: list(consumers).map(consumerInfo),
  }
}

function consumerInfo(reply: unknown): ConsumerInfo {
  const info = fieldsOf(reply)
  return { name: text(info.get('name')), pending: Number(info.get('pending')), idleMs: Number(info.get('idle')) }
}

function deliveredEntry(reply: unknown): DeliveredEntry {
  const [id, fields] = list(reply)
  return { id: entryId(id), fields: Array.isArray(fields) ? fields.map(bytes) : undefined }
}

function fieldsOf(reply: unknown): Map<string, unknown> {
  return new Map(pairs(reply).map(([name, value]) => [text(name), value]))
}

function pairs(reply: unknown): [unknown, unknown][] {
  if (reply === null || reply === undefined) return []
  if (!Array.isArray(reply)) return Object.entries(reply)
  if (Array.isArray(reply[0])) return reply.map((pair: unknown) => [list(pair)[0], list(pair)[1]])
  const found: [unknown, unknown][] = []
  for (let i = 0; i + 1 < reply.length; i += 2) found.push([reply[i], reply[i + 1]])
  return found
}

function list(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

function bytes(reply: unknown): Uint8Array {
  return reply instanceof Uint8Array ? reply : Buffer.from(String(reply))
}

function text(reply: unknown): string {
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : String(reply)
}

function optionalNumber(reply: unknown): number | undefined {
  return reply === null || reply === undefined ? undefined : Number(reply)
}

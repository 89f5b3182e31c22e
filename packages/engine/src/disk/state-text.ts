/**
 * The logical state of all databases as text: what any command can show, now or later, and nothing of how it is held. Two
 * states with the same text answer alike from then on, but for the order in which SCAN meets the keys.
 *
 *   database 0
 *   key "orders" expires 1700000009000
 *   stream length 2 last 1700-5 deleted 0-0 added 3
 *   node 1700-0 1700-5 live 2 total 3 body 61 names "f"
 *   entry 1700-0 "f" "a value"
 *   group "g" last 1700-0 read 1
 *   consumer "c" seen 1800 active 1800 pending 1
 *   pending 1700-0 "c" at 1800 count 1
 *
 * Keys, groups and consumers stand in the order of their bytes; what has an order of its own keeps it. For tests (equal
 * before and after), and for a look at oneself.
 */
import type { Database } from '../database.ts'
import type { Databases } from '../databases.ts'
import { EntryCursor } from '../entry-cursor.ts'
import { NOBODY, type Group } from '../group.ts'
import { formatId, ID_MAX, ID_ZERO, type StreamId } from '../id.ts'
import type { Value } from '../keyspace.ts'
import { IdCell, nameOf } from '../number-id.ts'
import { hashPairs } from '../pairs-hash.ts'
import { IDEMPOTENCY_DEFAULT, type Producers } from '../producers.ts'
import type { Stream } from '../stream.ts'

/** Longer bytes are told by their length and a hash. */
const SHOWN_BYTES_MAX = 1024
const EMPTY = new Uint8Array(0)

/** Everything, a line for each thing. */
export function stateText(databases: Databases): string {
  return [...stateLines(databases)].join('\n')
}

/** 32 hexadecimal digits that two different texts don't share by accident. A million small entries take 3.3 s (Node 20). */
export function stateDigest(databases: Databases): string {
  let digest: Uint8Array = EMPTY
  for (const line of stateLines(databases)) {
    digest = Buffer.from(hashPairs([digest, Buffer.from(line, 'utf8')]), 'latin1')
  }
  return Buffer.from(digest).toString('hex')
}

/** The lines of `stateText`, one at a time: the state must not change meanwhile. */
export function* stateLines(databases: Databases): IterableIterator<string> {
  for (const [index, database] of databases.made()) {
    if (database.keyCount === 0) continue
    yield `database ${index}`
    for (const key of [...database.keys()].sort(byBytes)) yield* keyLines(database, key)
  }
}

function* keyLines(database: Database, key: string): IterableIterator<string> {
  yield `key ${JSON.stringify(key)} expires ${database.expiresAtMs(key)}`
  const value = database.peek(key)!
  yield* valueLines(value)
  // Nothing else looks for what has expired.
  const producers = value.type === 'stream' ? value.producers : undefined
  if (producers !== undefined && producers.tracked > 0 && !database.idempotentKeys.has(key))
    yield 'producers forgotten by the database'
}

/** The lines about what a key holds. */
export function* valueLines(value: Value): IterableIterator<string> {
  if (value.type === 'string') {
    yield `string ${shown(value.bytes)}`
    return
  }
  yield* streamLines(value)
  if (value.producers !== undefined) yield* producerLines(value.producers)
}

function* streamLines(stream: Stream): IterableIterator<string> {
  const { length, lastId, maxDeletedId, entriesAdded } = stream
  yield `stream length ${length} last ${formatId(lastId)} deleted ${formatId(maxDeletedId)} added ${entriesAdded}`
  for (const { firstId, lastId: nodeLastId, live, total, body, names } of stream.nodes.pictures()) {
    const texts = names.names.map(shown).join(' ')
    yield `node ${formatId(firstId)} ${formatId(nodeLastId)} live ${live} total ${total} body ${body} names ${texts}`
  }
  const cursor = new EntryCursor()
  cursor.forward(stream, IdCell.of(ID_ZERO), IdCell.of(ID_MAX), Infinity)
  while (cursor.next()) yield `entry ${nameOf(cursor.entry.id)} ${cursor.entry.fields().map(shown).join(' ')}`
  for (const group of stream.groups()) yield* groupLines(group)
}

function* groupLines(group: Group): IterableIterator<string> {
  yield `group ${JSON.stringify(group.name)} last ${formatId(group.lastId)} read ${group.entriesRead}`
  for (const { name, seenMs, activeMs, pending } of group.consumers()) {
    yield `consumer ${JSON.stringify(name)} seen ${seenMs} active ${activeMs} pending ${pending}`
  }
  const rows: string[] = []
  group.pending.scan(ID_ZERO, (row) => {
    const { id, timeMs, count } = row
    // Of what is nobody's no command shows the time, or goes by it.
    if (row.owner === NOBODY) rows.push(`pending ${formatId(id)} nobody count ${count}`)
    else rows.push(`pending ${formatId(id)} ${JSON.stringify(group.ownerName(row))} at ${timeMs} count ${count}`)
    return true
  })
  yield* rows
  for (const id of group.nacked()) yield `nacked ${formatId(id)}`
}

function* producerLines(producers: Producers): IterableIterator<string> {
  const { settings, added, duplicates } = producers
  const isDefault =
    settings.durationS === IDEMPOTENCY_DEFAULT.durationS && settings.sizeMax === IDEMPOTENCY_DEFAULT.sizeMax
  // As a stream that no producer has sent anything to.
  if (isDefault && added === 0 && duplicates === 0 && producers.tracked === 0) return
  yield `producers for ${settings.durationS} s at most ${settings.sizeMax} added ${added} duplicates ${duplicates}`
  const sent = [...producers.sent()].sort(([a], [b]) => byBytes(a, b))
  for (const [producer, ids] of sent) {
    yield `producer ${JSON.stringify(producer)}`
    for (const [iid, id] of ids) yield sentLine(iid, id)
  }
}

function sentLine(iid: string, id: StreamId): string {
  return `sent ${JSON.stringify(iid)} ${formatId(id)}`
}

function shown(bytes: Uint8Array): string {
  if (bytes.length > SHOWN_BYTES_MAX) {
    return `${bytes.length} bytes ${Buffer.from(hashPairs([EMPTY, bytes]), 'latin1').toString('hex')}`
  }
  return JSON.stringify(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
}

function byBytes(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

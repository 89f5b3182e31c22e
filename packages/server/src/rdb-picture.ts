/**
 * Everything that a redis-server 7.0.15 tells of its keys, and the same of the engine's, as plain values that can be
 * compared. For tests.
 *
 *   { s: { type: 'stream', length, nodes, …, groups: { g: { lastId, pending: [[id, consumer, time, count]], consumers } } } }
 *
 * Not told are lag, which 8.x counts by other rules, and entries-read beyond entries-added, which it cuts where a client
 * gives it; a group that was given less, but more than was read, still goes beyond when it has read the rest.
 */
import {
  append,
  deliveriesFromBigint,
  EngineError,
  formatId,
  fullStreamInfo,
  getString,
  ID_MAX,
  parseId,
  radixTreeNodes,
  trim,
  type Database,
  type Databases,
  type FullGroupInfo,
  type FullPending,
} from '@millrace/engine'
import type { Args } from './differential-grammar.ts'
import type { Random } from './differential-random.ts'
import { treeOf, type Tree } from './differential-tree.ts'
import type { Wire } from './differential-wire.ts'

export type Picture = Record<string, Record<string, unknown>>
type Told = Record<string, unknown>

/** Before all times: no key is gone yet. */
const NO_TIME = Number.MIN_SAFE_INTEGER
const I64_MAX = 2n ** 63n - 1n
const COUNT_MAX = 2 ** 52

export async function theirPicture(wire: Wire): Promise<Picture> {
  const picture: Picture = {}
  for (const key of textsOf(treeOf(await wire.ask('KEYS', '*')))) {
    const type = await wire.ask('TYPE', key)
    const expires = Number((await wire.ask('PEXPIRETIME', key)).slice(1))
    const value =
      type === '+stream\r\n'
        ? theirStream(treeOf(await wire.ask('XINFO', 'STREAM', key, 'FULL', 'COUNT', '0')))
        : { text: textOf(treeOf(await wire.ask('GET', key))) }
    picture[key] = { ...value, expires: expires === -1 ? undefined : expires }
  }
  return picture
}

export function ourPicture(databases: Databases): Picture {
  const picture: Picture = {}
  const database = databases.at(0)
  for (const key of database.keys()) {
    const expires = database.expiresAtMs(key)
    const isStream = database.peek(key)?.type === 'stream'
    const text = (): string => Buffer.from(getString(database, key, NO_TIME)!).toString('latin1')
    picture[key] = { ...(isStream ? ourStream(database, key) : { text: text() }), expires }
  }
  return picture
}

export function withoutGroups(picture: Picture): Picture {
  return Object.fromEntries(Object.entries(picture).map(([key, told]) => [key, { ...told, groups: undefined }]))
}

/** Entries for each stream, large enough to begin nodes, and trims by whole nodes: where nodes end shows in what is left. */
export function growthOf(databases: Databases, random: Random): Args[] {
  const commands: Args[] = []
  const database = databases.at(0)
  for (const key of database.keys()) {
    const value = database.peek(key)
    if (value?.type !== 'stream' || value.lastId.ms === ID_MAX.ms) continue
    const ms = value.lastId.ms + 1n
    for (let i = 0; i < 12; i++) {
      commands.push(['XADD', key, `${ms}-${i}`, random.pick(['f', 'name']), 'x'.repeat(random.below(60))])
      if (i % 4 === 3) commands.push(['XTRIM', key, 'MAXLEN', '~', String(random.below(value.length + 12))])
    }
  }
  return commands
}

export function growOurs(databases: Databases, commands: readonly Args[]): void {
  const database = databases.at(0)
  for (const [name, key, third, ...rest] of commands) {
    if (name === 'XTRIM') {
      trim(database, key!, { keep: { kind: 'max-len', entries: Number(rest[1]) }, approximate: true }, NO_TIME)
    } else appendOurs(database, key!, third!, rest)
  }
}

function appendOurs(database: Database, key: string, id: string, fields: readonly string[]): void {
  const parts = fields.map((field) => Buffer.from(field, 'latin1'))
  try {
    append(database, { key, fields: parts, id: { kind: 'exact', id: parseId(id) } }, NO_TIME)
  } catch (error) {
    // The last ID there is was given: it is refused there as well.
    if (!(error instanceof EngineError)) throw error
  }
}

function theirStream(reply: Tree): Told {
  const fields = mapOf(reply)
  const added = countOf(fields['entries-added']!)
  return {
    length: numberOf(fields['length']!),
    nodes: numberOf(fields['radix-tree-keys']!),
    treeNodes: numberOf(fields['radix-tree-nodes']!),
    lastId: textOf(fields['last-generated-id']!),
    maxDeletedId: textOf(fields['max-deleted-entry-id']!),
    added,
    firstId: textOf(fields['recorded-first-entry-id']!),
    entries: listOf(fields['entries']!).map((entry) => {
      const [id, values] = listOf(entry)
      return [textOf(id!), textsOf(values!)]
    }),
    groups: listOf(fields['groups']!).map((group) => theirGroup(mapOf(group), added)),
  }
}

function theirGroup(fields: Record<string, Tree>, added: number): Told {
  const read = fields['entries-read']!
  return {
    name: textOf(fields['name']!),
    lastId: textOf(fields['last-delivered-id']!),
    read: read === '_' ? undefined : Math.min(countOf(read), added),
    pending: listOf(fields['pending']!).map(theirPending),
    consumers: listOf(fields['consumers']!).map((consumer) => {
      const told = mapOf(consumer)
      return {
        name: textOf(told['name']!),
        seen: numberOf(told['seen-time']!),
        count: numberOf(told['pel-count']!),
        pending: listOf(told['pending']!).map(theirPending),
      }
    }),
  }
}

/** `[id, time, count]`, with the consumer in between where it is the group's. */
function theirPending(row: Tree): unknown[] {
  const items = listOf(row)
  const count = items.pop()!
  const time = items.pop()!
  const exact = BigInt(textOf(count))
  return [...items.map(textOf), numberOf(time), deliveriesFromBigint(exact < 0n ? I64_MAX : exact)]
}

function ourStream(database: Database, key: string): Told {
  const info = fullStreamInfo(database, key, Infinity, NO_TIME)
  const added = small(info.entriesAdded)
  return {
    length: info.length,
    nodes: info.nodeCount,
    treeNodes: radixTreeNodes(database, key, NO_TIME),
    lastId: formatId(info.lastId),
    maxDeletedId: formatId(info.maxDeletedId),
    added,
    firstId: formatId(info.firstId),
    entries: info.entries.map(({ id, fields }) => [
      formatId(id),
      fields.map((field) => Buffer.from(field).toString('latin1')),
    ]),
    groups: info.groups.map((group) => ourGroup(group, added)),
  }
}

function ourGroup(group: FullGroupInfo, added: number): Told {
  return {
    name: group.name,
    lastId: formatId(group.lastId),
    read: group.entriesRead === undefined ? undefined : Math.min(small(group.entriesRead), added),
    pending: group.pending.map((row) => ourPending(row, [row.consumer])),
    consumers: group.consumers.map(({ name, seenMs, pendingCount, pending }) => ({
      name,
      seen: seenMs,
      count: pendingCount,
      pending: pending.map((row) => ourPending(row, [])),
    })),
  }
}

function ourPending({ id, deliveredAtMs, deliveries }: FullPending, who: readonly string[]): unknown[] {
  return [formatId(id), ...who, deliveredAtMs, deliveries]
}

function listOf(tree: Tree): Tree[] {
  if (!Array.isArray(tree)) throw new Error(`A list was expected, not ${tree}`)
  return tree.slice(1)
}

function mapOf(tree: Tree): Record<string, Tree> {
  const items = listOf(tree)
  const map: Record<string, Tree> = {}
  for (let i = 0; i < items.length; i += 2) map[textOf(items[i]!)] = items[i + 1]!
  return map
}

export function textsOf(tree: Tree): string[] {
  return listOf(tree).map(textOf)
}

function textOf(tree: Tree): string {
  return String(tree).slice(1)
}

/** What a client has set to the highest number there is, and that went on from there, is told as a negative one. */
function countOf(tree: Tree): number {
  return small(Number(BigInt.asUintN(64, BigInt(textOf(tree)))))
}

/** Beyond 2^52 a count is not exact here: that it is so high is all that is compared. */
function small(count: number): number {
  return Math.min(count, COUNT_MAX)
}

function numberOf(tree: Tree): number {
  return Number(textOf(tree))
}

/**
 * One side of the bench of streams larger than memory (cold.ts): a process of its own with one stream, filled and then
 * read in every way.
 *
 *   node … bench/cold-stream.mjs '{ "bytes": …, "entryBytes": …, "memoryBytes": … }'  ──► one JSON line a phase
 *
 * Without `memoryBytes` all stays in memory.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import {
  appendPacked,
  claim,
  ColdSegments,
  createGroup,
  Databases,
  deliverPacked,
  EntryCursor,
  FieldPacker,
  ID_MAX,
  ID_ZERO,
  IdCell,
  nodeEnv,
} from '@millrace/engine'

const KEY = 's'
const PAGE = 100
const START_MS = 1_700_000_000_000
const GROUP_PAGES = 2000

const settings = JSON.parse(process.argv[2])
const entries = Math.ceil(settings.bytes / settings.entryBytes)
const directory = mkdtempSync(join(settings.directory ?? tmpdir(), 'millrace-cold-'))
const cold =
  settings.memoryBytes === undefined
    ? undefined
    : new ColdSegments({
        fs: nodeEnv.fs,
        directory,
        memoryBytes: settings.memoryBytes,
        collect: () => globalThis.gc?.(),
      })
const databases = new Databases(cold === undefined ? {} : { cold })
const database = databases.at(0)
const value = Buffer.alloc(settings.entryBytes, 'v')

/** The value of the i-th entry: no two are alike. */
function valueOf(i) {
  value.writeUInt32LE(i, 0)
  value.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, settings.entryBytes - 4)
  return value
}

function idOf(i) {
  return { ms: START_MS + Math.floor(i / 1000), seq: i % 1000 }
}

function phase(name, count, run) {
  const startedNs = process.hrtime.bigint()
  const startedCpu = process.cpuUsage()
  const isCorrect = run()
  const seconds = Number(process.hrtime.bigint() - startedNs) / 1e9
  const cpu = process.cpuUsage(startedCpu)
  const told = {
    name,
    entries: count,
    seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    isCorrect,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    countedBytes: databases.memoryBytes,
    reads: cold?.info().reads ?? 0,
  }
  console.log(JSON.stringify(told))
}

function fill() {
  const packer = new FieldPacker()
  for (let i = 0; i < entries; i++) {
    const { ms, seq } = idOf(i)
    appendPacked(database, { key: KEY, fields: packer.pack(['f', valueOf(i)]), id: { kind: 'plain', ms, seq } }, ms)
  }
  return database.find(KEY, START_MS).length === entries
}

/** From 0 to the end, a page at a time, as clients do. */
function scan() {
  const cursor = new EntryCursor()
  const after = new IdCell()
  let seen = 0
  for (let isDone = false; !isDone;) {
    cursor.after(database.find(KEY, START_MS), after, PAGE)
    isDone = true
    while (cursor.next()) {
      isDone = false
      if (!isEntry(seen++, cursor)) return false
      after.copy(cursor.entry.id)
    }
  }
  return seen === entries
}

function isEntry(i, { entry }) {
  const { ms, seq } = idOf(i)
  const told = entry.arena.subarray(entry.valueStarts[0], entry.valueEnds[0])
  return entry.id.ms === ms && entry.id.seq === seq && crc32(told) === crc32(valueOf(i))
}

/** The oldest entries go to one consumer of a group, who never acknowledges them. */
function readAsGroup() {
  createGroup(database, { key: KEY, group: 'g' }, { from: ID_ZERO }, START_MS)
  const cursor = new EntryCursor()
  let seen = 0
  while (seen < groupEntries) {
    deliverPacked(database, { key: KEY, group: 'g', consumer: 'a', count: PAGE }, START_MS, cursor)
    while (cursor.next()) if (!isEntry(seen++, cursor)) return false
  }
  return seen === groupEntries
}

/** Another consumer takes them over, from here and there: each claim meets another segment. */
function claimAll(target) {
  let claimed = 0
  for (let page = 0; page < GROUP_PAGES; page++) {
    const from = ((page * 641) % GROUP_PAGES) * PAGE
    if (from + PAGE > groupEntries) continue
    const ids = Array.from({ length: PAGE }, (_, i) => {
      const { ms, seq } = idOf(from + i)
      return { ms: BigInt(ms), seq: BigInt(seq) }
    })
    const found = claim(target, { key: KEY, group: 'g', consumer: 'b' }, { ids, minIdleMs: 0 }, START_MS + 1)
    for (const [i, { fields }] of found.entries.entries()) {
      if (fields === undefined || crc32(fields[1]) !== crc32(valueOf(from + i))) return false
      claimed++
    }
  }
  return claimed === Math.floor(groupEntries / PAGE) * PAGE
}

const groupEntries = Math.floor(Math.min(GROUP_PAGES * PAGE, entries) / PAGE) * PAGE
try {
  phase('append', entries, fill)
  phase('scan from 0', entries, scan)
  phase('group read', groupEntries, readAsGroup)
  phase('claim', groupEntries, () => claimAll(database))
  phase('last 100', PAGE, () => database.find(KEY, START_MS).rangeBackward(ID_ZERO, ID_MAX, PAGE).length === PAGE)
} finally {
  cold?.close()
  rmSync(directory, { recursive: true, force: true })
}

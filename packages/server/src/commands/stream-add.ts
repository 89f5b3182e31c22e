/**
 * XADD.
 *
 *   arguments ──► options ──► ID ──► fields ──► append ──► trim ──► the ID
 *
 * The usual `XADD key * field value …` has no options: one look at the first byte of its ID tells, since every option begins
 * with a letter and no ID does.
 */
import {
  appendOnce,
  appendPacked,
  compareIds,
  ID_ZERO,
  IdCell,
  parseNewId,
  readPlainId,
  unpackFields,
  viewOf,
  type PackedFields,
  type PackedNewId,
  type TrimRule,
} from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { TrimOptions } from './stream-arguments.ts'
import { encodeId } from './stream-encoder.ts'
import { nameAt } from './stream-names.ts'
import { writeId } from './stream-replies.ts'

const AUTO: PackedNewId = { kind: 'auto' }
/** What an append is told, made once: each XADD fills in its own. */
const packed: { -readonly [K in keyof PackedFields]: PackedFields[K] } = {
  bytes: new Uint8Array(0),
  view: viewOf(new Uint8Array(0)),
  starts: new Int32Array(0),
  ends: new Int32Array(0),
  first: 0,
  count: 0,
}
const added: { key: string; fields: PackedFields; id: PackedNewId } = { key: '', fields: packed, id: AUTO }
const plain: { readonly kind: 'plain'; ms: number; seq: number } = { kind: 'plain', ms: 0, seq: 0 }
const cell = new IdCell()
const wrongArity = "ERR wrong number of arguments for 'xadd' command"
const onceOnly = 'ERR syntax error, IDMP/IDMPAUTO specified multiple times'
const autoOnly = 'ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs'

/** Hot. */
export function addEntry(client: Client, request: Request): void {
  const options = mayBeOption(request, 2) ? readOptions(request) : undefined
  const at = options === undefined ? 2 : options.end
  // As Redis: what is wrong with the options comes before what is missing.
  if (options !== undefined && at === request.count) options.trim.rule(false)
  const id = newIdAt(request, at)
  if (options !== undefined) checkOptions(options, id)
  const parts = request.count - at - 1
  if (parts < 2 || parts % 2 === 1) throw new ReplyError(wrongArity)
  if (options === undefined) appendPlain(client, request, id)
  else appendWith(client, request, options, id)
}

function checkOptions(options: Options, id: PackedNewId): void {
  options.trim.rule(false)
  if (options.producer !== undefined && id.kind !== 'auto') throw new ReplyError(autoOnly)
}

interface Options {
  readonly trim: TrimOptions
  readonly noMkStream: boolean
  readonly producer: Producer | undefined
  /** Where the ID is. */
  readonly end: number
}

interface Producer {
  readonly name: string
  /** Undefined: IDMPAUTO. */
  readonly iid: string | undefined
}

function mayBeOption(request: Request, index: number): boolean {
  return index < request.count && (request.bytes[request.starts[index]!]! | 0x20) >= 0x61
}

function newIdAt(request: Request, index: number): PackedNewId {
  if (index >= request.count) throw new ReplyError(wrongArity)
  const start = request.starts[index]!
  const end = request.ends[index]!
  if (end - start === 1 && request.bytes[start] === 0x2a) return AUTO
  if (!readPlainId(request.bytes, start, end, cell)) return parseNewId(request.text(index))
  plain.ms = cell.ms
  plain.seq = cell.seq
  return plain
}

function readOptions(request: Request): Options {
  const trim = new TrimOptions()
  let noMkStream = false
  let producer: Producer | undefined
  let at = 2
  while (at < request.count) {
    const after = trim.read(request, at)
    if (after > at) {
      at = after
      continue
    }
    const left = request.count - at - 1
    if (request.is(at, 'NOMKSTREAM')) {
      noMkStream = true
      at++
    } else if (left >= 1 && request.is(at, 'IDMPAUTO')) {
      if (producer !== undefined) throw new ReplyError(onceOnly)
      producer = { name: textAt(request, at + 1, 'IDMPAUTO requires a non-empty producer ID'), iid: undefined }
      at += 2
    } else if (left >= 2 && request.is(at, 'IDMP')) {
      if (producer !== undefined) throw new ReplyError(onceOnly)
      const name = textAt(request, at + 1, 'IDMP requires a non-empty producer ID')
      producer = { name, iid: textAt(request, at + 2, 'IDMP requires a non-empty idempotent ID') }
      at += 3
    } else break
  }
  return { trim, noMkStream, producer, end: at }
}

function textAt(request: Request, index: number, problem: string): string {
  const name = request.text(index)
  if (name === '') throw new ReplyError(`${lines.syntax}, ${problem}`)
  return name
}

/** Hot: without options. */
function appendPlain(client: Client, request: Request, id: PackedNewId): void {
  const key = nameAt(request, 1)
  added.key = key
  added.id = id
  pack(request, 3)
  encodeId(client.reply, appendPacked(client.database, added, client.nowMs)!.last)
  client.server.notify('t', 'xadd', key, client.databaseIndex)
}

function appendWith(client: Client, request: Request, options: Options, id: PackedNewId): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const { noMkStream } = options
  const rule = options.trim.rule(false)
  const key = nameAt(request, 1)
  if (options.producer !== undefined) return appendOnceFor(client, request, options, rule)
  const lengthBefore = isZero(id) ? 0 : (database.find(key, nowMs)?.length ?? 0)
  const fields = pack(request, options.end + 1)
  const stream = appendPacked(database, { key, fields, id, noMkStream, ...(rule && { trim: rule }) }, nowMs)
  if (stream === undefined) return reply.null()
  encodeId(reply, stream.last)
  server.notify('t', 'xadd', key, databaseIndex)
  if (stream.length <= lengthBefore) server.notify('t', 'xtrim', key, databaseIndex)
}

function appendOnceFor(client: Client, request: Request, options: Options, rule: TrimRule | undefined): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const key = request.text(1)
  const { name: producer, iid } = options.producer!
  const lengthBefore = database.find(key, nowMs)?.length ?? 0
  const fields = unpackFields(pack(request, options.end + 1))
  const entry = { key, fields, producer, noMkStream: options.noMkStream }
  const once = { ...entry, ...(rule && { trim: rule }), ...(iid !== undefined && { iid }) }
  const result = appendOnce(database, once, nowMs)
  if (result === undefined) return reply.null()
  writeId(reply, result.id)
  if (result.isDuplicate) return
  server.notify('t', 'xadd', key, databaseIndex)
  if ((database.find(key, nowMs)?.length ?? 0) <= lengthBefore) server.notify('t', 'xtrim', key, databaseIndex)
}

/** An ID of 0-0 is refused before the key is looked at. */
function isZero(id: PackedNewId): boolean {
  if (id.kind === 'plain') return id.ms === 0 && id.seq === 0
  return id.kind === 'exact' && compareIds(id.id, ID_ZERO) === 0
}

/** Hot: the arguments from one on as the fields of an entry, where they lie. */
function pack(request: Request, first: number): PackedFields {
  if (packed.bytes !== request.bytes) {
    packed.bytes = request.bytes
    packed.view = viewOf(request.bytes)
  }
  packed.starts = request.starts
  packed.ends = request.ends
  packed.first = first
  packed.count = request.count - first
  return packed
}

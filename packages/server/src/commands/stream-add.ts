/**
 * XADD.
 *
 *   arguments ──► options ──► ID ──► fields ──► append ──► trim ──► the ID
 *
 * The usual `XADD key * field value …` has no options: one look at the first byte of its ID tells, since every option begins
 * with a letter and no ID does.
 */
import {
  append,
  appendOnce,
  compareIds,
  formatId,
  ID_ZERO,
  parseNewId,
  type NewId,
  type TrimRule,
} from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { TrimOptions } from './stream-arguments.ts'
import { writeId } from './stream-replies.ts'

const AUTO: NewId = { kind: 'auto' }
const wrongArity = "ERR wrong number of arguments for 'xadd' command"
const onceOnly = 'ERR syntax error, IDMP/IDMPAUTO specified multiple times'
const autoOnly = 'ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs'

/** Hot. */
export function addEntry(client: Client, request: Request): void {
  const options = mayBeOption(request, 2) ? readOptions(request) : undefined
  const at = options === undefined ? 2 : options.end
  const id = newIdAt(request, at)
  const trim = options?.trim.rule(false)
  if (options?.producer !== undefined && id.kind !== 'auto') throw new ReplyError(autoOnly)
  const parts = request.count - at - 1
  if (parts < 2 || parts % 2 === 1) throw new ReplyError(wrongArity)
  if (options === undefined) appendPlain(client, request, id)
  else appendWith(client, request, { ...options, id, rule: trim })
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

function newIdAt(request: Request, index: number): NewId {
  const start = request.starts[index]!
  if (request.ends[index]! - start === 1 && request.bytes[start] === 0x2a) return AUTO
  if (index >= request.count) throw new ReplyError(wrongArity)
  return parseNewId(request.text(index))
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
      producer = { name: nameAt(request, at + 1, 'IDMPAUTO requires a non-empty producer ID'), iid: undefined }
      at += 2
    } else if (left >= 2 && request.is(at, 'IDMP')) {
      if (producer !== undefined) throw new ReplyError(onceOnly)
      const name = nameAt(request, at + 1, 'IDMP requires a non-empty producer ID')
      producer = { name, iid: nameAt(request, at + 2, 'IDMP requires a non-empty idempotent ID') }
      at += 3
    } else break
  }
  return { trim, noMkStream, producer, end: at }
}

function nameAt(request: Request, index: number, problem: string): string {
  const name = request.text(index)
  if (name === '') throw new ReplyError(`${lines.syntax}, ${problem}`)
  return name
}

/** Hot: without options. */
function appendPlain(client: Client, request: Request, id: NewId): void {
  const key = request.text(1)
  const fields = fieldsFrom(request, 3)
  writeId(client.reply, append(client.database, { key, fields, id }, client.nowMs)!)
  client.server.notify('t', 'xadd', key, client.databaseIndex)
}

function appendWith(
  client: Client,
  request: Request,
  wanted: Options & { readonly id: NewId; readonly rule: TrimRule | undefined },
): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const { id, rule, noMkStream, producer } = wanted
  const key = request.text(1)
  const fields = fieldsFrom(request, wanted.end + 1)
  // Before the key is looked at.
  if (id.kind === 'exact' && compareIds(id.id, ID_ZERO) === 0) {
    throw new ReplyError('ERR The ID specified in XADD must be greater than 0-0')
  }
  const lengthBefore = database.find(key, nowMs)?.length ?? 0
  const entry = { key, fields, id, noMkStream, ...(rule && { trim: rule }) }
  const once = producer && { ...entry, producer: producer.name, ...(producer.iid && { iid: producer.iid }) }
  const added = once ? appendOnce(database, once, nowMs) : { id: append(database, entry, nowMs), isDuplicate: false }
  if (added?.id === undefined) return reply.null()
  reply.bulkText(formatId(added.id))
  if (added.isDuplicate) return
  server.notify('t', 'xadd', key, databaseIndex)
  if ((database.find(key, nowMs)?.length ?? 0) <= lengthBefore) server.notify('t', 'xtrim', key, databaseIndex)
}

function fieldsFrom(request: Request, first: number): Uint8Array[] {
  const fields: Uint8Array[] = []
  for (let i = first; i < request.count; i++) fields.push(request.view(i))
  return fields
}

/** Commands about idempotent producers: XCFGSET, XIDMPRECORD. */
import { EngineError, recordIid, setIdempotency } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { idAt } from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'

const DURATION_S_MAX = 86_400
const SIZE_MAX = 10_000

export const streamIdempotencyCommands: readonly Command[] = [
  {
    name: 'xcfgset',
    summary: "Sets for how long, and how many, of its producers' own IDs a stream remembers.",
    since: '8.6.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: -2,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: streamDocs.xcfgset,
    run: configure,
  },
  {
    name: 'xidmprecord',
    summary: "Restores one of a producer's own IDs and the entry that it stands for.",
    since: '8.6.2',
    complexity: 'O(1)',
    group: 'stream',
    arity: 5,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: streamDocs.xidmprecord,
    run: record,
  },
]

function configure(client: Client, request: Request): void {
  let durationS: number | undefined
  let sizeMax: number | undefined
  for (let at = 2; at < request.count; at += 2) {
    const hasValue = at + 1 < request.count
    if (hasValue && request.is(at, 'IDMP-DURATION')) {
      if (durationS !== undefined) throw new ReplyError('ERR IDMP-DURATION specified multiple times')
      durationS = limitAt(request, at + 1, DURATION_S_MAX)
      if (durationS === undefined) throw new ReplyError('ERR IDMP-DURATION must be between 1 and 86400 seconds')
    } else if (hasValue && request.is(at, 'IDMP-MAXSIZE')) {
      if (sizeMax !== undefined) throw new ReplyError('ERR IDMP-MAXSIZE specified multiple times')
      sizeMax = limitAt(request, at + 1, SIZE_MAX)
      if (sizeMax === undefined) throw new ReplyError('ERR IDMP-MAXSIZE must be between 1 and 10000 entries')
    } else throw new ReplyError(lines.syntax)
  }
  if (durationS === undefined && sizeMax === undefined) {
    throw new ReplyError('ERR At least one parameter must be specified')
  }
  const settings = { ...(durationS !== undefined && { durationS }), ...(sizeMax !== undefined && { sizeMax }) }
  setIdempotency(client.database, request.text(1), settings, client.nowMs)
  client.reply.ok()
}

function limitAt(request: Request, index: number, max: number): number | undefined {
  const value = request.integer(index)
  return value !== undefined && value >= 1 && value <= max ? value : undefined
}

function record(client: Client, request: Request): void {
  const producer = request.text(2)
  const iid = request.text(3)
  if (producer === '') throw new ReplyError('ERR producer ID must be non-empty')
  if (iid === '') throw new ReplyError('ERR idempotent ID must be non-empty')
  const id = idAt(request, 4)
  try {
    recordIid(client.database, { key: request.text(1), producer, iid, id }, client.nowMs)
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    if (error.code === 'NO_SUCH_ENTRY') throw new ReplyError('ERR No such message in stream')
    if (error.code !== 'IID_TAKEN') throw error
    throw new ReplyError('ERR IID already exists for this producer with a different stream ID')
  }
  client.reply.ok()
}

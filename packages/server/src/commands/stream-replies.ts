/** How entries and IDs are told: `[id, [field, value, …]]`, in RESP2 and RESP3 alike. */
import { deliveriesToBigint, formatId, type DeleteOutcome, type StreamEntry, type StreamId } from '@millrace/engine'
import type { ReplyWriter } from '@millrace/protocol'

export function writeId(reply: ReplyWriter, id: StreamId): void {
  reply.bulkText(formatId(id))
}

export function writeFields(reply: ReplyWriter, fields: readonly Uint8Array[]): void {
  reply.array(fields.length)
  for (let i = 0; i < fields.length; i++) reply.bulk(fields[i]!)
}

export function writeEntry(reply: ReplyWriter, entry: StreamEntry): void {
  reply.array(2)
  writeId(reply, entry.id)
  writeFields(reply, entry.fields)
}

export function writeOutcomes(reply: ReplyWriter, outcomes: readonly DeleteOutcome[]): void {
  reply.array(outcomes.length)
  for (let i = 0; i < outcomes.length; i++) reply.integer(outcomes[i]!)
}

/** What a command's HELP answers: simple strings. */
export function writeHelp(reply: ReplyWriter, helpLines: readonly string[]): void {
  reply.array(helpLines.length)
  for (const line of helpLines) reply.simple(line)
}

/** How often an entry has been delivered: XNACK FATAL makes that 2^63 - 1, which the engine holds in code. */
export function writeDeliveries(reply: ReplyWriter, count: number): void {
  reply.integer(count <= Number.MAX_SAFE_INTEGER ? count : deliveriesToBigint(count))
}

/** Commands about a stream's entries: XADD, XLEN, XRANGE, … */
import { append, formatId, length, parseNewId } from '@millrace/engine'
import { keyAt, type Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'

export const streamEntryCommands: readonly Command[] = [
  {
    name: 'xadd',
    summary: 'Appends a new message to a stream. Creates the key if it does not exist.',
    since: '5.0.0',
    complexity: 'O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.',
    group: 'stream',
    arity: -5,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    tips: ['nondeterministic_output'],
    run(client, request) {
      if (request.count % 2 === 0) throw new ReplyError("ERR wrong number of arguments for 'xadd' command")
      const fields: Uint8Array[] = []
      for (let i = 3; i < request.count; i++) fields.push(request.view(i))
      const id = append(
        client.database,
        { key: request.text(1), fields, id: parseNewId(request.text(2)) },
        client.nowMs,
      )
      client.reply.bulkText(formatId(id!))
    },
  },
  {
    name: 'xlen',
    summary: 'Return the number of messages in a stream.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RO'),
    run(client, request) {
      client.reply.integer(length(client.database, request.text(1), client.nowMs))
    },
  },
]

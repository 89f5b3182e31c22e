/** Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH (transaction.ts). */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { call, deniedLine } from '../dispatch.ts'
import { lines, ReplyError } from '../error-lines.ts'

export const transactionCommands: readonly Command[] = [
  {
    name: 'multi',
    summary: 'Mark the start of a transaction block',
    since: '1.2.0',
    complexity: 'O(1)',
    group: 'transactions',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    keys: [],
    run({ transaction, reply }) {
      if (transaction.isOpen) throw new ReplyError('ERR MULTI calls can not be nested')
      transaction.begin()
      reply.ok()
    },
  },
  {
    name: 'exec',
    summary: 'Execute all commands issued after MULTI',
    since: '1.2.0',
    complexity: 'Depends on commands in the transaction',
    group: 'transactions',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    categories: ['transaction'],
    keys: [],
    run: execute,
  },
  {
    name: 'discard',
    summary: 'Discard all commands issued after MULTI',
    since: '2.0.0',
    complexity: 'O(N), when N is the number of queued commands',
    group: 'transactions',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    keys: [],
    run({ transaction, reply }) {
      if (!transaction.isOpen) throw new ReplyError('ERR DISCARD without MULTI')
      transaction.end()
      reply.ok()
    },
  },
  {
    name: 'watch',
    summary: 'Watch the given keys to determine execution of the MULTI/EXEC block',
    since: '2.2.0',
    complexity: 'O(1) for every key.',
    group: 'transactions',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    keys: keyAt(1, 'RO').map((spec) => ({ ...spec, find: { lastKey: -1, keyStep: 1, limit: 0 } })),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: watch,
  },
  {
    name: 'unwatch',
    summary: 'Forget about all watched keys',
    since: '2.2.0',
    complexity: 'O(1)',
    group: 'transactions',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['transaction'],
    keys: [],
    run({ transaction, reply }) {
      transaction.unwatch()
      reply.ok()
    },
  },
]

/** Runs what is queued as one step: one reading of the clock, nobody in between, blocked clients are served afterwards. */
function execute(client: Client): void {
  const { transaction, reply } = client
  if (!transaction.isOpen) throw new ReplyError('ERR EXEC without MULTI')
  const { queue, isSpoilt } = transaction
  // Before anything runs: a watched key may expire on the way, and must not count then.
  const isStale = transaction.isStale(client.nowMs)
  transaction.end()
  if (isSpoilt) throw new ReplyError(lines.execAbort)
  if (isStale) return reply.nullArray()
  reply.array(queue.length)
  client.isExecuting = true
  try {
    for (const { entry, request } of queue) {
      client.lastCommand = entry.command.name
      // The client's rights may have changed since it was queued.
      const denied = client.user.isUnrestricted ? undefined : deniedLine(client, entry, request)
      if (denied === undefined) call(client, entry, request)
      else reply.error(denied)
    }
  } finally {
    client.isExecuting = false
    client.lastCommand = 'exec'
  }
}

function watch(client: Client, request: Request): void {
  const { transaction, database, databaseIndex, nowMs } = client
  if (transaction.isOpen) throw new ReplyError('ERR WATCH inside MULTI is not allowed')
  for (let i = 1; i < request.count; i++) {
    const key = request.text(i)
    if (!transaction.isWatching(databaseIndex, key)) transaction.watch(databaseIndex, key, database.watch(key, nowMs))
  }
  client.reply.ok()
}

/** Saving and ending: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN. */
import type { Request } from '@millrace/protocol'
import { hold, release } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import type { Keeper } from '../keeper.ts'

export const durabilityCommands: readonly Command[] = [
  {
    name: 'save',
    summary: 'Synchronously save the dataset to disk.',
    since: '1.0.0',
    complexity: 'O(N) where N is the total number of keys in all databases',
    group: 'server',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    categories: [],
    keys: [],
    differs: 'Refused without a directory. The client waits, and nobody else.',
    run: save,
  },
  {
    name: 'bgsave',
    summary: 'Asynchronously save the dataset to disk.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: -1,
    flags: ['admin', 'noscript', 'no_async_loading'],
    categories: [],
    keys: [],
    arguments: [{ name: 'schedule', type: 'pure-token', token: 'SCHEDULE', isOptional: true, since: '3.2.2' }],
    differs: 'Refused without a directory. Nothing is forked: the snapshot is written in slices of the same process.',
    run: saveInBackground,
  },
  {
    name: 'bgrewriteaof',
    summary: 'Asynchronously rewrite the append-only file.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading'],
    categories: [],
    keys: [],
    differs: 'Refused without a directory. What it writes is a snapshot, as BGSAVE does; the journal before it goes.',
    run: rewriteJournal,
  },
  {
    name: 'lastsave',
    summary: 'Get the UNIX time stamp of the last successful save to disk.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['admin', 'dangerous'],
    keys: [],
    tips: ['nondeterministic_output'],
    differs: 'Without a directory it is the time of the start.',
    run: lastSave,
  },
  {
    name: 'shutdown',
    summary: 'Synchronously save the dataset to disk and then shut down the server.',
    since: '1.0.0',
    complexity:
      'O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)',
    group: 'server',
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'no_multi', 'allow_busy'],
    categories: [],
    keys: [],
    arguments: [
      {
        name: 'nosave_save',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'nosave', type: 'pure-token', token: 'NOSAVE' },
          { name: 'save', type: 'pure-token', token: 'SAVE' },
        ],
      },
      { name: 'now', type: 'pure-token', token: 'NOW', isOptional: true, since: '7.0.0' },
      { name: 'force', type: 'pure-token', token: 'FORCE', isOptional: true, since: '7.0.0' },
      { name: 'abort', type: 'pure-token', token: 'ABORT', isOptional: true, since: '7.0.0' },
    ],
    differs:
      'SAVE is refused without a directory; without it no snapshot is written, as the journal has everything. NOW changes nothing: there are no replicas to wait for.',
    run: shutDown,
  },
]

const RUNNING = 'ERR Background save already in progress'
const OTHER_RUNNING =
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE " +
  'whenever possible.'

/** What keeps the data, or an error: there is nothing of the kind. */
function keeperOf({ server }: Client): Keeper {
  if (server.keeper === undefined) {
    throw new ReplyError('ERR this server keeps its data in memory only and cannot save them')
  }
  return server.keeper
}

function save(client: Client): void {
  const keeper = keeperOf(client)
  if (keeper.running !== undefined) throw new ReplyError(RUNNING)
  waitForSave(client, keeper, (isSaved) => {
    if (isSaved) client.reply.ok()
    // As Redis, whose reason is in its log as well.
    else client.reply.error('ERR')
  })
}

/** The client waits, and nobody else. */
function waitForSave(client: Client, keeper: Keeper, answer: (isSaved: boolean) => void): void {
  let isSaved = false
  hold(client, 'save', undefined, () => {
    const mark = client.reply.mark()
    answer(isSaved)
    client.settleReplyMode(mark)
  })
  const { held } = client
  void keeper.save().then((outcome) => {
    isSaved = outcome
    if (client.held === held) release(client)
  })
}

function saveInBackground(client: Client, request: Request): void {
  const isScheduled = request.count === 2 && request.is(1, 'SCHEDULE')
  if (request.count > 1 && !isScheduled) throw new ReplyError(lines.syntax)
  const keeper = keeperOf(client)
  if (keeper.running === 'save') throw new ReplyError(RUNNING)
  // As Redis: a transaction is to be over before.
  if (keeper.running === 'rewrite' || client.isExecuting) {
    if (!isScheduled && !client.isExecuting) throw new ReplyError(OTHER_RUNNING)
    keeper.schedule('save')
    return client.reply.simple('Background saving scheduled')
  }
  keeper.begin('save')
  client.reply.simple('Background saving started')
}

/** What the journal holds goes into a snapshot: the same as a BGSAVE, and told apart as in Redis. */
function rewriteJournal(client: Client): void {
  const keeper = keeperOf(client)
  if (keeper.running === 'rewrite') {
    throw new ReplyError('ERR Background append only file rewriting already in progress')
  }
  if (keeper.running === 'save' || client.isExecuting) {
    keeper.schedule('rewrite')
    return client.reply.simple('Background append only file rewriting scheduled')
  }
  keeper.begin('rewrite')
  client.reply.simple('Background append only file rewriting started')
}

function lastSave({ server, reply }: Client): void {
  reply.integer(Math.floor((server.keeper?.info()?.snapshot.lastMs ?? server.startedMs) / 1000))
}

function shutDown(client: Client, request: Request): void {
  const options = new Set<string>()
  for (let i = 1; i < request.count; i++) options.add(request.text(i).toLowerCase())
  for (const option of options) if (!shutdownOptions.has(option)) throw new ReplyError(lines.syntax)
  const isAbort = options.has('abort')
  if ((options.has('save') && options.has('nosave')) || (isAbort && request.count > 2)) {
    throw new ReplyError(lines.syntax)
  }
  if (isAbort) throw new ReplyError('ERR No shutdown in progress.')
  const { server } = client
  const keeper = options.has('save') ? keeperOf(client) : undefined
  // As Redis: no reply, the connection ends. While data load, there is nothing to save.
  if (keeper === undefined || keeper.loading !== undefined) return server.shutDown()
  waitForSave(client, keeper, (isSaved) => {
    if (isSaved || options.has('force')) server.shutDown()
    else client.reply.error('ERR Errors trying to SHUTDOWN. Check logs.')
  })
}

const shutdownOptions = new Set(['nosave', 'save', 'now', 'force', 'abort'])

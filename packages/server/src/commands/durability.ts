/** Saving and ending: SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, SHUTDOWN. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'

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
    differs: 'Refused: data are in memory only.',
    run: refuseToSave,
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
    differs: 'Refused: data are in memory only.',
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
    differs: 'Refused: data are in memory only.',
    run: refuseToSave,
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
    differs: 'Nothing is saved: it is the time of the start.',
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
      'SAVE is refused: data are in memory only. NOW and FORCE change nothing, there are no replicas to wait for.',
    run: shutDown,
  },
]

function saveInBackground(_client: Client, request: Request): void {
  if (request.count > 2 || (request.count === 2 && !request.is(1, 'SCHEDULE'))) throw new ReplyError(lines.syntax)
  refuseToSave()
}

function refuseToSave(): void {
  throw new ReplyError('ERR this server keeps its data in memory only and cannot save them')
}

function lastSave({ server, reply }: Client): void {
  reply.integer(Math.floor(server.startedMs / 1000))
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
  if (options.has('save')) refuseToSave()
  // As Redis: no reply, the connection ends.
  client.server.shutDown()
}

const shutdownOptions = new Set(['nosave', 'save', 'now', 'force', 'abort'])

/** CLIENT about the clients of the server: who they are, ending them, letting them wait or go on. */
import type { Request } from '@millrace/protocol'
import { unblock } from '../blocking.ts'
import type { Client } from '../client.ts'
import { clientLine, clientTypeOf, type ClientType } from '../client-line.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { wrongCount } from './help.ts'

export const otherClientSubcommands: readonly Command[] = [
  {
    name: 'client|kill',
    summary: 'Kill the connection of a client.',
    since: '2.4.0',
    complexity: 'O(N) where N is the number of client connections',
    group: 'connection',
    arity: -3,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['connection'],
    keys: [],
    arguments: [
      {
        name: 'filter',
        type: 'oneof',
        arguments: [
          { name: 'ip:port', type: 'string' },
          {
            name: 'new-format',
            type: 'oneof',
            isMultiple: true,
            arguments: [
              { name: 'client-id', type: 'integer', token: 'ID', isOptional: true, since: '2.8.12' },
              {
                name: 'normal_master_slave_pubsub',
                type: 'oneof',
                token: 'TYPE',
                isOptional: true,
                since: '2.8.12',
                arguments: [
                  { name: 'normal', type: 'pure-token', token: 'NORMAL' },
                  { name: 'master', type: 'pure-token', token: 'MASTER', since: '3.2.0' },
                  { name: 'slave', type: 'pure-token', token: 'SLAVE' },
                  { name: 'replica', type: 'pure-token', token: 'REPLICA', since: '5.0.0' },
                  { name: 'pubsub', type: 'pure-token', token: 'PUBSUB' },
                ],
              },
              { name: 'username', type: 'string', token: 'USER', isOptional: true },
              { name: 'ip:port', type: 'string', token: 'ADDR', isOptional: true },
              { name: 'ip:port', type: 'string', token: 'LADDR', isOptional: true, since: '6.2.0' },
              { name: 'yes/no', type: 'string', token: 'SKIPME', isOptional: true },
            ],
          },
        ],
      },
    ],
    differs: 'MAXAGE as from 7.4 on.',
    run: killClients,
  },
  {
    name: 'client|list',
    summary: 'Get the list of client connections.',
    since: '2.4.0',
    complexity: 'O(N) where N is the number of client connections',
    group: 'connection',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['connection'],
    keys: [],
    tips: ['nondeterministic_output'],
    arguments: [
      {
        name: 'normal_master_replica_pubsub',
        type: 'oneof',
        token: 'TYPE',
        isOptional: true,
        since: '5.0.0',
        arguments: [
          { name: 'normal', type: 'pure-token', token: 'NORMAL' },
          { name: 'master', type: 'pure-token', token: 'MASTER' },
          { name: 'replica', type: 'pure-token', token: 'REPLICA' },
          { name: 'pubsub', type: 'pure-token', token: 'PUBSUB' },
        ],
      },
      {
        name: 'id',
        type: 'block',
        token: 'ID',
        isOptional: true,
        since: '6.2.0',
        arguments: [{ name: 'client-id', type: 'integer', isMultiple: true }],
      },
    ],
    differs: '`fd` is -1, `qbuf-free` and `argv-mem` are 0; `lib-name` and `lib-ver` are told as from 7.2 on.',
    run: listClients,
  },
  {
    name: 'client|pause',
    summary: 'Stop processing commands from clients for some time.',
    since: '2.9.50',
    complexity: 'O(1)',
    group: 'connection',
    arity: -3,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['connection'],
    keys: [],
    arguments: [
      { name: 'timeout', type: 'integer' },
      {
        name: 'mode',
        type: 'oneof',
        isOptional: true,
        since: '6.2.0',
        arguments: [
          { name: 'write', type: 'pure-token', token: 'WRITE' },
          { name: 'all', type: 'pure-token', token: 'ALL' },
        ],
      },
    ],
    run: pauseClients,
  },
  {
    name: 'client|unblock',
    summary: 'Unblock a client blocked in a blocking command from a different connection.',
    since: '5.0.0',
    complexity: 'O(log N) where N is the number of client connections',
    group: 'connection',
    arity: -3,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['connection'],
    keys: [],
    arguments: [
      { name: 'client-id', type: 'integer' },
      {
        name: 'timeout_error',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'timeout', type: 'pure-token', token: 'TIMEOUT' },
          { name: 'error', type: 'pure-token', token: 'ERROR' },
        ],
      },
    ],
    run: unblockClient,
  },
  {
    name: 'client|unpause',
    summary: 'Resume processing of clients that were paused.',
    since: '6.2.0',
    complexity: 'O(N) Where N is the number of paused clients',
    group: 'connection',
    arity: 2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['connection'],
    keys: [],
    run: unpauseClients,
  },
]

function listClients(client: Client, request: Request): void {
  let listed: Iterable<Client> = client.server.clients.values()
  if (request.count === 4 && request.is(2, 'TYPE')) {
    const type = typeNamed(request.text(3))
    listed = [...listed].filter((one) => clientTypeOf(one) === type)
  } else if (request.count > 3 && request.is(2, 'ID')) {
    listed = clientsOf(client, request)
  } else if (request.count !== 2) throw new ReplyError(lines.syntax)
  let text = ''
  for (const one of listed) text += `${clientLine(one)}\n`
  client.reply.verbatim('txt', text)
}

function clientsOf(client: Client, request: Request): Client[] {
  const found: Client[] = []
  for (let i = 3; i < request.count; i++) {
    const id = request.integer(i)
    if (id === undefined) throw new ReplyError('ERR Invalid client ID')
    const one = client.server.clients.get(id)
    if (one !== undefined) found.push(one)
  }
  return found
}

function typeNamed(name: string): ClientType {
  const type = name.toLowerCase()
  if (type === 'normal' || type === 'master' || type === 'replica' || type === 'pubsub') return type
  if (type === 'slave') return 'replica'
  throw new ReplyError(`ERR Unknown client type '${name.slice(0, 128)}'`)
}

interface KillFilter {
  id?: number
  address?: string
  localAddress?: string
  userName?: string
  type?: ClientType
  /** Beyond so many seconds of age. */
  ageSeconds?: number
  skipsMe: boolean
}

function killClients(client: Client, request: Request): void {
  const isOldForm = request.count === 3
  const filter = isOldForm ? { address: request.text(2), skipsMe: false } : killFilter(client, request)
  const { server, reply } = client
  const doomed = [...server.clients.values()].filter((one) => isMeant(one, filter, client))
  if (!isOldForm) reply.integer(doomed.length)
  else if (doomed.length > 0) reply.ok()
  else throw new ReplyError('ERR No such client')
  for (const one of doomed) one.connection.close(one === client ? 'after-reply' : 'now')
}

function killFilter(client: Client, request: Request): KillFilter {
  const filter: KillFilter = { skipsMe: true }
  for (let i = 2; i < request.count; i += 2) {
    if (i + 1 >= request.count) throw new ReplyError(lines.syntax)
    const value = request.text(i + 1)
    if (request.is(i, 'ID')) {
      const id = request.integer(i + 1)
      if (id === undefined || id < 1) throw new ReplyError('ERR client-id should be greater than 0')
      filter.id = id
    } else if (request.is(i, 'TYPE')) filter.type = typeNamed(value)
    else if (request.is(i, 'ADDR')) filter.address = value
    else if (request.is(i, 'LADDR')) filter.localAddress = value
    else if (request.is(i, 'USER')) {
      if (client.server.acl.user(value) === undefined) {
        throw new ReplyError(`ERR No such user '${value.slice(0, 128)}'`)
      }
      filter.userName = value
    } else if (request.is(i, 'MAXAGE')) {
      const seconds = request.integer(i + 1)
      if (seconds === undefined) throw new ReplyError('ERR maxage is not an integer or out of range')
      if (seconds < 1) throw new ReplyError('ERR maxage should be greater than 0')
      filter.ageSeconds = seconds
    } else if (request.is(i, 'SKIPME') && (request.is(i + 1, 'YES') || request.is(i + 1, 'NO'))) {
      filter.skipsMe = request.is(i + 1, 'YES')
    } else throw new ReplyError(lines.syntax)
  }
  return filter
}

function isMeant(one: Client, filter: KillFilter, self: Client): boolean {
  const { id, address, localAddress, userName, type, ageSeconds, skipsMe } = filter
  if (one === self && skipsMe) return false
  if (id !== undefined && one.id !== id) return false
  if (address !== undefined && one.connection.address !== address) return false
  if (localAddress !== undefined && one.connection.localAddress !== localAddress) return false
  if (userName !== undefined && one.user.name !== userName) return false
  if (type !== undefined && clientTypeOf(one) !== type) return false
  return ageSeconds === undefined || self.nowMs - one.createdMs >= ageSeconds * 1000
}

function unblockClient(client: Client, request: Request): void {
  if (request.count > 4) throw wrongCount(request)
  let how: 'timeout' | 'error' = 'timeout'
  if (request.count > 3) {
    if (request.is(3, 'ERROR')) how = 'error'
    else if (!request.is(3, 'TIMEOUT')) {
      throw new ReplyError('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
    }
  }
  const id = request.integer(2)
  if (id === undefined) throw new ReplyError(lines.notInteger)
  const waiting = client.server.clients.get(id)
  client.reply.integer(waiting !== undefined && unblock(waiting, how) ? 1 : 0)
}

function pauseClients(client: Client, request: Request): void {
  if (request.count > 4) throw wrongCount(request)
  let isForWritesOnly = false
  if (request.count > 3) {
    isForWritesOnly = request.is(3, 'WRITE')
    if (!isForWritesOnly && !request.is(3, 'ALL')) throw new ReplyError('ERR CLIENT PAUSE mode must be WRITE or ALL')
  }
  const ms = request.integer(2)
  if (ms === undefined) throw new ReplyError('ERR timeout is not an integer or out of range')
  if (ms < 0) throw new ReplyError('ERR timeout is negative')
  const { server } = client
  const before = server.pause !== undefined && server.pause.untilMs > server.nowMs ? server.pause : undefined
  // A pause that holds is made longer or stricter, never shorter or laxer.
  server.pause = {
    untilMs: Math.max(before?.untilMs ?? 0, server.nowMs + ms),
    isForWritesOnly: isForWritesOnly && (before?.isForWritesOnly ?? true),
  }
  client.reply.ok()
}

function unpauseClients(client: Client): void {
  client.server.unpause()
  client.reply.ok()
}

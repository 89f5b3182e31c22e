/** Replication, of which there is none: ROLE, WAIT, WAITAOF, and what would set it up. */
import type { Wait } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import { block, unblock } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'

export const replicationCommands: readonly Command[] = [
  {
    name: 'role',
    summary: 'Return the role of the instance in the context of replication.',
    since: '2.8.12',
    complexity: 'O(1)',
    group: 'server',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast'],
    categories: ['admin', 'dangerous'],
    keys: [],
    run: role,
  },
  {
    name: 'wait',
    summary:
      'Wait for the synchronous replication of all the write commands sent in the context of the current connection.',
    since: '3.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 3,
    flags: ['noscript'],
    categories: ['connection'],
    keys: [],
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    arguments: [
      { name: 'numreplicas', type: 'integer' },
      { name: 'timeout', type: 'integer' },
    ],
    run: wait,
  },
  {
    name: 'waitaof',
    summary: 'Waits until the writes of this client are on stable storage, here and on replicas.',
    since: '7.2.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 4,
    flags: ['noscript'],
    categories: ['connection'],
    keys: [],
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    arguments: [
      { name: 'numlocal', type: 'integer' },
      { name: 'numreplicas', type: 'integer' },
      { name: 'timeout', type: 'integer' },
    ],
    run: waitAof,
  },
  {
    name: 'replicaof',
    summary: 'Make the server a replica of another instance, or promote it as master.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 3,
    flags: ['admin', 'noscript', 'stale', 'no_async_loading'],
    categories: [],
    keys: [],
    arguments: [
      {
        name: 'args',
        type: 'oneof',
        arguments: [
          {
            name: 'host-port',
            type: 'block',
            arguments: [
              { name: 'host', type: 'string' },
              { name: 'port', type: 'integer' },
            ],
          },
          {
            name: 'no-one',
            type: 'block',
            arguments: [
              { name: 'no', type: 'pure-token', token: 'NO' },
              { name: 'one', type: 'pure-token', token: 'ONE' },
            ],
          },
        ],
      },
    ],
    differs: "Only NO ONE is taken: this server is nobody's replica.",
    run: replicaOf,
  },
  {
    name: 'slaveof',
    summary: 'Make the server a replica of another instance, or promote it as master.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 3,
    flags: ['admin', 'noscript', 'stale', 'no_async_loading'],
    categories: [],
    keys: [],
    deprecated: { since: '5.0.0', replacedBy: '`REPLICAOF`' },
    arguments: [
      {
        name: 'args',
        type: 'oneof',
        arguments: [
          {
            name: 'host-port',
            type: 'block',
            arguments: [
              { name: 'host', type: 'string' },
              { name: 'port', type: 'integer' },
            ],
          },
          {
            name: 'no-one',
            type: 'block',
            arguments: [
              { name: 'no', type: 'pure-token', token: 'NO' },
              { name: 'one', type: 'pure-token', token: 'ONE' },
            ],
          },
        ],
      },
    ],
    differs: "Only NO ONE is taken: this server is nobody's replica.",
    run: replicaOf,
  },
  {
    name: 'failover',
    summary: 'Start a coordinated failover between this server and one of its replicas.',
    since: '6.2.0',
    complexity: 'O(1)',
    group: 'server',
    arity: -1,
    flags: ['admin', 'noscript', 'stale'],
    categories: [],
    keys: [],
    arguments: [
      {
        name: 'target',
        type: 'block',
        token: 'TO',
        isOptional: true,
        arguments: [
          { name: 'host', type: 'string' },
          { name: 'port', type: 'integer' },
          { name: 'force', type: 'pure-token', token: 'FORCE', isOptional: true },
        ],
      },
      { name: 'abort', type: 'pure-token', token: 'ABORT', isOptional: true },
      { name: 'milliseconds', type: 'integer', token: 'TIMEOUT', isOptional: true },
    ],
    run: failover,
  },
  {
    name: 'replconf',
    summary: 'An internal command for configuring the replication stream.',
    since: '3.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'allow_busy'],
    categories: [],
    keys: [],
    run: replconf,
  },
  {
    name: 'psync',
    summary: 'Internal command used for replication.',
    since: '2.8.0',
    complexity: '',
    group: 'server',
    arity: -3,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    categories: [],
    keys: [],
    arguments: [
      { name: 'replicationid', type: 'string' },
      { name: 'offset', type: 'integer' },
    ],
    differs: 'Refused: there is no replication.',
    run: refuseSync,
  },
  {
    name: 'sync',
    summary: 'Internal command used for replication.',
    since: '1.0.0',
    complexity: '',
    group: 'server',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    categories: [],
    keys: [],
    differs: 'Refused: there is no replication.',
    run: refuseSync,
  },
]

function role({ reply }: Client): void {
  reply.array(3)
  reply.bulkText('master')
  reply.integer(0)
  reply.array(0)
}

/** No replica will ever acknowledge: it waits for its time to pass, and in EXEC not at all. */
function wait(client: Client, request: Request): void {
  const replicas = request.integer(1)
  if (replicas === undefined) throw new ReplyError(lines.notInteger)
  const blockMs = timeoutOf(request, 2)
  if (replicas <= 0 || client.isExecuting) client.reply.integer(0)
  else waitInVain(client, blockMs, () => client.reply.integer(0))
}

function waitAof(client: Client, request: Request): void {
  const local = request.integer(1)
  if (local === undefined || local < 0 || local > 1)
    throw new ReplyError('ERR value is out of range, must be between 0 and 1')
  const replicas = request.integer(2)
  if (replicas === undefined || replicas < 0) throw new ReplyError('ERR value is out of range, must be positive')
  const blockMs = timeoutOf(request, 3)
  const { keeper } = client.server
  if (local > 0 && keeper === undefined) {
    throw new ReplyError('ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.')
  }
  let isDurable = keeper?.isDurable === true
  const answer = (): void => {
    client.reply.array(2)
    client.reply.integer(isDurable ? 1 : 0)
    client.reply.integer(0)
  }
  const isEnough = replicas === 0 && (local === 0 || isDurable)
  if (isEnough || client.isExecuting) return answer()
  const wait = waitInVain(client, blockMs, answer)
  if (isDurable) return
  keeper?.flush(() => {
    isDurable = true
    if (replicas === 0 && client.blocked?.wait === wait) unblock(client, 'timeout')
  })
}

function waitInVain(client: Client, blockMs: number, answerNothing: () => void): Wait | undefined {
  block(client, { keys: [], attempt: () => false, isGroupRead: false, blockMs, answerNothing })
  return client.blocked?.wait
}

function timeoutOf(request: Request, index: number): number {
  const ms = request.integer(index)
  if (ms === undefined) throw new ReplyError('ERR timeout is not an integer or out of range')
  if (ms < 0) throw new ReplyError('ERR timeout is negative')
  return ms
}

function replicaOf({ reply }: Client, request: Request): void {
  if (!request.is(1, 'NO') || !request.is(2, 'ONE')) {
    throw new ReplyError('ERR this server cannot be a replica')
  }
  reply.ok()
}

function failover(): void {
  throw new ReplyError('ERR FAILOVER requires connected replicas.')
}

function replconf(_client: Client, request: Request): void {
  if (request.count % 2 === 0) throw new ReplyError(lines.syntax)
  throw new ReplyError(`ERR Unrecognized REPLCONF option: ${request.count > 1 ? request.text(1).slice(0, 128) : ''}`)
}

function refuseSync(): void {
  throw new ReplyError('ERR this server has no replication')
}

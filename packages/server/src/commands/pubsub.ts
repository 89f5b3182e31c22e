/** Publish and subscribe (pub-sub.ts). */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { Glob } from '../glob.ts'
import type { SubscriptionKind } from '../pub-sub.ts'
import { helpLines, replyHelp, wrongCount } from './help.ts'

export const pubSubCommands: readonly Command[] = [
  {
    name: 'subscribe',
    summary: 'Listen for messages published to the given channels.',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of channels to subscribe to.',
    group: 'pubsub',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    arguments: [{ name: 'channel', type: 'string', isMultiple: true }],
    run: subscribe('channel'),
  },
  {
    name: 'unsubscribe',
    summary: 'Stop listening for messages posted to the given channels.',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of clients already subscribed to a channel.',
    group: 'pubsub',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    arguments: [{ name: 'channel', type: 'string', isOptional: true, isMultiple: true }],
    run: unsubscribe('channel'),
  },
  {
    name: 'psubscribe',
    summary: 'Listen for messages published to channels matching the given patterns.',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of patterns the client is already subscribed to.',
    group: 'pubsub',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    arguments: [
      { name: 'pattern', type: 'block', isMultiple: true, arguments: [{ name: 'pattern', type: 'pattern' }] },
    ],
    run: subscribe('pattern'),
  },
  {
    name: 'punsubscribe',
    summary: 'Stop listening for messages posted to channels matching the given patterns.',
    since: '2.0.0',
    complexity:
      'O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).',
    group: 'pubsub',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    arguments: [{ name: 'pattern', type: 'pattern', isOptional: true, isMultiple: true }],
    run: unsubscribe('pattern'),
  },
  {
    name: 'ssubscribe',
    summary: 'Listen for messages published to the given shard channels.',
    since: '7.0.0',
    complexity: 'O(N) where N is the number of shard channels to subscribe to.',
    group: 'pubsub',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [{ access: undefined, uses: ['not_key'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    arguments: [{ name: 'shardchannel', type: 'string', isMultiple: true }],
    run: subscribe('shard'),
  },
  {
    name: 'sunsubscribe',
    summary: 'Stop listening for messages posted to the given shard channels.',
    since: '7.0.0',
    complexity: 'O(N) where N is the number of clients already subscribed to a shard channel.',
    group: 'pubsub',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [{ access: undefined, uses: ['not_key'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    arguments: [{ name: 'shardchannel', type: 'string', isOptional: true, isMultiple: true }],
    run: unsubscribe('shard'),
  },
  {
    name: 'publish',
    summary: 'Post a message to a channel.',
    since: '2.0.0',
    complexity:
      'O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).',
    group: 'pubsub',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    categories: [],
    keys: [],
    arguments: [
      { name: 'channel', type: 'string' },
      { name: 'message', type: 'string' },
    ],
    differs: 'A RESP3 client that publishes to itself has the reply first, as from 7.2 on.',
    run: publish,
  },
  {
    name: 'spublish',
    summary: 'Post a message to a shard channel.',
    since: '7.0.0',
    complexity: 'O(N) where N is the number of clients subscribed to the receiving shard channel.',
    group: 'pubsub',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    categories: [],
    keys: keyAt(1, undefined, 'not_key'),
    arguments: [
      { name: 'shardchannel', type: 'string' },
      { name: 'message', type: 'string' },
    ],
    differs: 'A RESP3 client that publishes to itself has the reply first, as from 7.2 on.',
    run: spublish,
  },
  {
    name: 'pubsub',
    summary: 'A container for Pub/Sub commands.',
    since: '2.8.0',
    complexity: 'Depends on subcommand.',
    group: 'pubsub',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'pubsub|numpat',
        summary: 'Get the count of unique patterns pattern subscriptions.',
        since: '2.8.0',
        complexity: 'O(1)',
        group: 'pubsub',
        arity: 2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        keys: [],
        run: patternCount,
      },
      {
        name: 'pubsub|channels',
        summary: 'List active channels.',
        since: '2.8.0',
        complexity:
          'O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)',
        group: 'pubsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'pattern', type: 'pattern', isOptional: true }],
        run: names('channel'),
      },
      {
        name: 'pubsub|shardnumsub',
        summary: 'Get the count of subscribers for shard channels.',
        since: '7.0.0',
        complexity: 'O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels',
        group: 'pubsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'shardchannel', type: 'string', isOptional: true, isMultiple: true }],
        run: listenerCounts('shard'),
      },
      {
        name: 'pubsub|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '6.2.0',
        complexity: 'O(1)',
        group: 'pubsub',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: help,
      },
      {
        name: 'pubsub|shardchannels',
        summary: 'List active shard channels.',
        since: '7.0.0',
        complexity:
          'O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).',
        group: 'pubsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'pattern', type: 'pattern', isOptional: true }],
        run: names('shard'),
      },
      {
        name: 'pubsub|numsub',
        summary: 'Get the count of subscribers for channels.',
        since: '2.8.0',
        complexity: 'O(N) for the NUMSUB subcommand, where N is the number of requested channels',
        group: 'pubsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'channel', type: 'string', isOptional: true, isMultiple: true }],
        run: listenerCounts('channel'),
      },
    ],
  },
]

const prefixes = { channel: '', pattern: 'p', shard: 's' } as const

/** One reply, a push in RESP3, for each name: these commands have as many replies as names. */
function subscribe(kind: SubscriptionKind): (client: Client, request: Request) => void {
  return (client, request) => {
    for (let i = 1; i < request.count; i++) {
      const name = request.text(i)
      client.server.pubSub.subscribe(client, kind, name)
      tell(client, `${prefixes[kind]}subscribe`, name, kind)
    }
  }
}

/** Without names: of all that there are; when there are none, one reply says so. */
function unsubscribe(kind: SubscriptionKind): (client: Client, request: Request) => void {
  return (client, request) => {
    const { pubSub } = client.server
    const event = `${prefixes[kind]}unsubscribe`
    if (request.count > 1) {
      for (let i = 1; i < request.count; i++) {
        const name = request.text(i)
        pubSub.unsubscribe(client, kind, name)
        tell(client, event, name, kind)
      }
      return
    }
    if (client.subscriptions[kind].size === 0) return tell(client, event, undefined, kind)
    for (const name of client.subscriptions[kind]) {
      pubSub.unsubscribe(client, kind, name)
      tell(client, event, name, kind)
    }
  }
}

function tell(client: Client, event: string, name: string | undefined, kind: SubscriptionKind): void {
  const { reply } = client
  reply.push(3)
  reply.bulkText(event)
  if (name === undefined) reply.null()
  else reply.bulkText(name)
  reply.integer(client.subscriptions.countOf(kind))
}

function publish(client: Client, request: Request): void {
  client.reply.integer(client.server.pubSub.publish(request.text(1), request.view(2)))
}

function spublish(client: Client, request: Request): void {
  client.reply.integer(client.server.pubSub.publishShard(request.text(1), request.view(2)))
}

function names(kind: SubscriptionKind): (client: Client, request: Request) => void {
  return ({ reply, server }, request) => {
    if (request.count > 3) throw wrongCount(request)
    const glob = request.count === 3 ? new Glob(request.text(2)) : undefined
    const found: string[] = []
    for (const name of server.pubSub.names(kind)) if (glob === undefined || glob.matches(name)) found.push(name)
    reply.array(found.length)
    for (const name of found) reply.bulkText(name)
  }
}

function listenerCounts(kind: SubscriptionKind): (client: Client, request: Request) => void {
  return ({ reply, server }, request) => {
    reply.array((request.count - 2) * 2)
    for (let i = 2; i < request.count; i++) {
      const name = request.text(i)
      reply.bulkText(name)
      reply.integer(server.pubSub.listenerCount(kind, name))
    }
  }
}

function patternCount({ reply, server }: Client): void {
  reply.integer(server.pubSub.nameCount('pattern'))
}

function help({ reply }: Client): void {
  replyHelp(reply, 'PUBSUB', HELP)
}

const HELP = helpLines(`
CHANNELS [<pattern>]
    Return the currently active channels matching a <pattern> (default: '*').
NUMPAT
    Return number of subscriptions to patterns.
NUMSUB [<channel> ...]
    Return the number of subscribers for the specified channels, excluding
    pattern subscriptions(default: no channels).
SHARDCHANNELS [<pattern>]
    Return the currently active shard level channels matching a <pattern> (default: '*').
SHARDNUMSUB [<shardchannel> ...]
    Return the number of subscribers for the specified shard level channel(s)
`)

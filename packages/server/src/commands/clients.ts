/** CLIENT: the connections of the server, as their clients see and change them. */
import type { Command } from '../command.ts'
import { otherClientSubcommands } from './client-others.ts'
import {
  clientId,
  clientInfo,
  getName,
  getRedirection,
  setCaching,
  setInfo,
  setName,
  setNoEvict,
  setNoTouch,
  setReplyMode,
  setTracking,
  trackingInfo,
} from './client-self.ts'
import { helpLines, replyHelp } from './help.ts'

const clientHelp = helpLines(`
CACHING (YES|NO)
    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.
GETREDIR
    Return the client ID we are redirecting to when tracking is enabled.
GETNAME
    Return the name of the current connection.
ID
    Return the ID of the current connection.
INFO
    Return information about the current client connection.
KILL <ip:port>
    Kill connection made from <ip:port>.
KILL <option> <value> [<option> <value> [...]]
    Kill connections. Options are:
    * ADDR (<ip:port>|<unixsocket>:0)
      Kill connections made from the specified address
    * LADDR (<ip:port>|<unixsocket>:0)
      Kill connections made to specified local address
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Kill connections by type.
    * USER <username>
      Kill connections authenticated by <username>.
    * SKIPME (YES|NO)
      Skip killing current connection (default: yes).
LIST [options ...]
    Return information about client connections. Options:
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Return clients of specified type.
UNPAUSE
    Stop the current client pause, resuming traffic.
PAUSE <timeout> [WRITE|ALL]
    Suspend all, or just write, clients for <timeout> milliseconds.
REPLY (ON|OFF|SKIP)
    Control the replies sent to the current connection.
SETINFO <option> <value>
    Set client meta attr. Options are:
    * LIB-NAME: the client lib name.
    * LIB-VER: the client lib version.
SETNAME <name>
    Assign the name <name> to the current connection.
UNBLOCK <clientid> [TIMEOUT|ERROR]
    Unblock the specified blocked client.
TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]
         [OPTIN] [OPTOUT] [NOLOOP]
    Control server assisted client side caching.
TRACKINGINFO
    Report tracking status for the current connection.
NO-EVICT (ON|OFF)
    Protect current client connection from eviction.
NO-TOUCH (ON|OFF)
    Will not touch LRU/LFU stats when this mode is on.
`)

export const clientCommands: readonly Command[] = [
  {
    name: 'client',
    summary: 'A container for client connection commands.',
    since: '2.4.0',
    complexity: 'Depends on subcommand.',
    group: 'connection',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'client|caching',
        summary: 'Instruct the server about tracking or not keys in the next request.',
        since: '6.0.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [
          {
            name: 'mode',
            type: 'oneof',
            arguments: [
              { name: 'yes', type: 'pure-token', token: 'YES' },
              { name: 'no', type: 'pure-token', token: 'NO' },
            ],
          },
        ],
        differs: 'Refused: there is no client-side caching.',
        run: setCaching,
      },
      {
        name: 'client|getname',
        summary: 'Get the current connection name.',
        since: '2.6.9',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: getName,
      },
      {
        name: 'client|getredir',
        summary: 'Get tracking notifications redirection client ID if any.',
        since: '6.0.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: getRedirection,
      },
      {
        name: 'client|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: (client) => replyHelp(client.reply, 'CLIENT', clientHelp),
      },
      {
        name: 'client|id',
        summary: 'Returns the client ID for the current connection.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: clientId,
      },
      {
        name: 'client|info',
        summary: 'Returns information about the current client connection.',
        since: '6.2.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        tips: ['nondeterministic_output'],
        run: clientInfo,
      },
      {
        name: 'client|no-evict',
        summary: 'Set client eviction mode for the current connection.',
        since: '7.0.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [
          {
            name: 'enabled',
            type: 'oneof',
            arguments: [
              { name: 'on', type: 'pure-token', token: 'ON' },
              { name: 'off', type: 'pure-token', token: 'OFF' },
            ],
          },
        ],
        differs: 'Remembered and told, without effect: no client is evicted for memory before its own limits.',
        run: setNoEvict,
      },
      {
        name: 'client|reply',
        summary: 'Instruct the server whether to reply to commands.',
        since: '3.2.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [
          {
            name: 'on_off_skip',
            type: 'oneof',
            arguments: [
              { name: 'on', type: 'pure-token', token: 'ON' },
              { name: 'off', type: 'pure-token', token: 'OFF' },
              { name: 'skip', type: 'pure-token', token: 'SKIP' },
            ],
          },
        ],
        run: setReplyMode,
      },
      {
        name: 'client|setname',
        summary: 'Set the current connection name.',
        since: '2.6.9',
        complexity: 'O(1)',
        group: 'connection',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [{ name: 'connection-name', type: 'string' }],
        run: setName,
      },
      {
        name: 'client|tracking',
        summary: 'Enable or disable server assisted client side caching support.',
        since: '6.0.0',
        complexity: 'O(1). Some options may introduce additional complexity.',
        group: 'connection',
        arity: -3,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [
          {
            name: 'status',
            type: 'oneof',
            arguments: [
              { name: 'on', type: 'pure-token', token: 'ON' },
              { name: 'off', type: 'pure-token', token: 'OFF' },
            ],
          },
          { name: 'client-id', type: 'integer', token: 'REDIRECT', isOptional: true },
          {
            name: 'prefix',
            type: 'string',
            token: 'PREFIX',
            isOptional: true,
            isMultiple: true,
            isMultipleToken: true,
          },
          { name: 'bcast', type: 'pure-token', token: 'BCAST', isOptional: true },
          { name: 'optin', type: 'pure-token', token: 'OPTIN', isOptional: true },
          { name: 'optout', type: 'pure-token', token: 'OPTOUT', isOptional: true },
          { name: 'noloop', type: 'pure-token', token: 'NOLOOP', isOptional: true },
        ],
        differs: 'TRACKING ON is refused: there is no client-side caching.',
        run: setTracking,
      },
      {
        name: 'client|trackinginfo',
        summary: 'Return information about server assisted client side caching for the current connection.',
        since: '6.2.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: trackingInfo,
      },
      ...otherClientSubcommands,
      {
        name: 'client|setinfo',
        summary: 'Tells the server which library the client uses, and its version.',
        since: '7.2.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 4,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [
          {
            name: 'attr',
            type: 'oneof',
            arguments: [
              { name: 'libname', type: 'string', token: 'LIB-NAME' },
              { name: 'libver', type: 'string', token: 'LIB-VER' },
            ],
          },
        ],
        run: setInfo,
      },
      {
        name: 'client|no-touch',
        summary: 'Sets whether commands of the client count as use of the keys that they touch.',
        since: '7.2.0',
        complexity: 'O(1)',
        group: 'connection',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        categories: ['connection'],
        keys: [],
        arguments: [
          {
            name: 'enabled',
            type: 'oneof',
            arguments: [
              { name: 'on', type: 'pure-token', token: 'ON' },
              { name: 'off', type: 'pure-token', token: 'OFF' },
            ],
          },
        ],
        differs: 'Keys have no time of last use here, so it changes nothing.',
        run: setNoTouch,
      },
    ],
  },
]

/** Scripts: EVAL and its relatives, and SCRIPT (native-scripts.ts). */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { runScript, shaOf, type NativeScript } from '../native-scripts.ts'
import { functionCommand } from './functions.ts'
import { helpLines } from './help.ts'
import { flush, help, kill, refuseLua } from './script-replies.ts'

const SCRIPT_HELP = helpLines(`
DEBUG (YES|SYNC|NO)
    Set the debug mode for subsequent scripts executed.
EXISTS <sha1> [<sha1> ...]
    Return information about the existence of the scripts in the script cache.
FLUSH [ASYNC|SYNC]
    Flush the Lua scripts cache. Very dangerous on replicas.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the scripts cache.
    * SYNC: Synchronously flush the scripts cache.
KILL
    Kill the currently executing Lua script.
LOAD <script>
    Load a script into the scripts cache without executing it.
`)

export const scriptCommands: readonly Command[] = [
  {
    name: 'eval',
    summary: 'Execute a Lua script server side.',
    since: '2.6.0',
    complexity: 'Depends on the script that is executed.',
    group: 'scripting',
    arity: -3,
    flags: ['noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'],
    categories: ['scripting'],
    keys: [
      {
        access: 'RW',
        uses: ['access', 'update'],
        begin: { index: 2 },
        find: { keyNumIndex: 0, firstKey: 1, keyStep: 1 },
        notes: 'We cannot tell how the keys will be used so we assume the worst, RW and UPDATE',
      },
    ],
    arguments: [
      { name: 'script', type: 'string' },
      { name: 'numkeys', type: 'integer' },
      { name: 'key', type: 'key', keySpecIndex: 0, isOptional: true, isMultiple: true },
      { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
    ],
    differs: 'There is no Lua: only the scripts that the server was started with.',
    run: evalText(false),
  },
  {
    name: 'evalsha',
    summary: 'Execute a Lua script server side.',
    since: '2.6.0',
    complexity: 'Depends on the script that is executed.',
    group: 'scripting',
    arity: -3,
    flags: ['noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'],
    categories: ['scripting'],
    keys: [
      {
        access: 'RW',
        uses: ['access', 'update'],
        begin: { index: 2 },
        find: { keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      { name: 'sha1', type: 'string' },
      { name: 'numkeys', type: 'integer' },
      { name: 'key', type: 'key', keySpecIndex: 0, isOptional: true, isMultiple: true },
      { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
    ],
    differs: 'There is no Lua: only the scripts that the server was started with.',
    run: evalSha(false),
  },
  {
    name: 'eval_ro',
    summary: 'Execute a read-only Lua script server side.',
    since: '7.0.0',
    complexity: 'Depends on the script that is executed.',
    group: 'scripting',
    arity: -3,
    flags: ['readonly', 'noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'],
    categories: ['scripting'],
    keys: [
      {
        access: 'RO',
        uses: ['access'],
        begin: { index: 2 },
        find: { keyNumIndex: 0, firstKey: 1, keyStep: 1 },
        notes: 'We cannot tell how the keys will be used so we assume the worst, RO and ACCESS',
      },
    ],
    arguments: [
      { name: 'script', type: 'string' },
      { name: 'numkeys', type: 'integer' },
      { name: 'key', type: 'key', keySpecIndex: 0, isOptional: true, isMultiple: true },
      { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
    ],
    differs: 'There is no Lua: only the scripts that the server was started with.',
    run: evalText(true),
  },
  {
    name: 'evalsha_ro',
    summary: 'Execute a read-only Lua script server side.',
    since: '7.0.0',
    complexity: 'Depends on the script that is executed.',
    group: 'scripting',
    arity: -3,
    flags: ['readonly', 'noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'],
    categories: ['scripting'],
    keys: [{ access: 'RO', uses: ['access'], begin: { index: 2 }, find: { keyNumIndex: 0, firstKey: 1, keyStep: 1 } }],
    arguments: [
      { name: 'sha1', type: 'string' },
      { name: 'numkeys', type: 'integer' },
      { name: 'key', type: 'key', keySpecIndex: 0, isOptional: true, isMultiple: true },
      { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
    ],
    differs: 'There is no Lua: only the scripts that the server was started with.',
    run: evalSha(true),
  },
  {
    name: 'script',
    summary: 'A container for Lua scripts management commands.',
    since: '2.6.0',
    complexity: 'Depends on subcommand.',
    group: 'scripting',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'script|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'scripting',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['scripting'],
        keys: [],
        run: help('SCRIPT', SCRIPT_HELP),
      },
      {
        name: 'script|flush',
        summary: 'Remove all the scripts from the script cache.',
        since: '2.6.0',
        complexity: 'O(N) with N being the number of scripts in cache',
        group: 'scripting',
        arity: -2,
        flags: ['noscript'],
        categories: ['scripting'],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [
          {
            name: 'async',
            type: 'oneof',
            since: '6.2.0',
            isOptional: true,
            arguments: [
              { name: 'async', type: 'pure-token', token: 'ASYNC' },
              { name: 'sync', type: 'pure-token', token: 'SYNC' },
            ],
          },
        ],
        run: flush('SCRIPT FLUSH only support'),
      },
      {
        name: 'script|exists',
        summary: 'Check existence of scripts in the script cache.',
        since: '2.6.0',
        complexity:
          'O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).',
        group: 'scripting',
        arity: -3,
        flags: ['noscript'],
        categories: ['scripting'],
        keys: [],
        tips: ['request_policy:all_shards', 'response_policy:agg_logical_and'],
        arguments: [{ name: 'sha1', type: 'string', isMultiple: true }],
        run: exists,
      },
      {
        name: 'script|kill',
        summary: 'Kill the script currently in execution.',
        since: '2.6.0',
        complexity: 'O(1)',
        group: 'scripting',
        arity: 2,
        flags: ['noscript', 'allow_busy'],
        categories: ['scripting'],
        keys: [],
        tips: ['request_policy:all_shards', 'response_policy:one_succeeded'],
        run: kill,
      },
      {
        name: 'script|debug',
        summary: 'Set the debug mode for executed scripts.',
        since: '3.2.0',
        complexity: 'O(1)',
        group: 'scripting',
        arity: 3,
        flags: ['noscript'],
        categories: ['scripting'],
        keys: [],
        arguments: [
          {
            name: 'mode',
            type: 'oneof',
            arguments: [
              { name: 'yes', type: 'pure-token', token: 'YES' },
              { name: 'sync', type: 'pure-token', token: 'SYNC' },
              { name: 'no', type: 'pure-token', token: 'NO' },
            ],
          },
        ],
        run: refuseLua,
      },
      {
        name: 'script|load',
        summary: 'Load the specified Lua script into the script cache.',
        since: '2.6.0',
        complexity: 'O(N) with N being the length in bytes of the script body.',
        group: 'scripting',
        arity: 3,
        flags: ['noscript', 'stale'],
        categories: ['scripting'],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [{ name: 'script', type: 'string' }],
        differs: 'There is no Lua: only the scripts that the server was started with.',
        run: load,
      },
    ],
  },
  functionCommand,
]

const SHA_LENGTH = 40

type Run = (client: Client, request: Request) => void

function evalText(isReadOnly: boolean): Run {
  return (client, request) => {
    const keyCount = keyCountOf(request)
    const script = client.server.scripts.get(shaOf(request.view(1)))
    if (script === undefined) return refuseLua()
    run(client, request, { script, keyCount, isReadOnly })
  }
}

function evalSha(isReadOnly: boolean): Run {
  return (client, request) => {
    if (request.length(1) !== SHA_LENGTH) throw noScript()
    const keyCount = keyCountOf(request)
    const script = client.server.scripts.get(request.text(1))
    if (script === undefined) throw noScript()
    run(client, request, { script, keyCount, isReadOnly })
  }
}

function noScript(): ReplyError {
  return new ReplyError('NOSCRIPT No matching script. Please use EVAL.')
}

interface ScriptCall {
  readonly script: NativeScript
  readonly keyCount: number
  readonly isReadOnly: boolean
}

function run(client: Client, request: Request, { script, keyCount, isReadOnly }: ScriptCall): void {
  const texts: string[] = []
  for (let i = 3; i < request.count; i++) texts.push(request.text(i))
  runScript(client, script, { keys: texts.slice(0, keyCount), args: texts.slice(keyCount), isReadOnly })
}

function keyCountOf(request: Request): number {
  const count = request.integer(2)
  if (count === undefined) throw new ReplyError(lines.notInteger)
  if (count > request.count - 3) throw new ReplyError("ERR Number of keys can't be greater than number of args")
  if (count < 0) throw new ReplyError("ERR Number of keys can't be negative")
  return count
}

function load(client: Client, request: Request): void {
  const sha = shaOf(request.view(2))
  if (client.server.scripts.get(sha) === undefined) return refuseLua()
  client.reply.bulkText(sha)
}

function exists(client: Client, request: Request): void {
  client.reply.array(request.count - 2)
  for (let i = 2; i < request.count; i++) {
    client.reply.integer(client.server.scripts.get(request.text(i)) === undefined ? 0 : 1)
  }
}

/** FUNCTION, of a server that has none. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { helpLines } from './help.ts'
import { flush, help, kill, refuseLua } from './script-replies.ts'

const FUNCTION_HELP = helpLines(`
LOAD [REPLACE] <FUNCTION CODE>
    Create a new library with the given library name and code.
DELETE <LIBRARY NAME>
    Delete the given library.
LIST [LIBRARYNAME PATTERN] [WITHCODE]
    Return general information on all the libraries.
STATS
    Return information about the current function running.
KILL
    Kill the current running function.
FLUSH [ASYNC|SYNC]
    Delete all the libraries.
DUMP
    Return a serialized payload representing the current libraries.
RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]
    Restore the libraries represented by the given payload.
`)

export const functionCommand: Command = {
  name: 'function',
  summary: 'A container for function commands.',
  since: '7.0.0',
  complexity: 'Depends on subcommand.',
  group: 'scripting',
  arity: -2,
  flags: [],
  categories: [],
  keys: [],
  subcommands: [
    {
      name: 'function|kill',
      summary: 'Kill the function currently in execution.',
      since: '7.0.0',
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
      name: 'function|flush',
      summary: 'Deleting all functions.',
      since: '7.0.0',
      complexity: 'O(N) where N is the number of functions deleted',
      group: 'scripting',
      arity: -2,
      flags: ['write', 'noscript'],
      categories: ['scripting'],
      keys: [],
      tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
      arguments: [
        {
          name: 'async',
          type: 'oneof',
          isOptional: true,
          arguments: [
            { name: 'async', type: 'pure-token', token: 'ASYNC' },
            { name: 'sync', type: 'pure-token', token: 'SYNC' },
          ],
        },
      ],
      run: flush('FUNCTION FLUSH only supports'),
    },
    {
      name: 'function|help',
      summary: 'Show helpful text about the different subcommands.',
      since: '7.0.0',
      complexity: 'O(1)',
      group: 'scripting',
      arity: 2,
      flags: ['loading', 'stale'],
      categories: ['scripting'],
      keys: [],
      run: help('FUNCTION', FUNCTION_HELP),
    },
    {
      name: 'function|list',
      summary: 'List information about all the functions.',
      since: '7.0.0',
      complexity: 'O(N) where N is the number of functions',
      group: 'scripting',
      arity: -2,
      flags: ['noscript'],
      categories: ['scripting'],
      keys: [],
      tips: ['nondeterministic_output_order'],
      arguments: [
        { name: 'library-name-pattern', type: 'string', token: 'LIBRARYNAME', isOptional: true },
        { name: 'withcode', type: 'pure-token', token: 'WITHCODE', isOptional: true },
      ],
      run: functionList,
    },
    {
      name: 'function|restore',
      summary: 'Restore all the functions on the given payload.',
      since: '7.0.0',
      complexity: 'O(N) where N is the number of functions on the payload',
      group: 'scripting',
      arity: -3,
      flags: ['write', 'denyoom', 'noscript'],
      categories: ['scripting'],
      keys: [],
      tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
      arguments: [
        { name: 'serialized-value', type: 'string' },
        {
          name: 'policy',
          type: 'oneof',
          isOptional: true,
          arguments: [
            { name: 'flush', type: 'pure-token', token: 'FLUSH' },
            { name: 'append', type: 'pure-token', token: 'APPEND' },
            { name: 'replace', type: 'pure-token', token: 'REPLACE' },
          ],
        },
      ],
      run: refuseLua,
    },
    {
      name: 'function|load',
      summary: 'Create a function with the given arguments (name, code, description).',
      since: '7.0.0',
      complexity: 'O(1) (considering compilation time is redundant)',
      group: 'scripting',
      arity: -3,
      flags: ['write', 'denyoom', 'noscript'],
      categories: ['scripting'],
      keys: [],
      tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
      arguments: [
        { name: 'replace', type: 'pure-token', token: 'REPLACE', isOptional: true },
        { name: 'function-code', type: 'string' },
      ],
      run: refuseLua,
    },
    {
      name: 'function|dump',
      summary: 'Dump all functions into a serialized binary payload.',
      since: '7.0.0',
      complexity: 'O(N) where N is the number of functions',
      group: 'scripting',
      arity: 2,
      flags: ['noscript'],
      categories: ['scripting'],
      keys: [],
      run: refuseLua,
    },
    {
      name: 'function|delete',
      summary: 'Delete a function by name.',
      since: '7.0.0',
      complexity: 'O(1)',
      group: 'scripting',
      arity: 3,
      flags: ['write', 'noscript'],
      categories: ['scripting'],
      keys: [],
      tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
      arguments: [{ name: 'library-name', type: 'string' }],
      run: refuseLua,
    },
    {
      name: 'function|stats',
      summary: 'Return information about the function currently running (name, description, duration).',
      since: '7.0.0',
      complexity: 'O(1)',
      group: 'scripting',
      arity: 2,
      flags: ['noscript', 'allow_busy'],
      categories: ['scripting'],
      keys: [],
      tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
      run: functionStats,
    },
  ],
}

function functionList({ reply }: Client, request: Request): void {
  let [hasName, hasCode] = [false, false]
  for (let i = 2; i < request.count; i++) {
    if (!hasCode && request.is(i, 'WITHCODE')) hasCode = true
    else if (!hasName && request.is(i, 'LIBRARYNAME')) {
      hasName = true
      if (++i === request.count) throw new ReplyError('ERR library name argument was not given')
    } else throw new ReplyError(`ERR Unknown argument ${request.text(i).split('\0', 1)[0]}`)
  }
  reply.array(0)
}

function functionStats({ reply }: Client): void {
  reply.map(2)
  reply.bulkText('running_script')
  reply.null()
  reply.bulkText('engines')
  reply.map(0)
}

/**
 * A command is data and one function.
 *
 *   name, arity, flags, keys, since, …  ──►  dispatch, COMMAND, COMMAND DOCS, ACL, docs/commands.md
 *   run(client, request)                ──►  writes exactly one reply to client.reply, or throws a ReplyError having written what it likes
 *
 * Commands of one family share a file under commands/, which exports them as a list; command-table.ts lists the families.
 * To add a command is to add one to its family's list, and its test.
 *
 * Words are Redis's (redis.io/docs/latest/commands/command, /command-docs, /develop/reference/key-specs).
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'

export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'asking'
  | 'fast'
  | 'no_auth'
  | 'may_replicate'
  | 'sentinel'
  | 'movablekeys'
  | 'no_multi'
  | 'no_async_loading'
  | 'no_mandatory_keys'
  | 'allow_busy'

/** ACL categories that do not follow from the flags; `@read`, `@write`, `@fast`, `@slow`, `@admin`, … are derived. */
export type CommandCategory =
  | 'keyspace'
  | 'stream'
  | 'string'
  | 'pubsub'
  | 'connection'
  | 'transaction'
  | 'scripting'
  | 'dangerous'
  | 'admin'

/** Where a command's keys are among its arguments (redis.io/docs/latest/develop/reference/key-specs). */
export interface KeySpec {
  /**
   * RW: reads and writes, RO: reads, OW: overwrites, RM: removes. What ACL key permissions go by, with `uses`. Undefined:
   * none of them, for what is found like a key and is none (`not_key`: shard channels).
   */
  readonly access: 'RW' | 'RO' | 'OW' | 'RM' | undefined
  readonly uses: readonly ('access' | 'update' | 'insert' | 'delete' | 'not_key' | 'incomplete' | 'variable_flags')[]
  readonly begin: { readonly index: number } | { readonly keyword: string; readonly startFrom: number }
  readonly find:
    | { readonly lastKey: number; readonly keyStep: number; readonly limit: number }
    | { readonly keyNumIndex: number; readonly firstKey: number; readonly keyStep: number }
  readonly notes?: string
}

/** The one key at argument 1. */
export function keyAt(index: number, access: KeySpec['access'], ...uses: KeySpec['uses']): readonly KeySpec[] {
  return [{ access, uses, begin: { index }, find: { lastKey: 0, keyStep: 1, limit: 0 } }]
}

/** An argument as COMMAND DOCS tells it. */
export interface ArgumentDoc {
  readonly name: string
  readonly type: 'string' | 'integer' | 'double' | 'key' | 'pattern' | 'unix-time' | 'pure-token' | 'oneof' | 'block'
  readonly token?: string
  readonly isOptional?: boolean
  readonly isMultiple?: boolean
  readonly isMultipleToken?: boolean
  readonly keySpecIndex?: number
  readonly since?: string
  readonly arguments?: readonly ArgumentDoc[]
}

export interface Command {
  /** In small letters; of a subcommand with its container, `xgroup|create`. */
  readonly name: string
  readonly summary: string
  readonly since: string
  readonly complexity: string
  readonly group:
    | 'stream'
    | 'string'
    | 'generic'
    | 'pubsub'
    | 'connection'
    | 'server'
    | 'transactions'
    | 'scripting'
    | 'cluster'
  /** How many arguments, the name included (of a subcommand: both names); negative: at least. */
  readonly arity: number
  readonly flags: readonly CommandFlag[]
  readonly categories: readonly CommandCategory[]
  readonly keys: readonly KeySpec[]
  readonly tips?: readonly string[]
  /** Since when it is old, and what takes its place, as COMMAND DOCS tells it. */
  readonly deprecated?: { readonly since: string; readonly replacedBy: string }
  readonly arguments?: readonly ArgumentDoc[]
  /** Where we differ from Redis on purpose: a sentence for docs/commands.md. */
  readonly differs?: string
  readonly subcommands?: readonly Command[]
  /** A container of subcommands runs only when it can be called without one. */
  readonly run?: (client: Client, request: Request) => void
}

/**
 * Scripts without Lua: a text that EVAL brings is looked up, not run. Whoever starts the server gives it functions for the
 * texts that its clients send.
 *
 *   EVAL text ──SHA-1──► NativeScript ──► run(context, keys, args) ──► reply
 *   EVALSHA ─────▲            └──► context.call('XACK', …): a command of the same client, its reply as a value
 *
 * A script runs atomically, as every command does. As in Redis, what it has done before it fails stays done, its commands
 * do not block, and what its user may not do it may not do either.
 */
import { createHash } from 'node:crypto'
import { ReplyReader, Request, type ReplyValue, type ReplyWriter } from '@millrace/protocol'
import { refusalLine } from './acl.ts'
import type { Client } from './client.ts'
import type { CommandEntry } from './command-entry.ts'
import { lines, ReplyError } from './error-lines.ts'

/** What a reply is to a script: byte strings as latin1 text, as everywhere. Null stands for both nulls. */
export type ScriptValue = string | number | bigint | null | readonly ScriptValue[]

export interface ScriptContext {
  /** Runs a command; throws its error reply as a `ReplyError`, which ends the script unless it is caught. */
  call(name: string, ...args: readonly (string | number)[]): ScriptValue
  /** As `call`, for arguments as many as a client may send. */
  callAll(args: readonly string[]): ScriptValue
}

export interface NativeScript {
  /** The text that clients send. */
  readonly lua: string
  /** Throws a `ReplyError` to answer with an error. */
  run(context: ScriptContext, keys: readonly string[], args: readonly string[]): ScriptValue
}

export class NativeScripts {
  readonly #bySha = new Map<string, NativeScript>()

  constructor(scripts: readonly NativeScript[] = []) {
    for (const script of scripts) this.#bySha.set(shaOf(Buffer.from(script.lua)), script)
  }

  /** By the SHA-1 of its text, in hexadecimal. */
  get(sha: string): NativeScript | undefined {
    return this.#bySha.get(sha.toLowerCase())
  }
}

export function shaOf(text: Uint8Array): string {
  return createHash('sha1').update(text).digest('hex')
}

/** Runs a script for a client and writes its reply. `isReadOnly`: commands that write are refused. */
export function runScript(
  client: Client,
  script: NativeScript,
  { keys, args, isReadOnly }: { keys: readonly string[]; args: readonly string[]; isReadOnly: boolean },
): void {
  const { reply, isExecuting, databaseIndex } = client
  const { protocol } = reply
  const context = new Calls(client, isReadOnly)
  client.isExecuting = true
  // Scripts see RESP2, whatever their client speaks.
  reply.protocol = 2
  let value: ScriptValue
  try {
    value = script.run(context, keys, args)
  } finally {
    reply.protocol = protocol
    client.isExecuting = isExecuting
    // As Redis: a SELECT in a script is for the script.
    client.databaseIndex = databaseIndex
  }
  writeValue(reply, value)
}

function writeValue(reply: ReplyWriter, value: ScriptValue): void {
  if (value === null) reply.null()
  else if (typeof value === 'string') reply.bulkText(value)
  else if (typeof value === 'object') {
    reply.array(value.length)
    for (const item of value) writeValue(reply, item)
  } else reply.integer(value)
}

/** The commands of one run. A reply is written where the script's own will be, read from there, and taken back. */
class Calls implements ScriptContext {
  readonly #client: Client
  readonly #isReadOnly: boolean

  constructor(client: Client, isReadOnly: boolean) {
    this.#client = client
    this.#isReadOnly = isReadOnly
  }

  call(name: string, ...args: readonly (string | number)[]): ScriptValue {
    return this.callAll([name, ...args.map(String)])
  }

  callAll(args: readonly string[]): ScriptValue {
    const { reply } = this.#client
    const request = Request.of(args)
    const entry = this.#entryOf(request)
    const mark = reply.mark()
    try {
      entry.run!(this.#client, request)
      const reader = new ReplyReader()
      reader.feed(reply.written().subarray(mark))
      if (!reader.next()) throw new TypeError(`${entry.command.name} gave no reply to a script`)
      return valueOf(reader.value())
    } finally {
      reply.rewind(mark)
    }
  }

  #entryOf(request: Request): CommandEntry {
    const client = this.#client
    const { server } = client
    const container = server.commands.entryOf(request)
    const entry =
      container?.subcommands === undefined || request.count === 1
        ? container
        : container.subcommands.get(`${container.command.name}|${request.text(1).toLowerCase()}`)
    if (entry?.run === undefined) throw new ReplyError('ERR Unknown Redis command called from script')
    const { arity, flags } = entry.command
    if (arity > 0 ? request.count !== arity : request.count < -arity) {
      throw new ReplyError('ERR Wrong number of args calling Redis command from script')
    }
    if (flags.includes('noscript')) throw new ReplyError('ERR This Redis command is not allowed from script')
    if (this.#isReadOnly && entry.isWrite) {
      throw new ReplyError('ERR Write commands are not allowed from read-only scripts.')
    }
    const denial = client.user.isUnrestricted ? undefined : server.acl.denial(client.user, entry.command, request)
    if (denial !== undefined) {
      server.onDenied?.(client, denial)
      throw new ReplyError(refusalLine(denial))
    }
    if (entry.deniesOutOfMemory && server.isOutOfMemory) throw new ReplyError(lines.outOfMemory)
    const refusal = server.keeper?.refusalOf(client, entry)
    if (refusal !== undefined) throw new ReplyError(refusal)
    return entry
  }
}

function valueOf(value: ReplyValue): ScriptValue {
  switch (value.kind) {
    case 'simple':
      return value.text
    case 'error':
      throw new ReplyError(value.line)
    case 'integer':
      return value.value
    case 'bulk':
      return value.bytes.toString('latin1')
    case 'null':
      return null
    case 'array':
      return value.items.map(valueOf)
    default:
      throw new TypeError(`RESP2 has no ${value.kind}`)
  }
}

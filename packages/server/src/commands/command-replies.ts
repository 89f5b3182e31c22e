/** A command as COMMAND INFO and COMMAND DOCS tell it, in Redis's order of fields. */
import type { ReplyWriter } from '@millrace/protocol'
import { categoriesOf, flagsOf, legacyRange } from '../command-categories.ts'
import type { ArgumentDoc, Command, KeySpec } from '../command.ts'

/** Ten fields: name, arity, flags, first key, last key, step, categories, tips, key specs, subcommands. */
export function replyCommandInfo(reply: ReplyWriter, command: Command): void {
  reply.array(10)
  reply.bulkText(command.name)
  reply.integer(command.arity)
  replyWords(reply, flagsOf(command))
  const { firstKey, lastKey, keyStep } = legacyRange(command)
  reply.integer(firstKey)
  reply.integer(lastKey)
  reply.integer(keyStep)
  const categories = categoriesOf(command).map((name) => `@${name}`)
  replyWords(reply, categories)
  const tips = command.tips ?? []
  reply.set(tips.length)
  for (const tip of tips) reply.bulkText(tip)
  reply.set(command.keys.length)
  for (const spec of command.keys) replyKeySpec(reply, spec)
  const subcommands = command.subcommands ?? []
  // As Redis: an empty set, or an array.
  if (subcommands.length === 0) reply.set(0)
  else reply.array(subcommands.length)
  for (const subcommand of subcommands) replyCommandInfo(reply, subcommand)
}

/** Flags are told as a set of simple strings. */
export function replyWords(reply: ReplyWriter, words: readonly string[]): void {
  reply.set(words.length)
  for (const word of words) reply.simple(word)
}

function replyKeySpec(reply: ReplyWriter, { access, uses, begin, find, notes }: KeySpec): void {
  reply.map(notes === undefined ? 3 : 4)
  if (notes !== undefined) {
    reply.bulkText('notes')
    reply.bulkText(notes)
  }
  reply.bulkText('flags')
  replyWords(reply, access === undefined ? uses : [access, ...uses])
  const isIndex = 'index' in begin
  reply.bulkText('begin_search')
  replySearch(
    reply,
    isIndex ? 'index' : 'keyword',
    isIndex ? { index: begin.index } : { keyword: begin.keyword, startfrom: begin.startFrom },
  )
  const isRange = 'lastKey' in find
  reply.bulkText('find_keys')
  replySearch(
    reply,
    isRange ? 'range' : 'keynum',
    isRange
      ? { lastkey: find.lastKey, keystep: find.keyStep, limit: find.limit }
      : { keynumidx: find.keyNumIndex, firstkey: find.firstKey, keystep: find.keyStep },
  )
}

function replySearch(reply: ReplyWriter, type: string, spec: Readonly<Record<string, string | number>>): void {
  reply.map(2)
  reply.bulkText('type')
  reply.bulkText(type)
  reply.bulkText('spec')
  const fields = Object.entries(spec)
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.bulkText(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulkText(value)
  }
}

/** The documentation of a command: a map. */
export function replyCommandDocs(reply: ReplyWriter, command: Command): void {
  const { summary, since, group, complexity, deprecated, arguments: args, subcommands } = command
  const fields = 3 + (complexity === '' ? 0 : 1) + (deprecated === undefined ? 0 : 3)
  reply.map(fields + (args === undefined ? 0 : 1) + (subcommands === undefined ? 0 : 1))
  replyText(reply, 'summary', summary)
  replyText(reply, 'since', since)
  replyText(reply, 'group', group)
  if (complexity !== '') replyText(reply, 'complexity', complexity)
  if (deprecated !== undefined) {
    reply.bulkText('doc_flags')
    replyWords(reply, ['deprecated'])
    replyText(reply, 'deprecated_since', deprecated.since)
    replyText(reply, 'replaced_by', deprecated.replacedBy)
  }
  if (args !== undefined) replyArguments(reply, args)
  if (subcommands === undefined) return
  reply.bulkText('subcommands')
  reply.map(subcommands.length)
  for (const subcommand of subcommands) {
    reply.bulkText(subcommand.name)
    replyCommandDocs(reply, subcommand)
  }
}

function replyText(reply: ReplyWriter, name: string, value: string): void {
  reply.bulkText(name)
  reply.bulkText(value)
}

function replyArguments(reply: ReplyWriter, args: readonly ArgumentDoc[]): void {
  reply.bulkText('arguments')
  reply.array(args.length)
  for (const argument of args) replyArgument(reply, argument)
}

function replyArgument(reply: ReplyWriter, argument: ArgumentDoc): void {
  const { name, type, keySpecIndex, token, since, arguments: args } = argument
  const flags: string[] = []
  if (argument.isOptional === true) flags.push('optional')
  if (argument.isMultiple === true) flags.push('multiple')
  if (argument.isMultipleToken === true) flags.push('multiple_token')
  const given = [keySpecIndex, token, since, args].filter((value) => value !== undefined).length
  reply.map(2 + given + (flags.length > 0 ? 1 : 0))
  replyText(reply, 'name', name)
  replyText(reply, 'type', type)
  if (keySpecIndex !== undefined) {
    reply.bulkText('key_spec_index')
    reply.integer(keySpecIndex)
  }
  if (token !== undefined) replyText(reply, 'token', token)
  if (since !== undefined) replyText(reply, 'since', since)
  if (flags.length > 0) {
    reply.bulkText('flags')
    replyWords(reply, flags)
  }
  if (args !== undefined) replyArguments(reply, args)
}

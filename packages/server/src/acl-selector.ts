/**
 * A selector: a set of commands, the keys and the channels that they may touch. A user is one selector and any number of
 * further ones; a request is allowed when one of them allows all of it.
 *
 *   +@all -@admin +config|get     allowed   [1 1 0 0 1 …]       a byte for each command
 *   ~orders:* %R~logs:*           keys      orders:* → RW, logs:* → R
 *   &news:*                       channels  news:*
 *
 * What it tells of its commands is made from the bytes, not from what it was given: the categories that describe them best,
 * then the commands in which they err.
 */
import type { Request } from '@millrace/protocol'
import type { AclCommand, AclCommands } from './acl-commands.ts'
import { categoryNames } from './command-categories.ts'
import { Glob } from './glob.ts'

/** Why a rule was not taken: the sentence that a client gets after the rule. */
export class AclRuleError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AclRuleError'
  }
}

export const ruleErrors = {
  syntax: 'Syntax error',
  unknownCommand: 'Unknown command or category name in ACL',
  firstArgOfSubcommand: 'Allowing first-arg of a subcommand is not supported',
  keysAfterAll:
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
  channelsAfterAll:
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
  noSuchPassword: 'The password you are trying to remove from the user does not exist',
  badHash: 'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
} as const

const READ = 1
const WRITE = 2

interface KeyPattern {
  readonly glob: Glob
  readonly access: number
}

export class Selector {
  readonly #commands: AclCommands
  #allowed: Uint8Array
  /** Whether a command is allowed that does not exist yet. */
  #isFutureAllowed = false
  /** Commands allowed with this first argument only: `+select|0`. */
  #firstArguments = new Map<number, string[]>()
  #isAllKeys = false
  #keyPatterns = new Map<string, KeyPattern>()
  #isAllChannels = false
  #channelPatterns = new Map<string, Glob>()

  constructor(commands: AclCommands) {
    this.#commands = commands
    this.#allowed = new Uint8Array(commands.size)
  }

  copy(): Selector {
    const copy = new Selector(this.#commands)
    copy.#allowed = this.#allowed.slice()
    copy.#isFutureAllowed = this.#isFutureAllowed
    copy.#firstArguments = new Map([...this.#firstArguments].map(([number, words]) => [number, [...words]]))
    copy.#isAllKeys = this.#isAllKeys
    copy.#keyPatterns = new Map(this.#keyPatterns)
    copy.#isAllChannels = this.#isAllChannels
    copy.#channelPatterns = new Map(this.#channelPatterns)
    return copy
  }

  /** Nothing is ever refused. */
  get isUnrestricted(): boolean {
    return this.#isFutureAllowed && this.#isAllKeys && this.#isAllChannels && !this.#allowed.includes(0)
  }

  // ---- rules

  /** Takes one rule, or throws an `AclRuleError` and is as before. */
  apply(rule: string): void {
    const word = rule.toLowerCase()
    const change = wordRules.get(word)
    if (change !== undefined) return change(this)
    const [first] = rule
    if (first === '~' || first === '%') this.#addKeyPattern(rule)
    else if (first === '&') this.#addChannelPattern(rule.slice(1))
    else if ((first === '+' || first === '-') && word[1] === '@') this.#setCategory(word.slice(2), first === '+')
    else if (first === '+') this.#allow(word.slice(1))
    else if (first === '-') this.#set(this.#require(word.slice(1)), false)
    else throw new AclRuleError(ruleErrors.syntax)
  }

  allowAllKeys(isAll: boolean): void {
    this.#isAllKeys = isAll
    this.#keyPatterns.clear()
  }

  allowAllChannels(isAll: boolean): void {
    this.#isAllChannels = isAll
    this.#channelPatterns.clear()
  }

  allowAllCommands(isAll: boolean): void {
    this.#allowed.fill(isAll ? 1 : 0)
    this.#isFutureAllowed = isAll
    this.#firstArguments.clear()
  }

  #addKeyPattern(rule: string): void {
    if (this.#isAllKeys) throw new AclRuleError(ruleErrors.keysAfterAll)
    let at = 1
    let access = rule[0] === '~' ? READ | WRITE : 0
    for (; rule[0] === '%' && at < rule.length && rule[at] !== '~'; at++) {
      const letter = rule[at]!.toUpperCase()
      const bit = letter === 'R' ? READ : letter === 'W' ? WRITE : 0
      if (bit === 0 || (access & bit) !== 0) throw new AclRuleError(ruleErrors.syntax)
      access |= bit
    }
    if (access === 0) throw new AclRuleError(ruleErrors.syntax)
    const pattern = rule.slice(rule[0] === '%' ? at + 1 : at)
    if (hasSpaces(pattern)) throw new AclRuleError(ruleErrors.syntax)
    const known = this.#keyPatterns.get(pattern)
    const glob = known?.glob ?? new Glob(pattern)
    this.#keyPatterns.set(pattern, { glob, access: access | (known?.access ?? 0) })
  }

  #addChannelPattern(pattern: string): void {
    if (this.#isAllChannels) throw new AclRuleError(ruleErrors.channelsAfterAll)
    if (hasSpaces(pattern)) throw new AclRuleError(ruleErrors.syntax)
    this.#channelPatterns.set(pattern, new Glob(pattern))
  }

  #setCategory(name: string, isAllowed: boolean): void {
    if (!categoryNames.some((category) => category === name)) throw new AclRuleError(ruleErrors.unknownCommand)
    for (const command of this.#commands.all) if (command.categories.has(name)) this.#set(command, isAllowed)
  }

  #allow(name: string): void {
    const command = this.#commands.get(name)
    if (command !== undefined) return this.#set(command, true)
    const bar = name.lastIndexOf('|')
    const parent = bar < 0 ? undefined : this.#commands.get(name.slice(0, bar))
    if (parent === undefined) throw new AclRuleError(ruleErrors.unknownCommand)
    if (parent.parent !== undefined) throw new AclRuleError(ruleErrors.firstArgOfSubcommand)
    const word = name.slice(bar + 1)
    if (word === '') throw new AclRuleError(ruleErrors.syntax)
    if (parent.children.length > 0) throw new AclRuleError(ruleErrors.unknownCommand)
    const words = this.#firstArguments.get(parent.number)
    if (words === undefined) this.#firstArguments.set(parent.number, [word])
    else if (!words.includes(word)) words.push(word)
  }

  #require(name: string): AclCommand {
    const command = this.#commands.get(name)
    if (command === undefined) throw new AclRuleError(ruleErrors.unknownCommand)
    return command
  }

  #set(command: AclCommand, isAllowed: boolean): void {
    this.#allowed[command.number] = isAllowed ? 1 : 0
    this.#firstArguments.delete(command.number)
    for (const child of command.children) this.#set(child, isAllowed)
  }

  // ---- checks

  /** Whether a command may run at all. */
  allowsCommand(number: number, request: Request): boolean {
    if (this.#allowed[number] === 1) return true
    const words = this.#firstArguments.get(number)
    return words !== undefined && request.count > 1 && words.includes(request.text(1).toLowerCase())
  }

  allowsKey(key: string, reads: boolean, writes: boolean): boolean {
    if (this.#isAllKeys) return true
    const needed = (reads ? READ : 0) | (writes ? WRITE : 0)
    for (const { glob, access } of this.#keyPatterns.values()) {
      if ((access & needed) === needed && glob.matches(key)) return true
    }
    return false
  }

  /** A channel, or a pattern of channels, which must be one that is given as it stands. */
  allowsChannel(channel: string, isPattern: boolean): boolean {
    if (this.#isAllChannels) return true
    if (isPattern) return this.#channelPatterns.has(channel)
    for (const glob of this.#channelPatterns.values()) if (glob.matches(channel)) return true
    return false
  }

  // ---- description

  get keysText(): string {
    if (this.#isAllKeys) return '~*'
    const texts: string[] = []
    for (const [pattern, { access }] of this.#keyPatterns) {
      texts.push(`${access === READ ? '%R~' : access === WRITE ? '%W~' : '~'}${pattern}`)
    }
    return texts.join(' ')
  }

  get channelsText(): string {
    if (this.#isAllChannels) return '&*'
    return [...this.#channelPatterns.keys()].map((pattern) => `&${pattern}`).join(' ')
  }

  get commandsText(): string {
    const described = new Selector(this.#commands)
    described.allowAllCommands(this.#isFutureAllowed)
    const rules = [this.#isFutureAllowed ? '+@all' : '-@all']
    const rest = this.copy()
    const sign = this.#isFutureAllowed ? '-' : '+'
    const opposite = this.#isFutureAllowed ? '+' : '-'
    for (let name = rest.#bestCategory(); name !== undefined; name = rest.#bestCategory()) {
      rules.push(`${sign}@${name}`)
      described.apply(`${sign}@${name}`)
      rest.apply(`${opposite}@${name}`)
    }
    for (const command of this.#commands.all) {
      const isAllowed = this.#allowed[command.number]!
      if (isAllowed !== described.#allowed[command.number]) {
        rules.push(`${isAllowed === 1 ? '+' : '-'}${command.name}`)
        described.#set(command, isAllowed === 1)
      }
      if (isAllowed === 1) continue
      for (const word of this.#firstArguments.get(command.number) ?? []) rules.push(`+${command.name}|${word}`)
    }
    return rules.join(' ')
  }

  /** As a line of an ACL file has it. */
  get text(): string {
    const parts = [this.keysText, this.#isAllChannels ? '' : 'resetchannels', this.channelsText, this.commandsText]
    return parts.filter((part) => part !== '').join(' ')
  }

  /** The category that describes best what differs from all (or nothing), if one is more right than wrong. */
  #bestCategory(): string | undefined {
    const wanted = this.#isFutureAllowed ? 0 : 1
    let best: { name: string; same: number; different: number } | undefined
    for (const name of categoryNames) {
      let same = 0
      let different = 0
      for (const command of this.#commands.all) {
        if (!command.categories.has(name) || command.isNewer) continue
        if (this.#allowed[command.number] === wanted) same++
        else different++
      }
      if (same <= different) continue
      const isBetter =
        best === undefined || different < best.different || (different === best.different && same > best.same)
      if (isBetter) best = { name, same, different }
    }
    return best?.name
  }
}

/** A Map: what Object.prototype has by name is no rule. */
const wordRules: ReadonlyMap<string, (selector: Selector) => void> = new Map<string, (selector: Selector) => void>([
  ['allkeys', (selector) => selector.allowAllKeys(true)],
  ['~*', (selector) => selector.allowAllKeys(true)],
  ['resetkeys', (selector) => selector.allowAllKeys(false)],
  ['allchannels', (selector) => selector.allowAllChannels(true)],
  ['&*', (selector) => selector.allowAllChannels(true)],
  ['resetchannels', (selector) => selector.allowAllChannels(false)],
  ['allcommands', (selector) => selector.allowAllCommands(true)],
  ['+@all', (selector) => selector.allowAllCommands(true)],
  ['nocommands', (selector) => selector.allowAllCommands(false)],
  ['-@all', (selector) => selector.allowAllCommands(false)],
])

function hasSpaces(pattern: string): boolean {
  return /[\0\t\n\v\f\r ]/.test(pattern)
}

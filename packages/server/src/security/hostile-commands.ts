/**
 * Random commands with the command table as grammar: every command, its arguments as COMMAND DOCS tells them, drawn from pools
 * of what has broken servers before; then now and then an argument is lost, doubled, replaced or put elsewhere.
 *
 *   XADD   key  [NOMKSTREAM]  [trim]  id | *  field value …      the docs
 *   XADD   k1    MAXLEN ~ -1  LIMIT 9223372036854775808  5-*  f   a request
 *
 * What would end the fuzzing itself is left out: see `isTame`.
 */
import type { ArgumentDoc, Command } from '../command.ts'
import type { CommandTable } from '../command-table.ts'
import type { Random } from '../differential-random.ts'
import { parameters } from '../config-table.ts'

export const keys = ['k1', 'k2', 'k3', 's1', 's2', '{a}k', 'STREAMS', '__proto__', '']
const numbers =
  '0 1 2 3 5 10 100 -1 -2 2147483647 2147483648 4294967296 9007199254740993 9223372036854775807 9223372036854775808 ' +
  '-9223372036854775808 18446744073709551615 18446744073709551616 1.5 1e3 nan x 00 +1'
const integers = [...numbers.split(' '), '']
const ids =
  '0 0-0 0-1 1-0 1-1 1-2 2-0 2-* 3-0 4-0 5 5-0 6-0 7-0 7-1 8-0 * $ > + - (1-1 (- 18446744073709551615-18446744073709551615 18446744073709551615 1- -1 ' +
  '1-1-1 1-18446744073709551616 9999999999999-0'
const words = [
  ...ids.split(' '),
  'g',
  'h',
  'STREAMS',
  'c1',
  'c2',
  'constructor',
  'toString',
  '',
  ' ',
  '\r\n',
  '\0',
  '\xff\xfe',
  '-ERR x\r\n+OK',
  'a'.repeat(3000),
  'v',
  'value',
  '10',
  '-5',
  '3.7',
  'u1',
  'u2',
  'GROUP',
  'COUNT',
  'IDS',
  'BLOCK',
  'KEEPREF',
  'IDMP',
  'XX',
  'NX',
  'GET',
  '%',
  '(',
  ')',
]
const patterns = ['*', 'k*', '[', '[^', '\\', '?', 'k[1-', '*a*a*a*a*b', '\0', '__key*__:*', '']
export const rules = [
  'on',
  'off',
  'nopass',
  'resetpass',
  'allkeys',
  'resetkeys',
  'allchannels',
  'resetchannels',
  'reset',
  'clearselectors',
  '+@all',
  '-@all',
  '+@stream',
  '-@write',
  '+@',
  '+@constructor',
  '+xadd',
  '-get',
  '+config|get',
  '-config|',
  '+select|0',
  '+|',
  '+acl|setuser|x',
  '~*',
  '~k*',
  '~',
  '%R~k*',
  '%RW~a',
  '%~',
  '%X~a',
  '%RR~a',
  '%',
  '&*',
  '&a',
  '>pw',
  '<pw',
  '>',
  '<none',
  '#a',
  '!a',
  `#${'a'.repeat(64)}`,
  '(',
  ')',
  '()',
  '(+get',
  '~k1)',
  '(~k1 +get)',
  '((~a))',
  '(+@all %R~*)',
  '(nopass)',
  '(on)',
  '\0',
  ' ',
  '\r\n',
  'x'.repeat(2000),
  'toString',
]
/** Of these a value could lock everybody out, or let what is remembered grow by what is asked for. */
const untouched = new Set([
  'requirepass',
  'maxclients',
  'timeout',
  'client-output-buffer-limit',
  'slowlog-max-len',
  'acllog-max-len',
])
const parameterNames = parameters.map(({ name }) => name).filter((name) => !untouched.has(name))

/** These end the connection or the server, answer more or less than once by design, or stop everybody. */
const wild = new Set([
  'shutdown',
  'quit',
  'monitor',
  'client|reply',
  'client|pause',
  'client|kill',
  'auth',
  'acl|load',
  'sync',
  'psync',
  'replconf',
  'subscribe',
  'psubscribe',
  'ssubscribe',
  'unsubscribe',
  'punsubscribe',
  'sunsubscribe',
])

export function isTame(command: Command): boolean {
  return !wild.has(command.name)
}

export class HostileCommands {
  readonly #random: Random
  readonly #commands: readonly Command[]
  /** Those that have keys, which are most of what there is to go wrong. */
  readonly #keyed: readonly Command[]
  /** How many there are of each argument that is repeated: keys and their IDs, for one. */
  #times = 1

  constructor(random: Random, table: CommandTable, takes: (command: Command) => boolean = isTame) {
    this.#random = random
    this.#commands = [...table.entries()]
      .map(({ command }) => command)
      .filter((command) => takes(command) && (command.run !== undefined || command.subcommands === undefined))
    this.#keyed = this.#commands.filter((command) => command.keys.length > 0)
  }

  /** The next one; a stream is there most of the time, with a group and entries in it. */
  next(): string[] {
    const random = this.#random
    if (random.chance(0.15)) return random.pick(this.#foundation())
    return this.of(random.pick(random.chance(0.5) ? this.#keyed : this.#commands))
  }

  of(command: Command): string[] {
    const random = this.#random
    this.#times = 1 + random.below(3)
    const name = command.name.split('|').map((word) => (random.chance(0.5) ? word : word.toUpperCase()))
    const args = (command.arguments ?? []).flatMap((argument) => this.#argument(argument, command.name))
    // WAIT waits for as long as its last argument says: it keeps its place.
    while (random.chance(0.2) && !command.name.startsWith('wait')) this.#damage(args)
    return [...name, ...args]
  }

  #foundation(): string[][] {
    const random = this.#random
    const key = random.pick(keys)
    const name = (): string => random.pick(['g', 'c1', 'STREAMS'])
    return [
      ['XADD', key, `${1 + random.below(9)}-*`, 'f', 'v'],
      ['XGROUP', 'CREATE', key, 'g', '0', 'MKSTREAM'],
      ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '2', 'STREAMS', key, '>'],
      // Options in any order, and names like the keyword that the keys are found by.
      [
        'XREADGROUP',
        ...random.shuffle([['GROUP', name(), name()], ['COUNT', '1'], ['NOACK']]).flat(),
        'STREAMS',
        key,
        '>',
      ],
      ['SET', key, '10'],
      ['DEL', key],
      ['MULTI'],
      ['EXEC'],
      ['DISCARD'],
    ]
  }

  #argument(argument: ArgumentDoc, command: string): string[] {
    const random = this.#random
    if (argument.isOptional === true && random.chance(0.55)) return []
    const times = argument.isMultiple === true ? this.#times : 1
    const made: string[] = []
    for (let i = 0; i < times; i++) {
      const hasToken = argument.token !== undefined && (i === 0 || argument.isMultipleToken === true)
      if (hasToken) made.push(random.chance(0.2) ? argument.token!.toLowerCase() : argument.token!)
      made.push(...this.#value(argument, command))
    }
    return made
  }

  #value(argument: ArgumentDoc, command: string): string[] {
    const random = this.#random
    const { name, type } = argument
    switch (type) {
      case 'pure-token':
        return []
      case 'oneof':
        return this.#argument(random.pick(argument.arguments!), command)
      case 'block':
        return argument.arguments!.flatMap((inner) => this.#argument(inner, command))
      case 'key':
        return [random.pick(keys)]
      case 'pattern':
        return [random.pick(patterns)]
      default:
        break
    }
    // A wait would be for as long as it says.
    if (argument.token === 'BLOCK' || /^(timeout|milliseconds)$/.test(name)) return [random.pick(['1', '2', '-1', 'x'])]
    if (name.startsWith('num') && random.chance(0.85)) return [String(this.#times)]
    if (command.startsWith('acl|') && name === 'rule') return [random.pick(rules)]
    if (name === 'username') return [random.pick(command.startsWith('acl|') ? ['u1', 'u2', '', 'a b'] : ['nobody'])]
    if (command.startsWith('config|') && name === 'parameter') return [random.pick(parameterNames)]
    // Where a foundation may have put an entry.
    if (name === 'id' && random.chance(0.6)) return [`${1 + random.below(9)}-0`]
    if (type === 'integer' || type === 'double' || type === 'unix-time') return [random.pick(integers)]
    return [random.chance(0.2) ? random.pick(integers) : random.pick(words)]
  }

  #damage(args: string[]): void {
    const random = this.#random
    const at = random.below(args.length + 1)
    const other = random.pick([
      random.pick(words),
      random.pick(integers),
      random.pick(keys),
      random.pick(args.length > 0 ? args : ['']),
    ])
    const how = random.below(4)
    // A wait that was bounded is to stay so.
    if (/^(block|timeout)$/i.test(args[at] ?? '') || /^block$/i.test(args[at - 1] ?? '') || /^block$/i.test(other))
      return
    if (how === 0) args.splice(at, 1)
    else if (how === 1) args.splice(at, 0, other)
    else if (how === 2) args[Math.min(at, Math.max(args.length - 1, 0))] = other
    else args.push(other)
  }
}

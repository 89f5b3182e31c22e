/**
 * The parameters of a running server as CONFIG tells and changes them.
 *
 *   options, settings ──► Config ◄──CONFIG SET── client
 *                           ├─ those with a field are written to the server's Settings, where their users read them
 *                           └─ onChange ──► databases (node limits), keyspace events, default user's password
 *
 * Values are kept as the texts that CONFIG GET tells, and numbers beside them.
 */
import { mergeOutputLimits, outputLimits, parameters, readMemory, type Parameter } from './config-table.ts'
import type { Settings } from './options.ts'

/** What CONFIG SET answers when it refuses; nothing has changed then. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

export type ConfigListener = (name: string, value: string) => void
/** Throws a `ConfigError` when these, by their names, cannot be; nothing has changed then. */
export type ConfigCheck = (wanted: ReadonlyMap<string, string>) => void

const OUTPUT_LIMITS = 'client-output-buffer-limit'

export class Config {
  readonly #settings: Settings
  readonly #isKept: boolean
  readonly #parameters = new Map<string, Parameter>(parameters.map((parameter) => [parameter.name, parameter]))
  readonly #texts = new Map<string, string>()
  readonly #numbers = new Map<string, number>()
  readonly #listeners: ConfigListener[] = []
  readonly #checks: ConfigCheck[] = []

  /**
   * `given` are texts by name, of parameters that only the start can set too; throws a `ConfigError` for a bad one, and for one
   * that has an option of its own. `told` is what those options were, and what else the start knows. `isKept`: the data are
   * kept in a directory.
   */
  constructor(
    settings: Settings,
    given: Readonly<Record<string, string>> = {},
    told: Readonly<Record<string, string>> = {},
    isKept = false,
  ) {
    this.#settings = settings
    this.#isKept = isKept
    for (const parameter of parameters) {
      const { field, initial } = parameter
      this.#keep(parameter, field === undefined ? initial : String(settings[field]))
    }
    const { outputBytesMax, outputBytesPubSubMax } = settings
    this.#keep(this.#parameters.get(OUTPUT_LIMITS)!, `normal ${outputBytesMax} 0 0 pubsub ${outputBytesPubSubMax} 0 0`)
    for (const [name, text] of Object.entries(told)) this.tell(name, text)
    for (const [name, text] of Object.entries(given)) {
      const parameter = this.#parameters.get(name)
      if (parameter === undefined) throw new ConfigError(`Unknown parameter '${name}'`)
      if (parameter.option !== undefined) {
        throw new ConfigError(`'${name}' would only be told: the option '${parameter.option}' is what counts`)
      }
      this.#keep(parameter, this.#read(parameter, text))
    }
    for (const parameter of parameters) this.#apply(parameter)
  }

  /** All of them, in the table's order. */
  *entries(): Iterable<readonly [name: string, value: string]> {
    for (const name of this.#parameters.keys()) yield [name, this.text(name)]
  }

  has(name: string): boolean {
    return this.#parameters.has(name)
  }

  text(name: string): string {
    return this.#texts.get(name)!
  }

  /** A number or bytes; beyond 2^53 the nearest number. */
  number(name: string): number {
    return this.#numbers.get(name)!
  }

  isOn(name: string): boolean {
    return this.text(name) === 'yes'
  }

  /** What has come out of the start, as the port that was free. */
  tell(name: string, text: string): void {
    this.#keep(this.#parameters.get(name)!, text)
  }

  /** Is told of each change by CONFIG SET, when all of them hold. */
  onChange(listener: ConfigListener): void {
    this.#listeners.push(listener)
  }

  /** Is asked before CONFIG SET changes anything, about values that are right by themselves. */
  onCheck(check: ConfigCheck): void {
    this.#checks.push(check)
  }

  /** Changes all of these, or throws a `ConfigError` and changes none. */
  set(pairs: readonly (readonly [name: string, text: string])[]): void {
    for (const [name] of pairs) {
      if (!this.has(name.toLowerCase())) {
        throw new ConfigError(`Unknown option or number of arguments for CONFIG SET - '${name}'`)
      }
    }
    const changed = new Map<Parameter, string>()
    for (const [name, text] of pairs) {
      const parameter = this.#parameters.get(name.toLowerCase())!
      if (changed.has(parameter)) throw refused(parameter, 'duplicate parameter')
      if (parameter.isImmutable === true) throw refused(parameter, "can't set immutable config")
      changed.set(parameter, this.#read(parameter, text))
    }
    const wanted = new Map(Array.from(changed, ([{ name }, text]) => [name, text]))
    for (const check of this.#checks) check(wanted)
    for (const [parameter, text] of changed) this.#keep(parameter, text)
    for (const [parameter] of changed) {
      this.#apply(parameter)
      for (const listener of this.#listeners) listener(parameter.name, this.text(parameter.name))
    }
  }

  /** The canonical text of a value, or a `ConfigError`. */
  #read(parameter: Parameter, text: string): string {
    const value = readKind(parameter, text)
    const only = parameter.only ?? (this.#isKept ? parameter.onlyKept : parameter.onlyInMemory)
    if (only !== undefined && !only.values.includes(value)) throw refused(parameter, only.reason)
    return value
  }

  #keep({ name }: Parameter, value: string): void {
    this.#texts.set(name, name === OUTPUT_LIMITS ? mergeOutputLimits(this.#texts.get(name) ?? value, value) : value)
    if (/^-?\d+$/.test(value)) this.#numbers.set(name, Number(value))
  }

  #apply({ name, field }: Parameter): void {
    if (field !== undefined) this.#settings[field] = this.number(name)
    if (name !== OUTPUT_LIMITS) return
    const limits = outputLimits(this.text(name))
    // 0: no limit.
    this.#settings.outputBytesMax = limits.get('normal')!.hardBytes || Infinity
    this.#settings.outputBytesPubSubMax = limits.get('pubsub')!.hardBytes || Infinity
  }
}

function readKind(parameter: Parameter, text: string): string {
  switch (parameter.kind) {
    case 'text':
      return text
    case 'boolean':
      if (!/^(yes|no)$/i.test(text)) throw refused(parameter, "argument must be 'yes' or 'no'")
      return text.toLowerCase()
    case 'choice': {
      const value = parameter.values.find((one) => one === text.toLowerCase())
      if (value === undefined) {
        throw refused(parameter, `argument(s) must be one of the following: ${parameter.values.join(', ')}`)
      }
      return value
    }
    case 'integer': {
      const isInteger = /^(0|-?[1-9]\d{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)
      if (!isInteger) throw refused(parameter, "argument couldn't be parsed into an integer")
      return inRange(parameter, BigInt(text), parameter)
    }
    case 'memory': {
      const bytes = readMemory(text)
      if (bytes === undefined) throw refused(parameter, 'argument must be a memory value')
      return inRange(parameter, bytes, parameter)
    }
    case 'special': {
      const read = parameter.read(text)
      if ('problem' in read) throw refused(parameter, read.problem)
      return read.text
    }
  }
}

interface Bounds {
  readonly min: number
  readonly max: number | bigint
}

function inRange(parameter: Parameter, value: bigint, { min, max }: Bounds): string {
  if (value < BigInt(min) || value > BigInt(max)) {
    throw refused(parameter, `argument must be between ${min} and ${max} inclusive`)
  }
  return value.toString()
}

function refused(parameter: Parameter, reason: string): ConfigError {
  return new ConfigError(`CONFIG SET failed (possibly related to argument '${parameter.name}') - ${reason}`)
}

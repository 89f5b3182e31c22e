/** The step script of `millrace`'s redis backend as a function: see packages/millrace/src/redis/scripts/step.ts, which it follows. */
import { ReplyError, type ScriptContext, type ScriptValue } from '@millrace/server'

interface Part {
  readonly kind: string
  readonly key: string
  readonly group?: string
  readonly consumer?: string
  readonly ids?: readonly string[]
  readonly oneOf?: readonly string[]
  readonly rest?: readonly string[]
  readonly value?: string
  readonly by?: string
  readonly expireMs?: string
}

const onStreams = new Set(['owns', 'entry', 'append', 'acknowledge', 'delete'])
const growing = new Set(['append', 'set', 'increment'])
const INTEGER = /^(0|-?[1-9]\d*)$/
const INTEGER_DIGITS_MAX = 17

export function takeStep(context: ScriptContext, keys: readonly string[], args: readonly string[]): ScriptValue {
  const reader = new PartReader(keys, args)
  const conditions = reader.many(() => reader.condition())
  const actions = reader.many(() => reader.action())
  const checks = new Checks(context)
  for (const part of [...conditions, ...actions]) checks.check(part)
  const failed = conditions.findIndex((one) => !holds(context, one))
  if (failed !== -1) return [0, failed]
  // Refused like any write that may grow, before anything was changed.
  if (actions.some(({ kind }) => growing.has(kind))) context.call('SETRANGE', keys[0]!, 0, '')
  return [1, ...actions.map((one) => act(context, one))]
}

class PartReader {
  readonly #keys: readonly string[]
  readonly #args: readonly string[]
  #at = 0

  constructor(keys: readonly string[], args: readonly string[]) {
    this.#keys = keys
    this.#args = args
  }

  many<T>(read: () => T): T[] {
    return Array.from({ length: Number(this.#take()) }, read)
  }

  condition(): Part {
    const part = this.#head()
    if (part.kind === 'owns') return { ...part, group: this.#take(), consumer: this.#take(), ids: this.#texts() }
    return part.kind === 'entry' ? { ...part, ids: [this.#take()] } : { ...part, oneOf: this.#texts() }
  }

  action(): Part {
    const part = this.#head()
    switch (part.kind) {
      case 'append':
        return { ...part, rest: this.#texts() }
      case 'acknowledge':
        return { ...part, group: this.#take(), ids: this.#texts() }
      case 'delete':
        return { ...part, ids: this.#texts() }
      case 'set':
        return { ...part, value: this.#take(), expireMs: this.#take() }
      case 'increment':
        return { ...part, by: this.#take(), expireMs: this.#take() }
      default:
        return part
    }
  }

  #head(): Part {
    return { kind: this.#take(), key: this.#keys[Number(this.#take()) - 1]! }
  }

  #texts(): string[] {
    return this.many(() => this.#take())
  }

  #take(): string {
    return this.#args[this.#at++]!
  }
}

/** What could refuse an action, found before anything is changed. */
class Checks {
  readonly #context: ScriptContext
  /** What strings hold after the actions so far. */
  readonly #strings = new Map<string, string>()

  constructor(context: ScriptContext) {
    this.#context = context
  }

  check(part: Part): void {
    if (part.kind === 'time') return
    const type = String(this.#context.call('TYPE', part.key))
    if (type !== 'none' && type !== (onStreams.has(part.kind) ? 'stream' : 'string'))
      throw new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
    if (part.group !== undefined && !this.#hasGroup(type, part))
      throw new ReplyError(`NOGROUP No such key '${part.key}' or consumer group '${part.group}'`)
    if (part.kind === 'set') this.#strings.set(part.key, part.value!)
    if (part.kind === 'remove') this.#strings.set(part.key, '0')
    if (part.kind === 'increment') this.#checkSum(part)
  }

  #hasGroup(type: string, { key, group }: Part): boolean {
    if (type === 'none') return false
    const groups = this.#context.call('XINFO', 'GROUPS', key) as readonly ScriptValue[]
    return groups.some((info) => {
      const flat = info as readonly ScriptValue[]
      return flat[flat.indexOf('name') + 1] === group
    })
  }

  #checkSum({ key, by }: Part): void {
    const before = this.#strings.get(key) ?? (this.#context.call('GET', key) as string | null) ?? '0'
    const sum = INTEGER.test(before) && before.length <= INTEGER_DIGITS_MAX ? Number(before) + Number(by) : Number.NaN
    if (!Number.isSafeInteger(sum)) {
      const text = `Expected '${key}' to hold an integer that stays within 2^53 for an increment`
      throw new ReplyError(`STEPARGUMENT ${text}`)
    }
    this.#strings.set(key, String(sum))
  }
}

function holds(context: ScriptContext, { kind, key, group, consumer, ids, oneOf }: Part): boolean {
  const length = (value: ScriptValue): number => (value as readonly ScriptValue[]).length
  if (kind === 'owns') {
    return ids!.every((id) => length(context.call('XPENDING', key, group!, id, id, 1, consumer!)) === 1)
  }
  if (kind === 'entry') return length(context.call('XRANGE', key, ids![0]!, ids![0]!)) === 1
  const found = context.call('GET', key) as string | null
  return oneOf!.includes(found === null ? 'n' : `v${found}`)
}

function act(context: ScriptContext, part: Part): ScriptValue {
  const { kind, key } = part
  switch (kind) {
    case 'append':
      return context.callAll(['XADD', key, ...part.rest!])
    case 'acknowledge':
      return context.callAll(['XACK', key, part.group!, ...part.ids!])
    case 'delete':
      return context.callAll(['XDEL', key, ...part.ids!])
    case 'set':
      if (part.expireMs === '') context.call('SET', key, part.value!)
      else context.call('SET', key, part.value!, 'PX', part.expireMs!)
      return null
    case 'increment': {
      const isNew = context.call('EXISTS', key) === 0
      const sum = context.call('INCRBY', key, part.by!)
      if (isNew && part.expireMs !== '') context.call('PEXPIRE', key, part.expireMs!)
      return String(sum)
    }
    case 'remove':
      return context.call('DEL', key)
    case 'get':
      return context.call('GET', key)
    default: {
      const [seconds, microseconds] = context.call('TIME') as readonly string[]
      return String(Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000))
    }
  }
}

/**
 * What a stream with one group looks like after a row of commands, by the plainest means; and commands that make a long
 * history of it. One connection is its only writer, so that its state after a crash has to be the state after the first
 * so many of the commands: at least those that were acknowledged, at most those that were sent.
 *
 *   history:   c1 c2 c3 c4 c5 c6 c7 c8
 *                       ▲        ▲
 *            acknowledged        sent        what is found is the state after c3, c4, c5 or c6
 *
 * The ID of the n-th entry is n-0 and its value follows from n.
 */
import type { Random } from '../../differential-random.ts'

export type Command =
  | { readonly kind: 'add'; readonly id: number }
  | { readonly kind: 'read'; readonly consumer: string; readonly count: number }
  | { readonly kind: 'ack'; readonly ids: readonly number[] }
  | { readonly kind: 'claim'; readonly consumer: string; readonly id: number }
  | { readonly kind: 'delete'; readonly id: number }
  | { readonly kind: 'trim'; readonly length: number }

const CONSUMERS = ['alice', 'bob', 'carol']

export class StreamModel {
  readonly key: string
  readonly #valueBytes: number
  readonly #entries: number[] = []
  /** Each pending ID's owner, and how often it was delivered. */
  readonly #pending = new Map<number, { consumer: string; count: number }>()
  #lastId = 0
  #lastDelivered = 0
  #maxDeleted = 0

  constructor(key: string, valueBytes = 40) {
    this.key = key
    this.#valueBytes = valueBytes
  }

  copy(): StreamModel {
    const copy = new StreamModel(this.key, this.#valueBytes)
    for (const id of this.#entries) copy.#entries.push(id)
    for (const [id, { consumer, count }] of this.#pending) copy.#pending.set(id, { consumer, count })
    copy.#lastId = this.#lastId
    copy.#lastDelivered = this.#lastDelivered
    copy.#maxDeleted = this.#maxDeleted
    return copy
  }

  /** Some command that makes sense after those that were applied. */
  next(random: Random): Command {
    const dice = random.below(100)
    const consumer = random.pick(CONSUMERS)
    const pending = [...this.#pending.keys()]
    if (dice < 55 || this.#entries.length === 0) return { kind: 'add', id: this.#lastId + 1 + random.below(3) }
    if (dice < 72) return { kind: 'read', consumer, count: 1 + random.below(12) }
    if (dice < 88 && pending.length > 0) {
      return { kind: 'ack', ids: pending.slice(0, 1 + random.below(10)) }
    }
    if (dice < 92 && pending.length > 0) return { kind: 'claim', consumer, id: random.pick(pending) }
    if (dice < 98) return { kind: 'delete', id: random.pick(this.#entries) }
    return { kind: 'trim', length: 200 + random.below(100) }
  }

  apply(command: Command): void {
    switch (command.kind) {
      case 'add':
        this.#entries.push(command.id)
        this.#lastId = command.id
        return
      case 'read':
        for (const id of this.#undelivered().slice(0, command.count)) {
          this.#pending.set(id, { consumer: command.consumer, count: 1 })
          this.#lastDelivered = id
        }
        return
      case 'ack':
        for (const id of command.ids) this.#pending.delete(id)
        return
      case 'claim':
        this.#claim(command.id, command.consumer)
        return
      case 'delete':
        this.#delete(command.id)
        return
      case 'trim':
        while (this.#entries.length > command.length) this.#entries.shift()
        return
    }
  }

  /** The command's arguments. */
  words(command: Command): string[] {
    const { key } = this
    switch (command.kind) {
      case 'add':
        return ['XADD', key, `${command.id}-0`, 'value', this.#value(command.id)]
      case 'read':
        return ['XREADGROUP', 'GROUP', 'g', command.consumer, 'COUNT', String(command.count), 'STREAMS', key, '>']
      case 'ack':
        return ['XACK', key, 'g', ...command.ids.map((id) => `${id}-0`)]
      case 'claim':
        return ['XCLAIM', key, 'g', command.consumer, '0', `${command.id}-0`]
      case 'delete':
        return ['XDEL', key, `${command.id}-0`]
      case 'trim':
        return ['XTRIM', key, 'MAXLEN', String(command.length)]
    }
  }

  /** What `shownBy` gives for a server that is in this state. */
  text(): string {
    const entries = this.#entries.map((id) => `${id}-0 ${this.#value(id)}`)
    const pending = [...this.#pending.keys()]
      .toSorted((a, b) => a - b)
      .map((id) => `${id}-0 ${this.#pending.get(id)!.consumer} ${this.#pending.get(id)!.count}`)
    const ids = `last ${this.#lastId}-0, delivered ${this.#lastDelivered}-0, deleted ${this.#maxDeleted}-0`
    return [ids, ...entries, 'pending', ...pending].join('\n')
  }

  #value(id: number): string {
    return `${id}:`.padEnd(this.#valueBytes, 'v')
  }

  /** IDs are in order: those behind the last one that was delivered. */
  #undelivered(): number[] {
    const from = this.#entries.findIndex((id) => id > this.#lastDelivered)
    return from < 0 ? [] : this.#entries.slice(from)
  }

  // As Redis: what has been deleted is taken out of the pending entries by who claims it.
  #claim(id: number, consumer: string): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    if (!this.#entries.includes(id)) this.#pending.delete(id)
    else this.#pending.set(id, { consumer, count: pending.count + 1 })
  }

  #delete(id: number): void {
    const at = this.#entries.indexOf(id)
    if (at < 0) return
    this.#entries.splice(at, 1)
    this.#maxDeleted = Math.max(this.#maxDeleted, id)
  }
}

/** A stream of a server as text: by its replies to XINFO STREAM FULL. */
export async function shownBy(ask: (...words: string[]) => Promise<string>, key: string): Promise<string> {
  const info = new Map(pairs(parse(await ask('XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'))))
  const [group] = info.get('groups') as Reply[]
  const groupInfo = new Map(pairs(group!))
  const consumers = (groupInfo.get('consumers') as Reply[]).map((consumer) => new Map(pairs(consumer)))
  const owned = new Map(consumers.flatMap((c) => (c.get('pending') as Reply[][]).map(([id]) => [id, c.get('name')])))
  const pending = (groupInfo.get('pending') as Reply[][]).map(([id, consumer, , count]) => {
    if (owned.get(id!) !== consumer) throw new Error(`${String(id)} is not ${String(consumer)}'s`)
    return `${String(id)} ${String(consumer)} ${String(count)}`
  })
  const entries = (info.get('entries') as Reply[][]).map(
    ([id, fields]) => `${String(id)} ${String((fields as Reply[])[1])}`,
  )
  const name = (what: string, from: ReadonlyMap<Reply, Reply>): string => String(from.get(what))
  const ids = `last ${name('last-generated-id', info)}, delivered ${name('last-delivered-id', groupInfo)}, deleted ${name('max-deleted-entry-id', info)}`
  return [ids, ...entries, 'pending', ...pending].join('\n')
}

type Reply = string | readonly Reply[]

function pairs(reply: Reply): [Reply, Reply][] {
  const items = reply as readonly Reply[]
  return Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i]!, items[2 * i + 1]!])
}

/** A RESP2 frame as nested texts. */
function parse(frame: string): Reply {
  let at = 0
  const line = (): string => {
    const end = frame.indexOf('\r\n', at)
    const text = frame.slice(at, end)
    at = end + 2
    return text
  }
  const value = (): Reply => {
    const head = line()
    if (head[0] === '-') throw new Error(head.slice(1))
    const count = Number(head.slice(1))
    if (head[0] === '*') return Array.from({ length: Math.max(count, 0) }, value)
    if (head[0] !== '$' || count < 0) return head.slice(1)
    const text = frame.slice(at, at + count)
    at += count + 2
    return text
  }
  return value()
}

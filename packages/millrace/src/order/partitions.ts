/**
 * The partitions of one stream as its handle uses them.
 *
 *   add ──ordering key──► its partition      add without one ──► one after the other
 *
 * How many there are is written down with the first use, {orders}:partitions, and never changes: another number would put the
 * entries of a key into two of them, and order would be lost. `BAD_ARGUMENT` names both numbers.
 */
import type { AddManyOptions, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Site } from '../site.ts'
import type { Stream } from '../stream.ts'
import { partitionNames, partitionOf } from './partition.ts'

export class Partitions<T, I> {
  readonly names: readonly string[]
  readonly all: readonly Stream<T, I>[]
  readonly #site: Site
  readonly #key: string
  #checked: Promise<void> | undefined
  #next = 0

  constructor(site: Site, name: string, count: number, open: (name: string) => Stream<T, I>) {
    this.#site = site
    this.#key = siblingKey(name, 'partitions')
    this.names = partitionNames(name, count)
    this.all = this.names.map(open)
  }

  at(orderingKey: string): Stream<T, I> {
    return this.all[partitionOf(orderingKey, this.all.length)]!
  }

  /** Where an entry of this key goes. */
  async of(orderingKey: string | undefined): Promise<Stream<T, I>> {
    await this.check()
    if (orderingKey !== undefined) return this.at(orderingKey)
    this.#next = (this.#next + 1) % this.all.length
    return this.all[this.#next]!
  }

  /** Each partition's values together, in their order; the IDs in the order of the values. */
  async addMany(
    values: Iterable<I>,
    orderingKey: ((value: I) => string) | undefined,
    options: AddManyOptions,
  ): Promise<EntryId[]> {
    const byPart = new Map<Stream<T, I>, { readonly values: I[]; readonly places: number[] }>()
    let count = 0
    for (const value of values) {
      const part = await this.of(orderingKey?.(value))
      const own = byPart.get(part) ?? { values: [], places: [] }
      byPart.set(part, own)
      own.values.push(value)
      own.places.push(count++)
    }
    const ids = Array.from<EntryId>({ length: count })
    await Promise.all(
      [...byPart].map(async ([part, own]) => {
        const added = await part.addMany(own.values, options)
        for (const [i, id] of added.entries()) ids[own.places[i]!] = id
      }),
    )
    return ids
  }

  /** That the stream has as many as this handle says. Asked once. */
  async check(): Promise<void> {
    this.#checked ??= this.#ask()
    try {
      await this.#checked
    } catch (error) {
      this.#checked = undefined
      throw error
    }
  }

  async #ask(): Promise<void> {
    const { backend } = this.#site
    const count = String(this.all.length)
    const key = this.#key
    const { isTaken } = await backend.step({
      if: [{ kind: 'value', key, oneOf: [undefined, count] }],
      do: [{ kind: 'set', key, value: count }],
    })
    if (isTaken) return
    const step = await backend.step({ do: [{ kind: 'get', key }] })
    const found = step.isTaken ? step.results[0] : undefined
    const has = found instanceof Uint8Array ? Buffer.from(found).toString() : 'another number of'
    throw new StreamError('BAD_ARGUMENT', `Expected ${count} partitions (key '${key}'), but the stream has ${has}`)
  }
}

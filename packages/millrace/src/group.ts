/** A handle on one consumer group of one stream: where workers come from. */

import { checkName } from './arguments.ts'
import type { Entry, GroupInfo } from './backend.ts'
import { compareIds } from './entry-id-order.ts'
import type { Site } from './site.ts'
import type { BatchHandler, BatchOptions, Handler } from './worker/runner.ts'
import { type Strategy, Worker } from './worker/worker.ts'
import { batchOptions, type WorkerOptions } from './worker/worker-options.ts'

/** The part of a stream that a group needs. */
export interface Source<T> {
  readonly name: string
  /** Where its entries are. Default: the stream itself. */
  readonly streams?: readonly string[]
  decode(entry: Entry): { readonly id: Entry['id']; readonly value: T }
  /** How workers of this stream take entries in, if not all of it as they come. */
  strategy?(group: string): Strategy | undefined
}

export class Group<T> {
  readonly name: string
  readonly #site: Site
  readonly #source: Source<T>

  /** Use `Stream.group`. */
  constructor(site: Site, source: Source<T>, name: string) {
    checkName('group', name)
    this.name = name
    this.#site = site
    this.#source = source
  }

  /** Starts a worker: each entry of the stream goes to one worker of the group. Creates the group when it is missing. */
  worker(handler: Handler<T>, options: WorkerOptions = {}): Worker<T> {
    return new Worker(this.#site, { ...this.#task(), task: { kind: 'one', handler } }, options)
  }

  /** As `worker`, but the handler gets up to `size` entries at once and tells the outcome of each. */
  batchWorker(handler: BatchHandler<T>, options: WorkerOptions & BatchOptions = {}): Worker<T> {
    return new Worker(
      this.#site,
      { ...this.#task(), task: { kind: 'batch', handler, batch: batchOptions(options) } },
      options,
    )
  }

  #task(): { readonly group: string; readonly source: Source<T>; readonly strategy?: Strategy } {
    const strategy = this.#source.strategy?.(this.name)
    return { group: this.name, source: this.#source, ...(strategy === undefined ? {} : { strategy }) }
  }

  /** Undefined when the group (or its stream) does not exist. With partitions: all together, `lastDeliveredId` the lowest. */
  async inspect(): Promise<GroupInfo | undefined> {
    const { name, streams = [name] } = this.#source
    const found = await Promise.all(streams.map(async (stream) => await this.#site.backend.inspect(stream)))
    const groups = found.flatMap((info) => info?.groups.filter((group) => group.name === this.name) ?? [])
    return groups.length < 2 ? groups[0] : groups.reduce(together)
  }
}

function together(a: GroupInfo, b: GroupInfo): GroupInfo {
  const consumers = new Map(a.consumers.map((consumer) => [consumer.name, consumer]))
  for (const consumer of b.consumers) {
    const { pending = 0, idleMs = Infinity } = consumers.get(consumer.name) ?? {}
    const both = { pending: pending + consumer.pending, idleMs: Math.min(idleMs, consumer.idleMs) }
    consumers.set(consumer.name, { ...consumer, ...both })
  }
  return {
    name: a.name,
    lastDeliveredId: compareIds(a.lastDeliveredId, b.lastDeliveredId) < 0 ? a.lastDeliveredId : b.lastDeliveredId,
    entriesRead: sum(a.entriesRead, b.entriesRead),
    lag: sum(a.lag, b.lag),
    pending: a.pending + b.pending,
    consumers: [...consumers.values()],
  }
}

/** Unknown when one is. */
function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b
}

/**
 * Moves one slot of a running Cluster from the master that has it to another, key by key, as an operator's tool does.
 *
 *   target: IMPORTING ──► source: MIGRATING ──► MIGRATE key … ──► target, source, others: NODE target
 */
import { Redis } from 'ioredis'
import type { ClusterServer } from './cluster.ts'

const KEYS = 10

export class SlotMover {
  readonly #nodes: Redis[]
  readonly #ports: number[]

  constructor(cluster: ClusterServer) {
    this.#ports = cluster.nodes.map(({ port }) => port)
    this.#nodes = this.#ports.map((port) => {
      const redis = new Redis(port, '127.0.0.1')
      // ioredis prints to the console without a listener; the commands themselves reject.
      redis.on('error', () => undefined)
      return redis
    })
  }

  /** `from` and `to` count the cluster's nodes. Resolves how many keys moved. */
  async move(slot: number, from: number, to: number): Promise<number> {
    const [source, target] = [this.#node(from), this.#node(to)]
    const [sourceId, targetId] = [String(await source.cluster('MYID')), String(await target.cluster('MYID'))]
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId)
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId)
    let moved = 0
    for (;;) {
      const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS)) as string[]
      if (keys.length === 0) break
      for (const key of keys) {
        await source.call('MIGRATE', '127.0.0.1', this.#ports[to] ?? 0, key, 0, 5000)
        moved++
      }
    }
    for (const node of [target, source]) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId)
    return moved
  }

  close(): void {
    for (const node of this.#nodes) node.disconnect()
  }

  #node(index: number): Redis {
    const node = this.#nodes[index]
    if (node === undefined) throw new Error(`The Cluster has no node ${index}`)
    return node
  }
}

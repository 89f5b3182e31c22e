/**
 * A real Redis Cluster on loopback: masters with all 16,384 slots between them, and replicas if asked for.
 *
 *   start the nodes ──► ADDSLOTSRANGE, MEET ──► REPLICATE ──► cluster_state:ok seen by every node
 */

import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis.ts'
import { waitFor } from './wait-for.ts'

export interface ClusterOptions {
  readonly masters: number
  /** Replicas of each master. Default 0. */
  readonly replicas?: number
}

export interface ClusterServer {
  /** `redis://host:port,redis://host:port,…`: every node. */
  readonly url: string
  /** Masters first, then replicas. */
  readonly nodes: readonly RedisServer[]
  stop(): Promise<void>
}

const SLOTS = 16_384
const NODE_TIMEOUT_MS = 2000
const READY_MS = 30_000

/** Starts the nodes and resolves when all of them report a working cluster. */
export async function startCluster(options: ClusterOptions): Promise<ClusterServer> {
  const count = options.masters * (1 + (options.replicas ?? 0))
  const nodes = await Promise.all(Array.from({ length: count }, startNode))
  const clients = nodes.map((node) => quietClient(node.port))
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    await join(clients, nodes, options.masters)
    await Promise.all(clients.map((client) => untilWorking(client, count, count - options.masters)))
  } catch (error) {
    await stop()
    throw error
  } finally {
    for (const client of clients) client.disconnect()
  }
  return { url: nodes.map((node) => node.url).join(','), nodes, stop }
}

async function startNode(): Promise<RedisServer> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS)]
  args.push('--repl-diskless-sync-delay', '0')
  for (let attempt = 0; attempt < 40; attempt++) {
    try {
      return await startRedis({ args, port: clusterPort() })
    } catch (error) {
      // The port or its bus port was taken: another one.
      if (!String(error).includes('ended at its start')) throw error
    }
  }
  throw new Error('No free pair of ports for a cluster node in 40 tries')
}

/**
 * A node also listens on its port + 10,000. Both stay below the range from which systems hand out ports
 * by themselves, so that a passing client never sits on one of them.
 */
function clusterPort(): number {
  return 10_000 + Math.floor(Math.random() * 12_000)
}

async function join(clients: readonly Redis[], nodes: readonly RedisServer[], masters: number): Promise<void> {
  for (let i = 0; i < masters; i++) {
    const from = Math.floor((i * SLOTS) / masters)
    const to = Math.floor(((i + 1) * SLOTS) / masters) - 1
    await clients[i]?.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    await clients[i]?.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
  }
  for (const node of nodes.slice(1)) await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', node.port)
  for (let i = masters; i < clients.length; i++) {
    const client = clients[i]
    const master = String(await clients[i % masters]?.call('CLUSTER', 'MYID'))
    await waitFor(async () => (await client?.call('CLUSTER', 'REPLICATE', master)) === 'OK', {
      what: `node ${i} to become a replica`,
      timeoutMs: READY_MS,
    })
  }
}

async function untilWorking(client: Redis, nodeCount: number, replicaCount: number): Promise<void> {
  await waitFor(
    async () => {
      const info = String(await client.call('CLUSTER', 'INFO'))
      const nodes = String(await client.call('CLUSTER', 'NODES'))
      const replicas = nodes.match(/[ ,]slave /g)?.length ?? 0
      // A replica that has not copied its master yet could not take over.
      if (String(await client.call('INFO', 'replication')).includes('master_link_status:down')) return false
      return (
        info.includes('cluster_state:ok') &&
        info.includes(`cluster_known_nodes:${nodeCount}\r`) &&
        replicas === replicaCount
      )
    },
    { what: 'cluster_state:ok on every node', timeoutMs: READY_MS },
  )
}

function quietClient(port: number): Redis {
  const client = new Redis(port, '127.0.0.1')
  // ioredis prints to the console without a listener; the commands themselves reject.
  client.on('error', () => undefined)
  return client
}

/** Where fault scenarios run: each place with a server of its own, and how to crash it and bring it back. */
import { join } from 'node:path'
import {
  type ClusterServer,
  type RedisServer,
  startCluster,
  startRedis,
  startServe,
  temporaryDirectory,
} from '@millrace/testing'

export interface Place {
  readonly name: 'redis-server' | 'millrace serve' | 'cluster' | 'embedded'
  /** What `connect` takes, in this process or in another. */
  readonly target: string
  readonly server: RedisServer | undefined
  readonly cluster: ClusterServer | undefined
  stop(): Promise<void>
}

export async function redisPlace(): Promise<Place> {
  const server = await startRedis()
  return { name: 'redis-server', target: server.url, server, cluster: undefined, stop: () => server.stop() }
}

export async function servePlace(): Promise<Place> {
  const server = await startServe()
  return { name: 'millrace serve', target: server.url, server, cluster: undefined, stop: () => server.stop() }
}

export async function clusterPlace(): Promise<Place> {
  const cluster = await startCluster({ masters: 3, replicas: 1 })
  return { name: 'cluster', target: cluster.url, server: undefined, cluster, stop: () => cluster.stop() }
}

/** A directory: one process has it at a time. */
export async function embeddedPlace(): Promise<Place> {
  const target = join(temporaryDirectory('faults'), 'data')
  return { name: 'embedded', target, server: undefined, cluster: undefined, stop: async () => undefined }
}

export const servers = [
  ['redis-server', redisPlace],
  ['millrace serve', servePlace],
  ['cluster', clusterPlace],
] as const

/** One server of its own, without the Cluster: where its line is cut or it is crashed by itself. */
export const singles = [
  ['redis-server', redisPlace],
  ['millrace serve', servePlace],
] as const

export const everywhere = [...servers, ['embedded', embeddedPlace]] as const

/** So many in a long run, which is one with `MILLRACE_LONG` set or `MILLRACE_RUNS` at 10,000 or more; else the small number. */
export function howMany(quick: number, long: number): number {
  const runs = process.env['MILLRACE_RUNS']
  const isLong = process.env['MILLRACE_LONG'] !== undefined || (runs !== undefined && Number(runs) >= 10_000)
  return isLong ? long : quick
}

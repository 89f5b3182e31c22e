/**
 * What INFO tells: sections of `name:value`, in Redis's order, with the fields that mean something here and those that
 * clients look for.
 *
 *   INFO            all but commandstats, latencystats and modules' own
 *   INFO all        these too            INFO everything: the same
 *   INFO memory …   the sections that are named
 */
import { cpus, totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Client } from './client.ts'
import { coldFields } from './memory-budget.ts'
import { persistenceFields } from './persistence-info.ts'
import type { ServerState } from './server-state.ts'
import { REDIS_VERSION } from './version.ts'

export type Field = readonly [name: string, value: string | number]

const sections: Readonly<
  Record<string, { title: string; isDefault: boolean; fields: (server: ServerState) => Field[] }>
> = {
  server: { title: 'Server', isDefault: true, fields: serverFields },
  clients: { title: 'Clients', isDefault: true, fields: clientFields },
  memory: { title: 'Memory', isDefault: true, fields: memoryFields },
  persistence: { title: 'Persistence', isDefault: true, fields: persistenceFields },
  stats: { title: 'Stats', isDefault: true, fields: statsFields },
  replication: { title: 'Replication', isDefault: true, fields: replicationFields },
  cpu: { title: 'CPU', isDefault: true, fields: cpuFields },
  modules: { title: 'Modules', isDefault: true, fields: () => [] },
  commandstats: { title: 'Commandstats', isDefault: false, fields: commandFields },
  errorstats: { title: 'Errorstats', isDefault: true, fields: errorFields },
  latencystats: { title: 'Latencystats', isDefault: false, fields: latencyFields },
  cluster: { title: 'Cluster', isDefault: true, fields: () => [['cluster_enabled', 0]] },
  keyspace: { title: 'Keyspace', isDefault: true, fields: keyspaceFields },
}

/** The sections of these names, in small letters; none: the default ones. */
export function infoText(server: ServerState, names: readonly string[]): string {
  const isAll = names.includes('all') || names.includes('everything')
  const isDefault = names.length === 0 || names.includes('default')
  const texts: string[] = []
  for (const [name, section] of Object.entries(sections)) {
    if (!isAll && !(isDefault && section.isDefault) && !names.includes(name)) continue
    const lines = section.fields(server).map(([field, value]) => `${field}:${value}\r\n`)
    texts.push(`# ${section.title}\r\n${lines.join('')}`)
  }
  return texts.join('\r\n')
}

function serverFields(server: ServerState): Field[] {
  const { env, config, startedMs } = server
  const nowMs = env.nowMs()
  const upSeconds = Math.max(0, Math.floor((nowMs - startedMs) / 1000))
  return [
    ['redis_version', REDIS_VERSION],
    ['server_name', 'millrace'],
    ['redis_mode', 'standalone'],
    ['os', `${process.platform} ${process.arch}`],
    ['arch_bits', 64],
    ['node_version', process.version],
    ['process_id', process.pid],
    ['run_id', server.runId],
    ['tcp_port', config.text('port')],
    ['server_time_usec', nowMs * 1000],
    ['uptime_in_seconds', upSeconds],
    ['uptime_in_days', Math.floor(upSeconds / 86_400)],
    ['hz', 10],
    ['configured_hz', 10],
    ['executable', process.execPath],
    ['config_file', ''],
    ['io_threads_active', 0],
  ]
}

function clientFields(server: ServerState): Field[] {
  let pubSubClients = 0
  for (const client of server.clients.values()) if (client.subscriptions.count > 0) pubSubClients++
  const { keys, keysOfGroupReads } = blockedKeys(server)
  return [
    ['connected_clients', server.clients.size],
    ['cluster_connections', 0],
    ['maxclients', server.config.text('maxclients')],
    ['client_recent_max_input_buffer', 0],
    ['client_recent_max_output_buffer', 0],
    ['blocked_clients', server.blockedClients.size],
    ['tracking_clients', 0],
    ['pubsub_clients', pubSubClients],
    ['watching_clients', 0],
    ['clients_in_timeout_table', [...server.blockedClients].filter(hasDeadline).length],
    ['total_watched_keys', 0],
    ['total_blocking_keys', keys],
    ['total_blocking_keys_on_nokey', keysOfGroupReads],
  ]
}

function hasDeadline(client: Client): boolean {
  return client.blocked?.wait.deadlineMs !== undefined
}

/** Keys that somebody waits for; group readers also wait for them to vanish. */
function blockedKeys(server: ServerState): { keys: number; keysOfGroupReads: number } {
  const keys = new Set<string>()
  const keysOfGroupReads = new Set<string>()
  for (const { blocked } of server.blockedClients) {
    if (blocked === undefined) continue
    for (const key of blocked.wait.keys) {
      keys.add(`${blocked.databaseIndex} ${key}`)
      if (blocked.isGroupRead) keysOfGroupReads.add(`${blocked.databaseIndex} ${key}`)
    }
  }
  return { keys: keys.size, keysOfGroupReads: keysOfGroupReads.size }
}

function memoryFields(server: ServerState): Field[] {
  const { rss, heapTotal, heapUsed, arrayBuffers } = process.memoryUsage()
  const dataset = server.databases.memoryBytes
  const used = heapUsed + arrayBuffers
  const peak = server.statistics.peakOf(used)
  const { maxMemoryBytes } = server.settings
  return [
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['used_memory_peak', peak],
    ['used_memory_peak_human', human(peak)],
    ['used_memory_peak_perc', `${((used * 100) / peak).toFixed(2)}%`],
    ['used_memory_overhead', Math.max(0, used - dataset)],
    ['used_memory_startup', 0],
    ['used_memory_dataset', dataset],
    ['used_memory_dataset_perc', `${((dataset * 100) / used).toFixed(2)}%`],
    ['allocator_allocated', used],
    ['allocator_active', heapTotal + arrayBuffers],
    ['allocator_resident', rss],
    ['total_system_memory', totalmem()],
    ['total_system_memory_human', human(totalmem())],
    ['used_memory_lua', 0],
    ['used_memory_scripts', 0],
    ['maxmemory', maxMemoryBytes],
    ['maxmemory_human', human(maxMemoryBytes)],
    ['maxmemory_policy', server.config.text('maxmemory-policy')],
    ['mem_fragmentation_ratio', (rss / used).toFixed(2)],
    ['mem_clients_slaves', 0],
    ['mem_clients_normal', server.inputBytes + server.outputBytes],
    ['mem_aof_buffer', 0],
    ['mem_allocator', 'v8'],
    ['heap_size_limit', getHeapStatistics().heap_size_limit],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', 0],
    ...coldFields(server),
  ]
}

function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  const units = ['K', 'M', 'G', 'T']
  let value = bytes / 1024
  let unit = 0
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${value.toFixed(2)}${units[unit]}`
}

function statsFields(server: ServerState): Field[] {
  const { pubSub, statistics } = server
  const { traffic } = statistics
  return [
    ['total_connections_received', server.totalConnections],
    ['total_commands_processed', server.commands.calls],
    ['instantaneous_ops_per_sec', traffic.commandsPerSecond],
    ['total_net_input_bytes', traffic.inputBytes],
    ['total_net_output_bytes', traffic.outputBytes],
    ['instantaneous_input_kbps', (traffic.inputBytesPerSecond / 1024).toFixed(2)],
    ['instantaneous_output_kbps', (traffic.outputBytesPerSecond / 1024).toFixed(2)],
    ['rejected_connections', server.rejectedConnections],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_keys', server.expiredKeys],
    ['evicted_keys', 0],
    ['evicted_clients', 0],
    ['keyspace_hits', server.keyspaceHits],
    ['keyspace_misses', server.keyspaceMisses],
    ['pubsub_channels', count(pubSub.names('channel'))],
    ['pubsub_patterns', count(pubSub.names('pattern'))],
    ['pubsubshard_channels', count(pubSub.names('shard'))],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['unexpected_error_replies', 0],
    ['total_error_replies', statistics.errorsTotal],
    ['total_reads_processed', traffic.reads],
    ['total_writes_processed', traffic.writes],
    ['acl_access_denied_auth', statistics.denials.auth],
    ['acl_access_denied_cmd', statistics.denials.command],
    ['acl_access_denied_key', statistics.denials.key],
    ['acl_access_denied_channel', statistics.denials.channel],
  ]
}

function count(names: Iterable<string>): number {
  let total = 0
  for (const _ of names) total++
  return total
}

function replicationFields(server: ServerState): Field[] {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', server.runId],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['repl_backlog_size', 1_048_576],
    ['repl_backlog_first_byte_offset', 0],
    ['repl_backlog_histlen', 0],
  ]
}

function cpuFields(): Field[] {
  const { system, user } = process.cpuUsage()
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
    ['cpu_count', cpus().length],
  ]
}

function commandFields(server: ServerState): Field[] {
  const fields: Field[] = []
  for (const { command, calls, microseconds, rejected, failed } of server.commands.entries()) {
    if (calls === 0 && rejected === 0) continue
    const each = calls === 0 ? 0 : microseconds / calls
    const figures = `calls=${calls},usec=${Math.round(microseconds)},usec_per_call=${each.toFixed(2)}`
    fields.push([`cmdstat_${command.name}`, `${figures},rejected_calls=${rejected},failed_calls=${failed}`])
  }
  return fields
}

function errorFields(server: ServerState): Field[] {
  return [...server.statistics.errors].map(([word, count]) => [`errorstat_${word}`, `count=${count}`])
}

function latencyFields(server: ServerState): Field[] {
  const percentiles = server.config.text('latency-tracking-info-percentiles').split(' ')
  return [...server.statistics.histograms].map(([command, histogram]) => {
    const values = percentiles.map((one) => `p${one}=${histogram.percentile(Number(one) / 100).toFixed(3)}`)
    return [`latency_percentiles_usec_${command.name}`, values.join(',')]
  })
}

function keyspaceFields(server: ServerState): Field[] {
  const fields: Field[] = []
  for (let index = 0; index < server.databases.count; index++) {
    const database = server.databases.at(index)
    if (database.keyCount === 0) continue
    fields.push([`db${index}`, `keys=${database.keyCount},expires=${database.expiringKeyCount},avg_ttl=0`])
  }
  return fields
}

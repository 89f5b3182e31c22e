/**
 * What connects administration to the server that it is about.
 *
 *   options ──startTexts──► Config            what CONFIG GET tells of the start
 *   CONFIG SET ──► node limits, producers' limits, keyspace events, the default user's password
 *   refused by ACL, or a wrong password ──► the ACL's log, INFO's counts
 */
import { resolve } from 'node:path'
import type { RequestLimits } from '@millrace/protocol'
import type { AclLogEntry } from './acl-log.ts'
import type { Client } from './client.ts'
import { clientLine } from './client-line.ts'
import type { Config } from './config.ts'
import { memoryBudgetOf } from './memory-budget.ts'
import type { ServerOptions } from './options.ts'
import type { ServerState } from './server-state.ts'

/** The parameters that only the start sets, as texts. */
export function startTexts(options: ServerOptions): Record<string, string> {
  const { requestLimits } = options
  const texts: Record<string, string | undefined> = {
    port: options.port === undefined ? undefined : String(options.port === false ? 0 : options.port),
    bind: options.bind?.join(' '),
    'protected-mode': options.insecure === true ? 'no' : 'yes',
    'tls-port': options.tls === undefined ? undefined : String(options.tls.port),
    'tls-cert-file': options.tls?.certFile,
    'tls-key-file': options.tls?.keyFile,
    'tls-ca-cert-file': options.tls?.caFile,
    unixsocket: options.unixSocket,
    unixsocketperm: options.unixSocketMode?.toString(8),
    databases: options.databases === undefined ? undefined : String(options.databases),
    aclfile: options.aclFile,
    requirepass: options.password,
    dir: latin1(resolve(options.directory ?? '.')),
    appendonly: options.directory === undefined ? undefined : 'yes',
    appendfsync: options.directory === undefined ? undefined : 'always',
    'proto-max-bulk-len': requestLimits?.bulkBytesMax === undefined ? undefined : String(requestLimits.bulkBytesMax),
    'client-query-buffer-limit':
      requestLimits?.requestBytesMax === undefined ? undefined : String(requestLimits.requestBytesMax),
  }
  const given: Record<string, string> = {}
  for (const [name, text] of Object.entries(texts)) if (text !== undefined) given[name] = text
  return given
}

/** What the configuration says of requests holds as their limits. */
export function requestLimitsOf({ requestLimits }: ServerOptions, config: Config): Partial<RequestLimits> {
  return {
    ...requestLimits,
    bulkBytesMax: config.number('proto-max-bulk-len'),
    requestBytesMax: config.number('client-query-buffer-limit'),
  }
}

/** Paths are the file system's UTF-8; here they are byte strings. */
function latin1(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1')
}

export function connectAdministration(server: ServerState): void {
  applyConfig(server)
  server.config.onChange((name) => connect(server, name))
  // Only when it was changed: at the start the ACL file, or the option, has had its say.
  server.config.onChange((name, value) => {
    if (name === 'requirepass') server.acl.setDefaultPassword(value)
  })
  server.onDenied = (client, { reason, object }) => refused(client, { reason, object, userName: client.user.name })
  server.onLogInRefused = (client, userName) => {
    refused(client, { reason: 'auth', object: client.lastCommand.toUpperCase(), userName })
  }
}

/** What is configured goes where it is needed. */
export function applyConfig(server: ServerState): void {
  for (const name of connected.keys()) connect(server, name)
}

const connected = new Map<string, (server: ServerState) => void>([
  ['stream-node-max-bytes', setNodeLimits],
  ['stream-node-max-entries', setNodeLimits],
  ['stream-idmp-duration', setIdempotency],
  ['stream-idmp-maxsize', setIdempotency],
  ['notify-keyspace-events', setEvents],
  ['maxmemory', setMemoryBudget],
])

function connect(server: ServerState, name: string): void {
  connected.get(name)?.(server)
}

function setNodeLimits({ config, databases }: ServerState): void {
  databases.setNodeLimits({
    bytesMax: config.number('stream-node-max-bytes'),
    entriesMax: config.number('stream-node-max-entries'),
  })
}

function setIdempotency({ config, databases }: ServerState): void {
  databases.setIdempotency({
    durationS: config.number('stream-idmp-duration'),
    sizeMax: config.number('stream-idmp-maxsize'),
  })
}

function setMemoryBudget({ cold, settings }: ServerState): void {
  if (cold !== undefined) cold.memoryBytes = memoryBudgetOf(settings)
}

function setEvents({ config, keyspaceEvents }: ServerState): void {
  keyspaceEvents.set(config.text('notify-keyspace-events'))
  config.tell('notify-keyspace-events', keyspaceEvents.setting)
}

function refused(client: Client, entry: Omit<AclLogEntry, 'context'>): void {
  const { server, isExecuting, transaction } = client
  server.statistics.denials[entry.reason]++
  const context = isExecuting || transaction.isOpen ? 'multi' : 'toplevel'
  const lengthMax = server.config.number('acllog-max-len')
  server.acl.log.add({ ...entry, context }, clientLine(client), server.nowMs, lengthMax)
}

/**
 * A client as CLIENT LIST, CLIENT INFO and the ACL log tell it: one line of `name=value`, in Redis's order.
 */
import type { Client } from './client.ts'

/** What CLIENT LIST TYPE and CLIENT KILL TYPE tell apart. */
export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub'

export function clientTypeOf(client: Client): ClientType {
  return client.subscriptions.count > 0 ? 'pubsub' : 'normal'
}

export function clientLine(client: Client): string {
  const { server, connection, subscriptions, transaction } = client
  const age = Math.max(0, Math.floor((server.nowMs - client.createdMs) / 1000))
  const idle = Math.max(0, Math.floor((server.nowMs - client.lastActiveMs) / 1000))
  const queued = transaction.isOpen ? transaction.queue.length : -1
  const fields = [
    `id=${client.id}`,
    `addr=${connection.address}`,
    `laddr=${connection.localAddress}`,
    // Node tells nobody the number of a socket's file.
    'fd=-1',
    `name=${client.name}`,
    `age=${age}`,
    `idle=${idle}`,
    `flags=${flagsOf(client)}`,
    `db=${client.databaseIndex}`,
    `sub=${subscriptions.channel.size}`,
    `psub=${subscriptions.pattern.size}`,
    `ssub=${subscriptions.shard.size}`,
    `multi=${queued}`,
    `qbuf=${connection.inputBytes}`,
    'qbuf-free=0',
    'argv-mem=0',
    `multi-mem=${transaction.bytes}`,
    `rbs=${client.reply.bytes.length}`,
    `rbp=${client.reply.bytes.length}`,
    'obl=0',
    `oll=${connection.outputBytes > 0 ? 1 : 0}`,
    `omem=${connection.outputBytes}`,
    `tot-mem=${connection.inputBytes + connection.outputBytes + transaction.bytes + client.reply.bytes.length}`,
    `events=${connection.outputBytes > 0 ? 'rw' : 'r'}`,
    `cmd=${client.lastCommand === '' ? 'NULL' : client.lastCommand}`,
    `user=${client.user.name}`,
    'redir=-1',
    `resp=${client.reply.protocol}`,
    `lib-name=${client.libraryName}`,
    `lib-ver=${client.libraryVersion}`,
  ]
  return fields.join(' ')
}

function flagsOf(client: Client): string {
  let flags = ''
  if (client.server.monitors.has(client)) flags += 'O'
  if (client.subscriptions.count > 0) flags += 'P'
  if (client.transaction.isOpen) flags += 'x'
  if (client.isWaiting) flags += 'b'
  if (client.isNoEvict) flags += 'e'
  if (client.isNoTouch) flags += 'T'
  return flags === '' ? 'N' : flags
}

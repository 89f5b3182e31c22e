/** Reading and storing strings, with the keyspace events that belong to it: shared by the commands of strings. */
import { getString, setString, type NewString } from '@millrace/engine'
import { requestLimits } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { ReplyError } from '../error-lines.ts'

export const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'

/** Hot: the bytes under a key, to be read only. */
export function readString(client: Client, key: string): Uint8Array | undefined {
  const value = getString(client.database, key, client.nowMs)
  if (value === undefined) client.server.missed(key, client.databaseIndex)
  else client.server.keyspaceHits++
  return value
}

/** Hot: stores a string under a key, whatever that holds. `event` is what keyspace events call it. */
export function storeString(client: Client, string: NewString, event: string): void {
  if (client.server.keyspaceEvents.isOn) return storeAndTell(client, string, event)
  setString(client.database, string, client.nowMs)
}

function storeAndTell({ database, server, databaseIndex, nowMs }: Client, string: NewString, event: string): void {
  const { key, expiresAtMs } = string
  const isNew = database.value(key, nowMs) === undefined
  setString(database, string, nowMs)
  if (isNew) server.notify('n', 'new', key, databaseIndex)
  server.notify('$', event, key, databaseIndex)
  if (typeof expiresAtMs !== 'number') return
  server.notify('g', 'expire', key, databaseIndex)
  // Redis stores it and finds it expired later; here it is gone at once.
  if (expiresAtMs <= nowMs) server.notify('x', 'expired', key, databaseIndex)
}

/** The longest string there is: what an argument may have. */
export function stringBytesMax({ options }: Client['server']): number {
  return options.requestLimits?.bulkBytesMax ?? requestLimits.bulkBytesMax
}

/** Refuses a string that would be longer than an argument may be. */
export function checkLength({ server }: Client, bytes: number): void {
  if (bytes > stringBytesMax(server)) throw new ReplyError(STRING_TOO_LONG)
}

/**
 * Clients that wait: XREAD and XREADGROUP with BLOCK. The engine's Waiters know who waits for which keys; this is what
 * connects a wait to its client.
 *
 *   command finds nothing ──block()──► waiting ──ready key──► attempt() writes the reply ──► resume
 *                                          ├───deadline──► null array ──► resume
 *                                          ├───CLIENT UNBLOCK──► null array or UNBLOCKED ──► resume
 *                                          └───closed──► nothing: what it would have got stays undelivered
 */
import type { Wait } from '@millrace/engine'
import type { Client } from './client.ts'

export interface BlockedRead {
  readonly wait: Wait
  readonly databaseIndex: number
  readonly sinceMs: number
  readonly isGroupRead: boolean
}

export interface BlockRequest {
  readonly keys: readonly string[]
  /** Tries again; writes the reply (an error included) and returns true, or returns false to wait on. */
  readonly attempt: (nowMs: number) => boolean
  readonly isGroupRead: boolean
  /** How long at most; 0: for ever. */
  readonly blockMs: number
}

/** Makes the client wait. Whoever calls has tried and found nothing, and has written no reply. */
export function block(client: Client, request: BlockRequest): void {
  const { server, databaseIndex } = client
  const wait: Wait = {
    keys: request.keys,
    isGroupRead: request.isGroupRead,
    deadlineMs: request.blockMs === 0 ? undefined : server.nowMs + request.blockMs,
    attempt: (nowMs) => {
      if (!request.attempt(nowMs)) return false
      finish(client)
      return true
    },
    timedOut: () => {
      client.reply.nullArray()
      finish(client)
    },
  }
  client.blocked = { wait, databaseIndex, sinceMs: server.nowMs, isGroupRead: request.isGroupRead }
  server.waiters[databaseIndex]!.add(wait)
  server.blockedClients.add(client)
}

/** Ends a wait with the reply that `answer` writes; false when the client does not wait. */
export function unblock(client: Client, answer: () => void): boolean {
  const { blocked, server } = client
  if (blocked === undefined || !server.waiters[blocked.databaseIndex]!.cancel(blocked.wait)) return false
  answer()
  finish(client)
  return true
}

/** Ends a wait and tells nobody: the client is gone. */
export function forget(client: Client): void {
  const { blocked, server } = client
  if (blocked === undefined) return
  server.waiters[blocked.databaseIndex]!.cancel(blocked.wait)
  client.blocked = undefined
  server.blockedClients.delete(client)
}

function finish(client: Client): void {
  client.blocked = undefined
  client.server.blockedClients.delete(client)
  client.connection.flush()
  client.connection.resume()
}

/**
 * Clients that wait. The engine's Waiters know who waits for which keys, and until when; this is what connects a wait to its
 * client.
 *
 *   command finds nothing ──block()──► blocked ──ready key──► attempt() writes the reply ──► resume
 *                                          ├───deadline──► null array ──► resume
 *                                          ├───CLIENT UNBLOCK──► null array or UNBLOCKED ──► resume
 *                                          └───closed──► nothing: what it would have got stays undelivered
 *
 *   request comes too early ──hold()──► held ──the time has come──► then() ──► resume
 *
 * A held client is not blocked as Redis's commands and counters mean it; it has a Wait without keys.
 */
import type { Wait } from '@millrace/engine'
import type { Client } from './client.ts'

export interface BlockedRead {
  readonly wait: Wait
  readonly databaseIndex: number
  readonly sinceMs: number
  readonly isGroupRead: boolean
  /** Writes what a wait that ends with nothing is answered. */
  readonly answerNothing: () => void
}

/** Why a client's requests wait: a password was guessed wrong before, CLIENT PAUSE, or it has asked for a snapshot. */
export interface Hold {
  readonly wait: Wait
  readonly cause: 'guess' | 'pause' | 'save'
}

export interface BlockRequest {
  readonly keys: readonly string[]
  /** Tries again; writes the reply and returns true, or returns false to wait on. What it throws is the reply, too. */
  readonly attempt: (nowMs: number) => boolean
  readonly isGroupRead: boolean
  /** How long at most; 0: for ever. */
  readonly blockMs: number
  /** Of a reader that claims: when something becomes old enough for it. */
  readonly claimableMs?: (nowMs: number) => number | undefined
  /** Writes the reply when the time is over. Default: the null array. */
  readonly answerNothing?: () => void
}

/** Makes the client wait. Whoever calls has tried and found nothing, and has written no reply. */
export function block(client: Client, request: BlockRequest): void {
  const { server, databaseIndex } = client
  const answerNothing = request.answerNothing ?? (() => client.reply.nullArray())
  const wait: Wait = {
    keys: request.keys,
    isGroupRead: request.isGroupRead,
    deadlineMs: request.blockMs === 0 ? undefined : server.nowMs + request.blockMs,
    ...(request.claimableMs === undefined ? {} : { claimableMs: request.claimableMs }),
    attempt(nowMs) {
      const mark = client.reply.mark()
      if (!attempted(client, request, nowMs)) return false
      finish(client, mark)
      return true
    },
    timedOut() {
      const mark = client.reply.mark()
      answerNothing()
      finish(client, mark)
    },
  }
  const { isGroupRead } = request
  if (request.claimableMs !== undefined) server.claimingClients++
  client.blocked = { wait, databaseIndex, sinceMs: server.nowMs, isGroupRead, answerNothing }
  client.isWaiting = true
  server.waiters[databaseIndex]!.add(wait)
  server.blockedClients.add(client)
  if (request.claimableMs !== undefined) server.timers.rearm()
  else if (wait.deadlineMs !== undefined) server.timers.wakeAt(wait.deadlineMs)
}

/**
 * CLIENT UNBLOCK: ends a wait as its deadline would, or with an error; false when the client does not wait.
 */
export function unblock(client: Client, how: 'timeout' | 'error'): boolean {
  const { blocked, server } = client
  if (blocked === undefined || !server.waiters[blocked.databaseIndex]!.cancel(blocked.wait)) return false
  const mark = client.reply.mark()
  if (how === 'timeout') blocked.answerNothing()
  else client.reply.error('UNBLOCKED client unblocked via CLIENT UNBLOCK')
  finish(client, mark)
  return true
}

/**
 * Lets the client's requests wait until a time (undefined: until `release`), and then calls `then`, which answers the one that
 * was held.
 */
export function hold(client: Client, cause: Hold['cause'], untilMs: number | undefined, then: () => void): void {
  const { server } = client
  const wait: Wait = {
    keys: [],
    isGroupRead: false,
    deadlineMs: untilMs,
    attempt: () => false,
    timedOut() {
      client.held = undefined
      client.isWaiting = false
      then()
      goOn(client)
    },
  }
  client.held = { wait, cause }
  client.isWaiting = true
  server.waiters[0]!.add(wait)
  if (untilMs !== undefined) server.timers.wakeAt(untilMs)
}

/** Ends a hold before its time, as if that had come. */
export function release(client: Client): void {
  const { held, server } = client
  if (held !== undefined && server.waiters[0]!.cancel(held.wait)) held.wait.timedOut()
}

/** Ends a wait and tells nobody: the client is gone. */
export function forget(client: Client): void {
  const { blocked, held, server } = client
  if (blocked !== undefined) server.waiters[blocked.databaseIndex]!.cancel(blocked.wait)
  if (held !== undefined) server.waiters[0]!.cancel(held.wait)
  client.held = undefined
  unblocked(client)
}

function attempted(client: Client, request: BlockRequest, nowMs: number): boolean {
  // What it would get would be lost: nobody else could read it.
  if (client.connection.isGone) return false
  const mark = client.reply.mark()
  try {
    return request.attempt(nowMs)
  } catch (error) {
    client.fail(mark, error)
    return true
  }
}

function finish(client: Client, mark: number): void {
  unblocked(client)
  client.settleReplyMode(mark)
  goOn(client)
}

function unblocked(client: Client): void {
  if (client.blocked?.wait.claimableMs !== undefined) client.server.claimingClients--
  client.blocked = undefined
  client.isWaiting = false
  client.server.blockedClients.delete(client)
}

function goOn(client: Client): void {
  const { connection, server } = client
  // With a gate at the end of the round, when what this tells is written.
  if (server.gate === undefined) connection.flush()
  else server.flushSoon(connection)
  connection.resume()
}

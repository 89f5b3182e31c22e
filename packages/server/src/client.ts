/**
 * One client as its commands see it: what it may do, what it has chosen, and where its replies go.
 *
 *   connection (socket, parser) ──request──► dispatch ──► command(client, request) ──► client.reply ──► connection
 *
 * A client is in one of these states:
 *
 *   running ──block()──► blocked ──served, timed out, unblocked──► running          nothing of its pipeline runs meanwhile
 *   running ──MULTI──► queueing ──EXEC, DISCARD──► running
 *   any     ──close()──► closed
 */
import type { Database } from '@millrace/engine'
import { ReplyWriter } from '@millrace/protocol'
import { Subscriptions } from './pub-sub.ts'
import type { ServerState } from './server-state.ts'
import { Transaction } from './transaction.ts'
import type { BlockedRead } from './blocking.ts'

/** What a connection does for its client. */
export interface Connection {
  /** `ip:port`, or the path of the Unix socket. */
  readonly address: string
  readonly localAddress: string
  /** Takes the replies written so far to the peer, in the next turn at the latest. */
  flush(): void
  /** Goes on with the requests that waited for a blocked client. */
  resume(): void
  /** Ends it; replies written so far are sent first unless `now`. */
  close(how: 'after-reply' | 'now'): void
}

export class Client {
  readonly id: number
  readonly server: ServerState
  readonly connection: Connection
  readonly reply = new ReplyWriter()
  readonly transaction = new Transaction()
  readonly subscriptions = new Subscriptions()
  readonly createdMs: number
  name = ''
  libraryName = ''
  libraryVersion = ''
  databaseIndex = 0
  isAuthenticated: boolean
  isClosed = false
  /** Commands run by EXEC, which answer at once where they would wait. */
  isExecuting = false
  blocked: BlockedRead | undefined = undefined
  lastCommand = ''
  lastActiveMs: number

  constructor(id: number, server: ServerState, connection: Connection) {
    this.id = id
    this.server = server
    this.connection = connection
    this.createdMs = server.nowMs
    this.lastActiveMs = server.nowMs
    this.isAuthenticated = server.options.password === undefined
  }

  get database(): Database {
    return this.server.databases.at(this.databaseIndex)
  }

  /** Channels, patterns and shard channels: above 0, a RESP2 client may only subscribe and unsubscribe. */
  get subscriptionCount(): number {
    return this.subscriptions.count
  }

  /** The one clock snapshot of the running command (or transaction). */
  get nowMs(): number {
    return this.server.nowMs
  }
}

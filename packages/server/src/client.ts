/**
 * One client as its commands see it: what it may do, what it has chosen, and where its replies go.
 *
 *   connection (socket, parser) ──request──► dispatch ──► command(client, request) ──► client.reply ──► connection
 *
 * A client is in one of these states:
 *
 *   running ──block()──► blocked ──served, timed out, unblocked──► running          nothing of its pipeline runs meanwhile
 *   running ──hold()──► held ──the time has come──► running                         a guess of a password, CLIENT PAUSE
 *   running ──stream()──► streaming ──the reply's end──► running
 *   running ──MULTI──► queueing ──EXEC, DISCARD──► running
 *   any     ──close()──► closed
 */
import type { Database } from '@millrace/engine'
import { ReplyWriter } from '@millrace/protocol'
import type { User } from './acl-user.ts'
import type { BlockedRead, Hold } from './blocking.ts'
import { errorLine } from './error-lines.ts'
import { Subscriptions } from './pub-sub.ts'
import type { ReplySource } from './reply-source.ts'
import type { ServerState } from './server-state.ts'
import { Transaction } from './transaction.ts'

type Stream = NonNullable<ReturnType<Database['find']>>

/** What a connection does for its client. */
export interface Connection {
  /** `ip:port`, or the path of the Unix socket with `:0`. */
  readonly address: string
  readonly localAddress: string
  /** The peer's address without a port; '' where there is none. */
  readonly host: string
  /** Bytes of requests that wait to be whole, or to be run. */
  readonly inputBytes: number
  /** Bytes of replies that the peer has not taken. */
  readonly outputBytes: number
  /** The socket has failed, though its client may not have been told yet. */
  readonly isGone: boolean
  /** Takes the replies written so far to the peer, in the next turn at the latest. */
  flush(): void
  /** Goes on with the requests that waited for a blocked client. */
  resume(): void
  /** Ends it; replies written so far are sent first unless `now`. The client is closed when this returns. */
  close(how: 'after-reply' | 'now'): void
  /** Answers what it has received, and then ends it. */
  finish(): void
  /** Sends what is held and has become safe; true when nothing more is held. */
  letGo(): boolean
  /** Ends it when a deadline of it has passed. */
  checkDeadlines(nowMs: number): void
}

/** CLIENT REPLY: `skip-next` is what SKIP has said about the command after it, which then is in `skip`. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip'

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
  user: User
  isAuthenticated: boolean
  isClosed = false
  /** Commands run by EXEC, which answer at once where they would wait. */
  isExecuting = false
  /** Blocked or held: its requests wait. */
  isWaiting = false
  blocked: BlockedRead | undefined = undefined
  held: Hold | undefined = undefined
  /** The reply that is being told in steps. */
  source: ReplySource | undefined = undefined
  replyMode: ReplyMode = 'on'
  /** CLIENT NO-EVICT and NO-TOUCH: what was asked for, to be told. */
  isNoEvict = false
  isNoTouch = false
  lastCommand = ''
  lastActiveMs: number
  #pushes: ReplyWriter | undefined = undefined
  /** Ends the hold on entries on disk that the reply is to tell. */
  #letGo: (() => void) | undefined = undefined

  constructor(id: number, server: ServerState, connection: Connection) {
    this.id = id
    this.server = server
    this.connection = connection
    this.createdMs = server.nowMs
    this.lastActiveMs = server.nowMs
    this.user = server.acl.defaultUser
    this.isAuthenticated = server.isOpen
  }

  get database(): Database {
    return this.server.databases.at(this.databaseIndex)
  }

  /** Hot: the stream that a command is to read, which counts as a hit of the keyspace or a miss. */
  streamToRead(key: string): Stream | undefined {
    const { server, databaseIndex } = this
    const stream = server.databases.at(databaseIndex).find(key, server.nowMs)
    if (stream === undefined) server.missed(key, databaseIndex)
    else server.keyspaceHits++
    return stream
  }

  /** Channels, patterns and shard channels: above 0, a RESP2 client may only subscribe and unsubscribe. */
  get subscriptionCount(): number {
    return this.subscriptions.count
  }

  /** The one clock snapshot of the running command (or transaction). */
  get nowMs(): number {
    return this.server.nowMs
  }

  /** It has asked for nothing for longer than it may. As Redis: who waits for entries or messages is not idle. */
  isIdle(nowMs: number): boolean {
    const { idleSeconds } = this.server.settings
    if (idleSeconds === 0 || nowMs - this.lastActiveMs <= idleSeconds * 1000) return false
    return !this.isWaiting && this.subscriptionCount === 0 && this.source === undefined
  }

  /** Answers with what a command has thrown, in place of what it has written since `mark`. Our own mistakes are logged. */
  fail(mark: number, error: unknown): void {
    let line = errorLine(error)
    if (line === undefined) {
      this.server.log(`A command failed (${this.lastCommand}): ${error instanceof Error ? error.stack : String(error)}`)
      line = "ERR Internal error, told in the server's log"
    }
    this.reply.rewind(mark)
    this.reply.error(line)
  }

  /** Tells a long reply in steps, the first of them after the command. In EXEC it is told at once. */
  stream(source: ReplySource): void {
    if (this.isExecuting) {
      while (!source.next(this.reply, Infinity)) continue
      return
    }
    this.source = source
    this.#letGo = this.server.cold?.hold()
  }

  /**
   * CLIENT REPLY: takes back what a request has been answered since `mark`, and goes on from SKIP to the command that it
   * meant. Who waits has not been answered yet.
   */
  settleReplyMode(mark: number): void {
    if (this.replyMode === 'on' || this.isWaiting) return
    this.reply.rewind(mark)
    if (this.source !== undefined) this.endStream()
    if (this.replyMode === 'skip-next') this.replyMode = 'skip'
    else if (this.replyMode === 'skip') this.replyMode = 'on'
  }

  /** Where messages go that no request has asked for: never into the middle of a reply. */
  get pushes(): ReplyWriter {
    if (this.source === undefined) return this.reply
    this.#pushes ??= new ReplyWriter()
    this.#pushes.protocol = this.reply.protocol
    return this.#pushes
  }

  /** Bytes of messages that wait for the end of a reply. */
  get waitingPushBytes(): number {
    return this.source === undefined || this.#pushes === undefined ? 0 : this.#pushes.length
  }

  /** Nothing more of a reply in steps will be told. */
  dropStream(): void {
    this.source = undefined
    this.#letGo?.()
    this.#letGo = undefined
  }

  /** The reply has come to its end: what was held back follows it. */
  endStream(): void {
    this.dropStream()
    const pushes = this.#pushes
    if (pushes === undefined) return
    this.#pushes = undefined
    this.reply.reserve(pushes.length)
    this.reply.bytes.set(pushes.written(), this.reply.length)
    this.reply.length += pushes.length
  }
}

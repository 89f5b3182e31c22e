/**
 * One request from its bytes to its reply.
 *
 *   request ──► which command? ──► may it run? ──► MULTI: queue it │ run it ──► blocked clients try again
 *                 unknown            arity, auth, ACL, memory
 *
 * The order of the checks is Redis's, since it decides which error a client gets.
 *
 * The clock is read for every slow command, and for every 16th of quick ones that follow each other: a reading costs 39 ns
 * here, about a tenth of a pipelined XADD, and 16 quick commands take well below a millisecond. For the same reason a quick
 * command is timed once in 17 calls (80 ns), unless the observer wants each one or the request has many arguments.
 */
import type { Request } from '@millrace/protocol'
import { refusalLine } from './acl.ts'
import { hold } from './blocking.ts'
import type { Client } from './client.ts'
import { TIMED_EVERY, type CommandEntry } from './command-entry.ts'
import { lines } from './error-lines.ts'
import { unavailableLine } from './unavailable-commands.ts'

const QUICK_PER_TICK = 16
/** More arguments than this, and a command that is quick by itself may take long. */
const QUICK_ARGUMENTS_MAX = 16
/** How much of an unknown name, and of its arguments together, an error repeats. */
const ECHO_BYTES_MAX = 128

/** Runs one request of a client. Never throws: what goes wrong is the client's reply. */
export function dispatch(client: Client, request: Request): void {
  const { server, reply } = client
  const mark = reply.length
  const entry = find(client, request)
  if (entry === undefined || entry.isSlow || --server.untilTick <= 0) {
    server.tick()
    server.untilTick = entry === undefined || entry.isSlow ? 0 : QUICK_PER_TICK
  }
  client.lastActiveMs = server.nowMs
  if (entry !== undefined) run(client, entry, request)
  if (client.replyMode !== 'on') settleReplyMode(client, entry, mark)
  if (server.pubSub.hasOutgoing) server.pubSub.deliver()
}

function run(client: Client, entry: CommandEntry, request: Request): void {
  const { server, transaction } = client
  client.lastCommand = entry.command.name
  const refusal = refusalOf(client, entry, request)
  if (refusal !== undefined) return reject(client, entry, refusal)
  if (server.pause !== undefined && waitsForPause(client, entry)) {
    const later = request.detached()
    return hold(client, 'pause', server.pause.untilMs, () => dispatch(client, later))
  }
  if (transaction.isOpen && !entry.runsInMulti) {
    transaction.add(entry, request.detached())
    return client.reply.simple('QUEUED')
  }
  call(client, entry, request)
  server.serveBlocked()
}

/** Calls a command that may run. Exactly one reply is written, unless the client now waits or streams. */
export function call(client: Client, entry: CommandEntry, request: Request): void {
  const { server, reply } = client
  const { observer } = server
  const isTimed =
    entry.isSlow || request.count > QUICK_ARGUMENTS_MAX || --entry.untilTimed <= 0 || observer?.wantsEach === true
  const started = isTimed ? performance.now() : 0
  const mark = reply.length
  try {
    entry.run!(client, request)
  } catch (error) {
    client.fail(mark, error)
  }
  entry.calls++
  const failed = reply.length > mark && reply.bytes[mark] === 0x2d
  if (failed) noteError(client, entry, mark)
  if (isTimed) noteTime(client, { entry, request, started, failed })
  if (server.monitor !== undefined) server.monitor(client, entry.command, request)
}

interface TimedCall {
  readonly entry: CommandEntry
  readonly request: Request
  readonly started: number
  readonly failed: boolean
}

function noteTime(client: Client, { entry, request, started, failed }: TimedCall): void {
  const microseconds = (performance.now() - started) * 1000
  const weight = entry.untilTimed <= 0 && !entry.isSlow ? TIMED_EVERY : 1
  if (entry.untilTimed <= 0) entry.untilTimed = TIMED_EVERY
  entry.microseconds += microseconds * weight
  client.server.observer?.called(client, entry.command, request, { microseconds, failed, weight })
}

function noteError(client: Client, entry: CommandEntry, mark: number): void {
  entry.failed++
  const { observer } = client.server
  if (observer === undefined) return
  const { bytes, length } = client.reply
  observer.errored(client, bytes.toString('latin1', mark + 1, Math.min(length - 2, mark + 1 + ECHO_BYTES_MAX)))
}

/** The command, or undefined after the refusal has been written. */
function find(client: Client, request: Request): CommandEntry | undefined {
  const entry = client.server.commands.entryOf(request)
  if (entry === undefined) {
    refuseUnknown(client, request)
    return undefined
  }
  const found = entry.subcommands === undefined || request.count === 1 ? entry : subcommandOf(client, entry, request)
  if (found === undefined) return undefined
  const { arity } = found.command
  if (found.run !== undefined && (arity > 0 ? request.count === arity : request.count >= -arity)) return found
  reject(client, found, `ERR wrong number of arguments for '${found.command.name}' command`)
  return undefined
}

/**
 * Why a large request will be refused of which only the beginning has come, so that the rest isn't waited for; undefined: it
 * may be taken. `count`: how many arguments it will have.
 */
export function refusalAhead(client: Client, request: Request, count: number): string | undefined {
  const { server, user } = client
  const container = server.commands.entryOf(request)
  if (container === undefined) return `ERR unknown command '${echo(request, 0, ECHO_BYTES_MAX)}'`
  const word = request.count > 1 ? echo(request, 1, ECHO_BYTES_MAX).toLowerCase() : ''
  const entry = container.subcommands?.get(`${container.command.name}|${word}`) ?? container
  const { name, arity } = entry.command
  if (arity > 0 ? count !== arity : count < -arity) return `ERR wrong number of arguments for '${name}' command`
  if (!server.acl.allowsCommand(user, entry.command, request)) {
    return refusalLine({ reason: 'command', object: name }, false)
  }
  return entry.deniesOutOfMemory && server.isOutOfMemory ? lines.outOfMemory : undefined
}

function subcommandOf(client: Client, container: CommandEntry, request: Request): CommandEntry | undefined {
  const word = echo(request, 1, ECHO_BYTES_MAX)
  const found = container.subcommands!.get(`${container.command.name}|${word.toLowerCase()}`)
  if (found !== undefined && request.length(1) === word.length) return found
  // A container that can be called by itself takes any other word as its argument.
  if (container.run !== undefined) return container
  reject(client, undefined, `ERR unknown subcommand '${word}'. Try ${container.command.name.toUpperCase()} HELP.`)
  return undefined
}

function refuseUnknown(client: Client, request: Request): void {
  const name = echo(request, 0, ECHO_BYTES_MAX)
  if (/^(post|host:)$/i.test(name)) return endHttp(client)
  const unavailable = unavailableLine(name)
  if (unavailable !== undefined) return reject(client, undefined, unavailable)
  let args = ''
  for (let i = 1; i < request.count && args.length < ECHO_BYTES_MAX; i++)
    args += `'${echo(request, i, ECHO_BYTES_MAX - args.length)}' `
  reject(client, undefined, `ERR unknown command '${name}', with args beginning with: ${args}`)
}

/** The beginning of an argument; as Redis, which prints C strings, up to a NUL. */
function echo(request: Request, index: number, bytesMax: number): string {
  const start = request.starts[index]!
  const text = request.bytes.toString('latin1', start, Math.min(request.ends[index]!, start + bytesMax))
  const nul = text.indexOf('\0')
  return nul < 0 ? text : text.slice(0, nul)
}

/**
 * A browser was made to send its words here (a page that posts to a port of this machine). Nothing that follows is run, and
 * nothing is answered.
 */
function endHttp(client: Client): void {
  client.server.logAttack(client.connection.address)
  client.connection.close('now')
}

function refusalOf(client: Client, entry: CommandEntry, request: Request): string | undefined {
  const { server, transaction } = client
  if (!client.isAuthenticated && !entry.needsNoAuthentication && !server.isOpen) return lines.noAuth
  if (entry.isRefusedInMulti && transaction.isOpen) return 'ERR Command not allowed inside a transaction'
  if (!client.user.isUnrestricted) {
    const line = deniedLine(client, entry, request)
    if (line !== undefined) return line
  }
  if (server.settings.maxMemoryBytes > 0 && asksForMemory(client, entry) && server.isOutOfMemory) {
    return lines.outOfMemory
  }
  const { keeper } = server
  if (keeper !== undefined) {
    const line = keeper.refusalOf(client, entry)
    if (line !== undefined) return line
  }
  if (client.subscriptionCount > 0 && client.reply.protocol === 2 && !entry.isForSubscribers) {
    return (
      `ERR Can't execute '${entry.command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
      'are allowed in this context'
    )
  }
  if (keeper?.loading !== undefined && !entry.runsWhileLoading) return lines.loading
  if (server.monitor !== undefined && entry.touchesKeys && server.monitors.has(client)) return lines.monitor
  return undefined
}

/** What the client's user may not do, as a line; it is in the ACL's log then. */
export function deniedLine(client: Client, entry: CommandEntry, request: Request): string | undefined {
  const { acl, onDenied } = client.server
  const denial = acl.denial(client.user, entry.command, request)
  if (denial === undefined) return undefined
  onDenied?.(client, denial)
  return refusalLine(denial, client.isExecuting)
}

/** As Redis: what is queued takes memory whatever it does, and EXEC needs what is in its queue. */
function asksForMemory({ transaction }: Client, entry: CommandEntry): boolean {
  if (entry.deniesOutOfMemory) return true
  if (!transaction.isOpen) return false
  if (entry.command.name === 'exec') return transaction.needsMemory
  return !entry.runsInMulti
}

function waitsForPause(client: Client, entry: CommandEntry): boolean {
  const { server, transaction } = client
  const pause = server.pause!
  if (server.nowMs >= pause.untilMs) {
    server.unpause()
    return false
  }
  if (!pause.isForWritesOnly || entry.isWrite || entry.mayReplicate) return true
  return (
    entry.command.name === 'exec' &&
    transaction.queue.some(({ entry: queued }) => queued.isWrite || queued.mayReplicate)
  )
}

/** A refused command spoils the transaction that it was to be queued in. */
function reject(client: Client, entry: CommandEntry | undefined, line: string): void {
  const { transaction, server, reply } = client
  if (entry !== undefined) entry.rejected++
  let answer = line
  if (entry?.command.name === 'exec') {
    // As Redis: an EXEC that is refused takes its transaction with it.
    transaction.end()
    answer = `EXECABORT Transaction discarded because of: ${line.replace(/^ERR /, '')}`
  } else if (transaction.isOpen) {
    transaction.isSpoilt = true
  }
  reply.error(answer)
  server.observer?.errored(client, answer)
}

/** As Redis: what tells of a subscription is a message, which CLIENT REPLY does not hold back. */
function settleReplyMode(client: Client, entry: CommandEntry | undefined, mark: number): void {
  const { reply } = client
  const first = reply.length > mark ? reply.bytes[mark] : undefined
  // An array or a push: neither an error nor QUEUED.
  const isMessage = entry?.command.name.endsWith('subscribe') === true && (first === 0x2a || first === 0x3e)
  client.settleReplyMode(isMessage ? reply.length : mark)
}

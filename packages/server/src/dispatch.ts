/**
 * One request from its bytes to its reply.
 *
 *   request ──► which command? ──► may it run? ──► MULTI: queue it │ run it ──► blocked clients try again
 *                 unknown            arity, auth, ACL, memory
 *
 * The order of the checks is Redis's, since it decides which error a client gets.
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'
import type { Command } from './command.ts'
import { errorLine, lines } from './error-lines.ts'

/** Runs one request of a client. Never throws: what goes wrong is the client's reply. */
export function dispatch(client: Client, request: Request): void {
  const { server } = client
  server.tick()
  client.lastActiveMs = server.nowMs
  const command = resolve(client, request)
  if (command === undefined) return
  client.lastCommand = command.name
  const refusal = refusalOf(client, command)
  if (refusal !== undefined) return reject(client, refusal)
  if (client.transaction.isOpen && !runsInsideMulti.has(command.name)) {
    client.transaction.queue.push({ command, request: request.detached() })
    client.reply.simple('QUEUED')
    return
  }
  call(client, command, request)
  server.serveBlocked()
  if (server.pubSub.hasOutgoing) server.pubSub.deliver()
}

/** Runs a command that may run. Exactly one reply is written, unless the client now waits. */
export function call(client: Client, command: Command, request: Request): void {
  const mark = client.reply.mark()
  try {
    command.run!(client, request)
  } catch (error) {
    client.reply.rewind(mark)
    client.reply.error(errorLine(error) ?? internalError(error))
  }
}

const runsInsideMulti = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset'])

/** The command, or undefined after the refusal has been written. */
function resolve(client: Client, request: Request): Command | undefined {
  const command = client.server.commands.of(request)
  if (command === undefined) {
    reject(client, unknownCommand(request))
    return undefined
  }
  const found = command.subcommands === undefined ? command : subcommandOf(client, command, request)
  if (found === undefined) return undefined
  const { arity } = found
  if (found.run !== undefined && (arity > 0 ? request.count === arity : request.count >= -arity)) return found
  reject(client, `ERR wrong number of arguments for '${found.name}' command`)
  return undefined
}

function subcommandOf(client: Client, container: Command, request: Request): Command | undefined {
  if (request.count === 1) return container
  const name = `${container.name}|${request.text(1).toLowerCase()}`
  const found = container.subcommands!.find((command) => command.name === name)
  if (found !== undefined) return found
  reject(client, `ERR unknown subcommand '${request.text(1).slice(0, 128)}'. Try ${container.name.toUpperCase()} HELP.`)
  return undefined
}

function unknownCommand(request: Request): string {
  let args = ''
  for (let i = 1; i < request.count && args.length < 128; i++)
    args += `'${request.text(i).slice(0, 128 - args.length)}' `
  return `ERR unknown command '${request.text(0).slice(0, 128)}', with args beginning with: ${args}`
}

function refusalOf(client: Client, command: Command): string | undefined {
  if (!client.isAuthenticated && !command.flags.includes('no_auth')) return lines.noAuth
  return undefined
}

/** A refused command spoils the transaction that it was to be queued in. */
function reject(client: Client, line: string): void {
  if (client.transaction.isOpen) client.transaction.isSpoilt = true
  client.reply.error(line)
}

function internalError(error: unknown): string {
  return `ERR internal error: ${error instanceof Error ? error.message : String(error)}`
}

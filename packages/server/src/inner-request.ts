/** A request that is given as arguments of another one: COMMAND GETKEYS, ACL DRYRUN. */
import { Request } from '@millrace/protocol'
import type { CommandTable } from './command-table.ts'
import type { Command } from './command.ts'

/** The request that begins at an argument, on the same bytes. */
export function requestAfter(request: Request, from: number): Request {
  const inner = new Request()
  inner.bytes = request.bytes
  for (let i = from; i < request.count; i++) inner.add(request.starts[i]!, request.ends[i]!)
  return inner
}

/** Its command, or subcommand; a container only when nothing follows. */
export function commandOf(commands: CommandTable, request: Request): Command | undefined {
  const command = commands.of(request)
  if (command?.subcommands === undefined || request.count === 1) return command
  return commands.get(`${command.name}|${request.text(1).toLowerCase()}`)
}

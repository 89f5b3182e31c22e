/**
 * The slow log: the last commands that took long, the newest first. An entry keeps the beginning of a request only, so that
 * the log stays small whatever is sent.
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'
import type { Command } from './command.ts'
import { hiddenFrom, REDACTED } from './redaction.ts'

const ARGUMENTS_MAX = 32
const ARGUMENT_BYTES_MAX = 128

export interface SlowLogEntry {
  readonly id: number
  readonly atSeconds: number
  readonly us: number
  readonly args: readonly string[]
  readonly address: string
  readonly clientName: string
}

export class SlowLog {
  #entries: SlowLogEntry[] = []
  #ids = 0

  /** The newest first. */
  get entries(): readonly SlowLogEntry[] {
    return this.#entries
  }

  add(client: Client, command: Command, request: Request, us: number): void {
    const lengthMax = client.server.config.number('slowlog-max-len')
    this.#entries.unshift({
      id: this.#ids++,
      atSeconds: Math.floor(client.nowMs / 1000),
      us: Math.round(us),
      args: shownArguments(command, request),
      address: client.connection.address,
      clientName: client.name,
    })
    if (this.#entries.length > lengthMax) this.#entries.length = lengthMax
  }

  reset(): void {
    this.#entries = []
  }
}

function shownArguments(command: Command, request: Request): string[] {
  const { count } = request
  const shown = count > ARGUMENTS_MAX ? ARGUMENTS_MAX - 1 : count
  const hidden = hiddenFrom(command.name, request)
  const args: string[] = []
  for (let i = 0; i < shown; i++) args.push(i >= hidden ? REDACTED : shortened(request, i))
  if (shown < count) args.push(`... (${count - shown} more arguments)`)
  return args
}

function shortened(request: Request, index: number): string {
  const bytes = request.length(index)
  if (bytes <= ARGUMENT_BYTES_MAX) return request.text(index)
  const start = request.view(index).toString('latin1', 0, ARGUMENT_BYTES_MAX)
  return `${start}... (${bytes - ARGUMENT_BYTES_MAX} more bytes)`
}

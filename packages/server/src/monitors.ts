/**
 * MONITOR: clients that are told every command that others run.
 *
 *   +1700000000.123456 [0 127.0.0.1:50000] "xadd" "orders" "*" "total" "12"
 *
 * Commands of administration are not told, passwords neither. A monitor that does not read is closed by the limit on
 * unsent output like any other client.
 */
import type { Request } from '@millrace/protocol'
import type { Client } from './client.ts'
import type { Command } from './command.ts'
import { hiddenFrom, REDACTED } from './redaction.ts'
import type { ServerState } from './server-state.ts'

export class Monitors {
  readonly #server: ServerState
  readonly #clients = new Set<Client>()
  #isFlushDue = false

  constructor(server: ServerState) {
    this.#server = server
    server.onLeave.push((client) => this.delete(client))
  }

  /** How many there are: 0, and nobody needs to tell. */
  get size(): number {
    return this.#clients.size
  }

  has(client: Client): boolean {
    return this.#clients.has(client)
  }

  add(client: Client): void {
    this.#clients.add(client)
    this.#server.monitor = (from, command, request) => this.tell(from, command, request)
  }

  delete(client: Client): void {
    this.#clients.delete(client)
    if (this.size === 0) this.#server.monitor = undefined
  }

  /** Tells all monitors of a command that has been run. */
  tell(client: Client, command: Command, request: Request): void {
    if (command.flags.includes('admin') || command.flags.includes('skip_monitor')) return
    const line = lineOf(client, command, request)
    for (const monitor of this.#clients) monitor.pushes.simple(line)
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    setImmediate(() => {
      this.#isFlushDue = false
      for (const monitor of this.#clients) monitor.connection.flush()
    })
  }
}

function lineOf(client: Client, command: Command, request: Request): string {
  const seconds = (client.nowMs / 1000).toFixed(6)
  const hidden = hiddenFrom(command.name, request)
  const words: string[] = []
  for (let i = 0; i < request.count; i++) words.push(quoted(i >= hidden ? REDACTED : request.text(i)))
  return `${seconds} [${client.databaseIndex} ${client.connection.address}] ${words.join(' ')}`
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}

function quoted(text: string): string {
  const inner = text.replace(/[^ !#-[\]-~]/g, (char) => {
    return escapes[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${inner}"`
}

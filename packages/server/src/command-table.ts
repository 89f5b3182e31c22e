/** All commands, found by name. The families are listed here; a command is added in its family's file. */
import type { Request } from '@millrace/protocol'
import type { Command } from './command.ts'
import { connectionCommands } from './commands/connection.ts'
import { pubSubCommands } from './commands/pubsub.ts'
import { streamEntryCommands } from './commands/stream-entries.ts'
import { stringCommands } from './commands/strings.ts'
import { stringPartCommands } from './commands/string-parts.ts'
import { counterCommands } from './commands/counters.ts'

export const commandFamilies: readonly (readonly Command[])[] = [
  connectionCommands,
  pubSubCommands,
  stringCommands,
  stringPartCommands,
  counterCommands,
  streamEntryCommands,
]

// Spellings of names that came (`xadd`, `XADD`, `XAdd`), so that the usual ones are found without a case conversion.
const SPELLINGS_MAX = 1000

export class CommandTable {
  readonly #byName = new Map<string, Command>()
  readonly #bySpelling = new Map<string, Command>()

  constructor(families: readonly (readonly Command[])[] = commandFamilies) {
    for (const family of families) for (const command of family) this.#byName.set(command.name, command)
  }

  get all(): Iterable<Command> {
    return this.#byName.values()
  }

  get size(): number {
    return this.#byName.size
  }

  /** By a name in small letters; a subcommand by `container|name`. */
  get(name: string): Command | undefined {
    const bar = name.indexOf('|')
    if (bar < 0) return this.#byName.get(name)
    return this.#byName.get(name.slice(0, bar))?.subcommands?.find((command) => command.name === name)
  }

  /** Hot: the command that a request names, container or plain. */
  of(request: Request): Command | undefined {
    if (request.length(0) > 32) return undefined
    const spelling = request.text(0)
    const known = this.#bySpelling.get(spelling)
    if (known !== undefined) return known
    const command = this.#byName.get(spelling.toLowerCase())
    if (command !== undefined && this.#bySpelling.size < SPELLINGS_MAX) this.#bySpelling.set(spelling, command)
    return command
  }
}

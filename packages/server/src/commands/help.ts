/** The answer to `<container> HELP`: simple strings, with the same first and last lines for all. */
import type { ReplyWriter } from '@millrace/protocol'

/** The lines of a text that begins and ends with a line break. */
export function helpLines(text: string): readonly string[] {
  return text.split('\n').slice(1, -1)
}

export function replyHelp(reply: ReplyWriter, container: string, lines: readonly string[]): void {
  reply.array(lines.length + 3)
  reply.simple(`${container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`)
  for (const line of lines) reply.simple(line)
  reply.simple('HELP')
  reply.simple('    Prints this help.')
}

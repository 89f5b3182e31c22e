/** The answer to `<container> HELP`: simple strings, with the same first and last lines for all. And the error that points there. */
import type { ReplyWriter, Request } from '@millrace/protocol'
import { ReplyError } from '../error-lines.ts'

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

/** More arguments than a subcommand takes; it is named as it was written. */
export function wrongCount(request: Request): ReplyError {
  const [container, name] = [request.text(0).toUpperCase(), request.text(1).slice(0, 128)]
  return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try ${container} HELP.`)
}

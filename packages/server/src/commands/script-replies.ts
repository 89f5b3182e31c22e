/** What SCRIPT and FUNCTION have in common where nothing runs Lua. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { ReplyError } from '../error-lines.ts'
import { replyHelp, wrongCount } from './help.ts'

export function refuseLua(): never {
  throw new ReplyError('ERR This server runs no Lua. It knows only the scripts it was started with')
}

/** Scripts come with the server: there is nothing to forget. */
export function flush(supports: string): (client: Client, request: Request) => void {
  return ({ reply }, request) => {
    // As Redis, where FUNCTION looks at their number first and SCRIPT does not.
    if (request.count > 3 && request.is(0, 'FUNCTION')) throw wrongCount(request)
    const isRight = request.count === 2 || (request.count === 3 && (request.is(2, 'ASYNC') || request.is(2, 'SYNC')))
    if (!isRight) throw new ReplyError(`ERR ${supports} SYNC|ASYNC option`)
    reply.ok()
  }
}

/** Whoever can ask finds none running: a script ends before the next command begins. */
export function kill(): never {
  throw new ReplyError('NOTBUSY No scripts in execution right now.')
}

export function help(container: string, lines: readonly string[]): (client: Client) => void {
  return ({ reply }) => replyHelp(reply, container, lines)
}

/** CLIENT about the client itself: its name, its library, how it is answered. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { clientLine } from '../client-line.ts'
import { lines, ReplyError } from '../error-lines.ts'

export function clientId(client: Client): void {
  client.reply.integer(client.id)
}

export function clientInfo(client: Client): void {
  client.reply.verbatim('txt', `${clientLine(client)}\n`)
}

export function getName(client: Client): void {
  if (client.name === '') client.reply.null()
  else client.reply.bulkText(client.name)
}

export function setName(client: Client, request: Request): void {
  client.name = validName(request.text(2))
  client.reply.ok()
}

/** A name as CLIENT SETNAME, and HELLO, take it: it stands in lines of words, so it is one word. */
export function validName(name: string): string {
  if (/[^!-~]/.test(name)) {
    throw new ReplyError('ERR Client names cannot contain spaces, newlines or special characters.')
  }
  return name
}

export function setInfo(client: Client, request: Request): void {
  const value = request.text(3)
  if (request.is(2, 'LIB-NAME')) client.libraryName = validAttribute('lib-name', value)
  else if (request.is(2, 'LIB-VER')) client.libraryVersion = validAttribute('lib-ver', value)
  else throw new ReplyError(`ERR Unrecognized option '${request.text(2).slice(0, 128)}'`)
  client.reply.ok()
}

function validAttribute(name: string, value: string): string {
  if (/[^!-~]/.test(value)) {
    throw new ReplyError(`ERR ${name} cannot contain spaces, newlines or special characters.`)
  }
  return value
}

/** OFF and SKIP are not answered themselves. */
export function setReplyMode(client: Client, request: Request): void {
  if (request.is(2, 'ON')) {
    client.replyMode = 'on'
    client.reply.ok()
  } else if (request.is(2, 'OFF')) client.replyMode = 'off'
  else if (!request.is(2, 'SKIP')) throw new ReplyError(lines.syntax)
  else if (client.replyMode !== 'off') client.replyMode = 'skip-next'
}

export function setNoEvict(client: Client, request: Request): void {
  client.isNoEvict = onOrOff(request)
  client.reply.ok()
}

export function setNoTouch(client: Client, request: Request): void {
  client.isNoTouch = onOrOff(request)
  client.reply.ok()
}

function onOrOff(request: Request): boolean {
  if (request.is(2, 'ON')) return true
  if (request.is(2, 'OFF')) return false
  throw new ReplyError(lines.syntax)
}

const trackingOptions = ['BCAST', 'OPTIN', 'OPTOUT', 'NOLOOP']

/** There is no client-side caching here; turning it off is no error. */
export function setTracking(client: Client, request: Request): void {
  if (request.is(2, 'ON')) throw new ReplyError('ERR CLIENT TRACKING is not supported by this server')
  let isRight = request.is(2, 'OFF')
  for (let i = 3; i < request.count; i++) {
    if (request.is(i, 'REDIRECT') || request.is(i, 'PREFIX')) i++
    else isRight &&= trackingOptions.some((option) => request.is(i, option))
  }
  if (!isRight) throw new ReplyError(lines.syntax)
  client.reply.ok()
}

export function setCaching(): void {
  throw new ReplyError(
    'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
  )
}

export function trackingInfo({ reply }: Client): void {
  reply.map(3)
  reply.bulkText('flags')
  reply.set(1)
  reply.bulkText('off')
  reply.bulkText('redirect')
  reply.integer(-1)
  reply.bulkText('prefixes')
  reply.array(0)
}

export function getRedirection(client: Client): void {
  client.reply.integer(-1)
}

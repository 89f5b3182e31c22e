/** Who a client is and how it talks: HELLO, AUTH, SELECT, RESET, QUIT. */
import type { Request } from '@millrace/protocol'
import { hold } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { REDIS_VERSION } from '../version.ts'
import { validName } from './client-self.ts'

const INT32_MIN = -(2 ** 31)
const INT32_MAX = 2 ** 31 - 1

export const authenticationCommands: readonly Command[] = [
  {
    name: 'hello',
    summary: 'Handshake with Redis',
    since: '6.0.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    categories: ['connection'],
    keys: [],
    arguments: [
      {
        name: 'arguments',
        type: 'block',
        isOptional: true,
        arguments: [
          { name: 'protover', type: 'integer' },
          {
            name: 'username_password',
            type: 'block',
            token: 'AUTH',
            isOptional: true,
            arguments: [
              { name: 'username', type: 'string' },
              { name: 'password', type: 'string' },
            ],
          },
          { name: 'clientname', type: 'string', token: 'SETNAME', isOptional: true },
        ],
      },
    ],
    differs:
      'As from 7.2 on, all options are read before any has an effect: one that is wrong leaves no login and no name.',
    run: hello,
  },
  {
    name: 'auth',
    summary: 'Authenticate to the server',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of passwords defined for the user',
    group: 'connection',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    categories: ['connection'],
    keys: [],
    arguments: [
      { name: 'username', type: 'string', since: '6.0.0', isOptional: true },
      { name: 'password', type: 'string' },
    ],
    run: auth,
  },
  {
    name: 'select',
    summary: 'Change the selected database for the current connection',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    categories: ['connection'],
    keys: [],
    arguments: [{ name: 'index', type: 'integer' }],
    run(client, request) {
      const index = request.integer(1)
      if (index === undefined) throw new ReplyError(lines.notInteger)
      if (index < INT32_MIN || index > INT32_MAX) {
        throw new ReplyError(`ERR value is out of range, value must between ${INT32_MIN} and ${INT32_MAX}`)
      }
      if (index < 0 || index >= client.server.databases.count) throw new ReplyError('ERR DB index is out of range')
      client.databaseIndex = index
      client.reply.ok()
    },
  },
  {
    name: 'quit',
    summary: 'Close the connection',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    categories: ['connection'],
    keys: [],
    run(client) {
      client.reply.ok()
      client.connection.close('after-reply')
    },
  },
  {
    name: 'reset',
    summary: 'Reset the connection',
    since: '6.2.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    categories: ['connection'],
    keys: [],
    run: reset,
  },
]

interface Credentials {
  readonly userName: string
  readonly password: Uint8Array
}

const wrongPassword = 'WRONGPASS invalid username-password pair or user is disabled.'

function auth(client: Client, request: Request): void {
  if (request.count > 3) throw new ReplyError(lines.syntax)
  if (request.count === 2 && client.server.acl.defaultUser.needsNoPassword) {
    throw new ReplyError(
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your ' +
        'configuration is correct?',
    )
  }
  const userName = request.count === 2 ? 'default' : request.text(1)
  logIn(client, { userName, password: request.view(request.count - 1) }, () => client.reply.ok())
}

/**
 * Checks the credentials and goes on with `then`, or answers that they are wrong. After a wrong guess from this address that
 * takes a while, in which others go on (auth-guesses.ts).
 */
function logIn(client: Client, credentials: Credentials, then: () => void): void {
  const { server, connection } = client
  const delayMs = server.settings.slowsGuesses ? server.guesses.delayMs(connection.host, client.nowMs) : 0
  if (delayMs === 0) return check(client, credentials, then)
  // Nobody waits in a transaction, so there a guess would cost nothing.
  if (client.isExecuting) throw new ReplyError('ERR AUTH after a wrong password is not possible in a transaction')
  const kept = { userName: credentials.userName, password: Buffer.from(credentials.password) }
  hold(client, 'guess', client.nowMs + delayMs, () => {
    const mark = client.reply.mark()
    try {
      check(client, kept, then)
    } catch (error) {
      client.fail(mark, error)
    }
    client.settleReplyMode(mark)
  })
}

function check(client: Client, { userName, password }: Credentials, then: () => void): void {
  const { server } = client
  const user = server.acl.authenticate(userName, password)
  if (user === undefined) {
    server.guesses.failed(client.connection.host, client.nowMs)
    server.onLogInRefused?.(client, userName)
    throw new ReplyError(wrongPassword)
  }
  client.user = user
  client.isAuthenticated = true
  then()
}

interface Greeting {
  readonly protocol: 2 | 3
  readonly credentials: Credentials | undefined
  readonly name: string | undefined
}

function hello(client: Client, request: Request): void {
  const greeting = readGreeting(client, request)
  if (greeting.credentials === undefined) welcome(client, greeting)
  else logIn(client, greeting.credentials, () => welcome(client, greeting))
}

function readGreeting(client: Client, request: Request): Greeting {
  let protocol = client.reply.protocol
  if (request.count > 1) {
    const asked = request.integer(1)
    if (asked === undefined) throw new ReplyError('ERR Protocol version is not an integer or out of range')
    if (asked !== 2 && asked !== 3) throw new ReplyError('NOPROTO unsupported protocol version')
    protocol = asked
  }
  let credentials: Credentials | undefined
  let name: string | undefined
  for (let i = 2; i < request.count; i++) {
    const left = request.count - 1 - i
    if (request.is(i, 'AUTH') && left >= 2) {
      credentials = { userName: request.text(i + 1), password: request.view(i + 2) }
      i += 2
    } else if (request.is(i, 'SETNAME') && left >= 1) {
      name = validName(request.text(i + 1))
      i++
    } else {
      throw new ReplyError(`ERR Syntax error in HELLO option '${request.text(i).split('\0')[0]}'`)
    }
  }
  return { protocol, credentials, name }
}

function welcome(client: Client, { protocol, name }: Greeting): void {
  const { reply, server } = client
  if (!client.isAuthenticated && !server.isOpen) {
    throw new ReplyError(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option ' +
        'can be used to authenticate the client and select the RESP protocol version at the same time',
    )
  }
  if (name !== undefined) client.name = name
  reply.protocol = protocol
  reply.map(7)
  reply.bulkText('server')
  reply.bulkText('redis')
  reply.bulkText('version')
  reply.bulkText(REDIS_VERSION)
  reply.bulkText('proto')
  reply.integer(protocol)
  reply.bulkText('id')
  reply.integer(client.id)
  reply.bulkText('mode')
  reply.bulkText('standalone')
  reply.bulkText('role')
  reply.bulkText('master')
  reply.bulkText('modules')
  reply.array(0)
}

/** Everything as it was when the client connected, but for the ID. */
function reset(client: Client): void {
  const { server, reply, transaction } = client
  transaction.end()
  server.pubSub.leave(client)
  for (const left of server.onLeave) left(client)
  client.databaseIndex = 0
  client.name = ''
  client.replyMode = 'on'
  client.isNoEvict = false
  client.isNoTouch = false
  client.user = server.acl.defaultUser
  client.isAuthenticated = server.isOpen
  reply.protocol = 2
  reply.simple('RESET')
}

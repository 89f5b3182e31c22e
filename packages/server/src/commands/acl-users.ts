/** ACL about users: SETUSER, DELUSER, GETUSER, LIST, USERS, LOAD, SAVE. */
import type { Request } from '@millrace/protocol'
import { AclFileError } from '../acl-file.ts'
import { mergeSelectors } from '../acl-rules.ts'
import { AclRuleError, type Selector } from '../acl-selector.ts'
import type { User } from '../acl-user.ts'
import type { Client } from '../client.ts'
import { ReplyError } from '../error-lines.ts'
import { closeDenied } from '../protected-mode.ts'

/** A category in one rule is many commands: this many rules take some milliseconds. */
const RULES_MAX = 10_000

export function setUser(client: Client, request: Request): void {
  const { acl } = client.server
  const name = request.text(2)
  if (/[\0\t\n\v\f\r ]/.test(name)) throw new ReplyError("ERR Usernames can't contain spaces or null characters")
  if (request.count - 3 > RULES_MAX) throw new ReplyError(`ERR ACL SETUSER takes at most ${RULES_MAX} rules at a time`)
  const words: string[] = []
  for (let i = 3; i < request.count; i++) words.push(request.text(i))
  const rules = mergedRules(words)
  acl.change(name, (user) => {
    for (const rule of rules) applyRule(user, rule)
  })
  closeDeaf(client, acl.user(name)!)
  client.reply.ok()
  closeDenied(client)
}

function mergedRules(words: readonly string[]): string[] {
  try {
    return mergeSelectors(words)
  } catch (error) {
    if (error instanceof AclRuleError) throw new ReplyError(`ERR ${error.message}`)
    throw error
  }
}

function applyRule(user: User, rule: string): void {
  try {
    user.apply(rule)
  } catch (error) {
    if (!(error instanceof AclRuleError)) throw error
    // A rule that holds a NUL is told up to it, as Redis does.
    throw new ReplyError(`ERR Error in ACL SETUSER modifier '${rule.split('\0', 1)[0]}': ${error.message}`)
  }
}

/** Closes clients of a user that listen to what they may not listen to any more. */
function closeDeaf(client: Client, user: User): void {
  if (user.isUnrestricted) return
  for (const one of client.server.clients.values()) {
    if (one.user !== user || one.subscriptions.count === 0) continue
    const { channel, pattern, shard } = one.subscriptions
    const isAllowed = user.selectors.some((selector) => {
      return (
        [...channel, ...shard].every((name) => selector.allowsChannel(name, false)) &&
        [...pattern].every((name) => selector.allowsChannel(name, true))
      )
    })
    if (!isAllowed) one.connection.close(one === client ? 'after-reply' : 'now')
  }
}

export function deleteUsers(client: Client, request: Request): void {
  const { acl } = client.server
  for (let i = 2; i < request.count; i++) {
    if (request.text(i) === 'default') throw new ReplyError("ERR The 'default' user cannot be removed")
  }
  const gone: User[] = []
  for (let i = 2; i < request.count; i++) {
    const user = acl.delete(request.text(i))
    if (user !== undefined) gone.push(user)
  }
  client.reply.integer(gone.length)
  closeClientsOf(client, gone)
}

function closeClientsOf(client: Client, users: readonly User[]): void {
  const gone = new Set(users)
  for (const one of client.server.clients.values()) {
    if (gone.has(one.user)) one.connection.close(one === client ? 'after-reply' : 'now')
  }
}

export function getUser({ server, reply }: Client, request: Request): void {
  const user = server.acl.user(request.text(2))
  if (user === undefined) {
    reply.null()
    return
  }
  reply.map(6)
  reply.bulkText('flags')
  reply.set(user.flags.length)
  for (const flag of user.flags) reply.bulkText(flag)
  reply.bulkText('passwords')
  reply.array(user.passwords.length)
  for (const hash of user.passwords) reply.bulkText(hash)
  replySelector({ reply }, user.root)
  reply.bulkText('selectors')
  reply.array(user.others.length)
  for (const selector of user.others) {
    reply.map(3)
    replySelector({ reply }, selector)
  }
}

function replySelector({ reply }: Pick<Client, 'reply'>, selector: Selector): void {
  reply.bulkText('commands')
  reply.bulkText(selector.commandsText)
  reply.bulkText('keys')
  reply.bulkText(selector.keysText)
  reply.bulkText('channels')
  reply.bulkText(selector.channelsText)
}

export function listUsers({ server, reply }: Client): void {
  const { users } = server.acl
  reply.array(users.length)
  for (const user of users) reply.bulkText(user.text)
}

export function userNames({ server, reply }: Client): void {
  const { users } = server.acl
  reply.array(users.length)
  for (const user of users) reply.bulkText(user.name)
}

const noFile =
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.'

export function loadUsers(client: Client): void {
  const { acl } = client.server
  if (acl.file === undefined) throw new ReplyError(noFile)
  try {
    const gone = acl.load()
    client.reply.ok()
    closeClientsOf(client, gone)
    closeDenied(client)
  } catch (error) {
    if (!(error instanceof AclFileError)) throw error
    throw new ReplyError(
      `ERR ${error.message}. WARNING: ACL errors detected, no change to the previously active ACL rules was performed`,
    )
  }
}

export function saveUsers({ server, reply }: Client): void {
  if (server.acl.file === undefined) throw new ReplyError(noFile)
  try {
    server.acl.save()
  } catch (error) {
    server.log(`ACL SAVE: ${error instanceof Error ? error.message : String(error)}`)
    throw new ReplyError(
      'ERR There was an error trying to save the ACLs. Please check the server logs for more information',
    )
  }
  reply.ok()
}

/**
 * An ACL file: one user a line, as ACL LIST tells them. Empty lines and lines that begin with `#` are passed over.
 *
 *   user default off
 *   user worker on #2d71… ~orders:* resetchannels -@all +@stream
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { AclCommands } from './acl-commands.ts'
import { mergeSelectors } from './acl-rules.ts'
import { AclRuleError } from './acl-selector.ts'
import { User } from './acl-user.ts'

/** What is wrong in an ACL file: a sentence for each line, `file:line: …`. */
export class AclFileError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('. '))
    this.name = 'AclFileError'
  }
}

/** The users of a file; throws an `AclFileError` that names every bad line, or that it cannot be read. */
export function readAclFile(file: string, commands: AclCommands): User[] {
  const users = new Map<string, User>()
  const problems: string[] = []
  textOf(file)
    .split('\n')
    .forEach((line, i) => {
      const trimmed = line.trim()
      if (trimmed === '' || trimmed.startsWith('#')) return
      try {
        const user = userOf(trimmed, commands)
        if (users.has(user.name)) throw new AclRuleError(`user '${user.name}' is defined twice`)
        users.set(user.name, user)
      } catch (error) {
        if (!(error instanceof AclRuleError)) throw error
        problems.push(`${file}:${i + 1}: ${error.message}`)
      }
    })
  if (problems.length > 0) throw new AclFileError(problems)
  return [...users.values()]
}

/** Replaces the file as a whole, so that a crash leaves the old or the new one. */
export function writeAclFile(file: string, users: Iterable<User>): void {
  const lines = [...users].map((user) => `${user.text}\n`)
  const temporary = `${file}.tmp-${process.pid}`
  writeFileSync(temporary, Buffer.from(lines.join(''), 'latin1'), { mode: 0o600, flush: true })
  renameSync(temporary, file)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    throw new AclFileError([`${file}: ${error instanceof Error ? error.message : String(error)}`])
  }
}

function userOf(line: string, commands: AclCommands): User {
  const [keyword, name, ...words] = line.split(/[\t ]+/)
  if (keyword !== 'user' || name === undefined) {
    throw new AclRuleError('line should start with user keyword followed by the username')
  }
  const user = new User(name, commands)
  for (const rule of mergeSelectors(words)) {
    try {
      user.apply(rule)
    } catch (error) {
      if (!(error instanceof AclRuleError)) throw error
      throw new AclRuleError(`Error in applying operation '${rule}': ${error.message}`)
    }
  }
  return user
}

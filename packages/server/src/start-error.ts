/** What keeps a server from starting, as opposed to a mistake of ours: for whoever prints it instead of a stack. */
import { AclFileError } from './acl-file.ts'
import { ConfigError } from './config.ts'
import { DirectoryError } from './durability.ts'
import { ListenError } from './listener.ts'

/** With a `cause` when it was the machine that refused, without one when what the server was told is wrong. */
export function isStartError(error: unknown): error is Error {
  const isOurs = error instanceof ListenError || error instanceof AclFileError || error instanceof ConfigError
  return isOurs || error instanceof DirectoryError
}

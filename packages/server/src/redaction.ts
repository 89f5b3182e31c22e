/**
 * Arguments that nobody else may see, in MONITOR's lines and in the slow log: passwords, and who the users are.
 */
import type { Request } from '@millrace/protocol'

export const REDACTED = '(redacted)'

/** From which argument on all are hidden; beyond the last: none. `commandName` is in small letters, `acl|setuser`. */
export function hiddenFrom(commandName: string, request: Request): number {
  switch (commandName) {
    case 'auth':
      return 1
    case 'acl|setuser':
    case 'acl|deluser':
    case 'acl|getuser':
      return 2
    case 'config|set':
      for (let i = 2; i < request.count; i += 2) if (request.is(i, 'REQUIREPASS')) return i + 1
      return request.count
    case 'hello':
      for (let i = 2; i < request.count; i++) if (request.is(i, 'AUTH')) return i + 1
      return request.count
    default:
      return request.count
  }
}

/**
 * Protected mode: a server that nobody has to prove anything to, and that was not started with `insecure`, serves this machine
 * alone.
 *
 *   start: open on a public address ──► refused (server.ts)
 *   later: the default user loses its password ──► clients from elsewhere are closed, those that come are DENIED
 *
 * Stricter than Redis, which denies only those that come: who is connected and has not said who it is could do anything.
 */
import type { Client } from './client.ts'
import type { ServerState } from './server-state.ts'
import { isLoopback } from './socket-names.ts'

export const DENIED =
  'DENIED Protected mode: the default user of this server needs no password, so it serves only clients of its own machine, by ' +
  'loopback or a Unix socket. From there, set a password (CONFIG SET requirepass) or switch the default user off ' +
  '(ACL SETUSER default off), or start the server with --insecure if everybody who reaches it may do everything.'

/** Whether a client from there may not be served; undefined: a Unix socket. */
export function isDenied({ isOpen, options }: ServerState, remote: string | undefined): boolean {
  return isOpen && options.insecure !== true && remote !== undefined && !isLoopback(remote)
}

/** After a command that may have opened the server. Who did it from elsewhere gets its reply first. */
export function closeDenied(client: Client): void {
  const { server } = client
  if (!server.isOpen || server.options.insecure === true) return
  for (const one of server.clients.values()) {
    const { connection } = one
    // A Unix socket has no address.
    if (!isDenied(server, connection.host === '' ? undefined : connection.host)) continue
    server.log(
      `Closed ${connection.address}: the default user needs no password any more, and it is not of this machine`,
    )
    if (one === client) setImmediate(() => connection.close('after-reply'))
    else connection.close('now')
  }
}

/** `millrace serve`: a server in this process, until SIGTERM or SIGINT. */
import { Server, type ServerOptions } from '@millrace/server'

/** Starts a server and prints where it is ready. */
export async function serve(options: ServerOptions): Promise<Server> {
  const server = await Server.start(options)
  process.stdout.write(`ready on 127.0.0.1:${server.port}\n`)
  return server
}

/**
 * `millrace serve`: a server in this process, until a signal ends it.
 *
 *   loading ──ready on …──► SIGTERM, SIGINT, SHUTDOWN ──► what was received is answered ──► ended (0)
 *                               └ a second signal ──► ended at once (1)
 *                           SIGHUP ──► the TLS files are read again
 *                           an exception that nobody caught ──► told, then as a signal, but 1
 *
 * Standard output has one line for each listener, when all of them accept; everything else goes to standard error.
 */
import { collector, Server, spaceCollections, type ServerOptions } from '@millrace/server'
import { millraceScripts } from './millrace-scripts.ts'
import { logLine } from './terminal.ts'

const FAILED_CLOSE_MS = 1000

/** Starts a server, prints where it is ready, and ends the process with it. */
export async function serve(options: ServerOptions): Promise<Server> {
  // What collections would free is in memory beside the budget: 40 MB more with 200mb (bench/cold.ts).
  if (!hasBudget(options)) spaceCollections()
  const ending = new Ending()
  ending.listen()
  const collect = collector()
  const server = await Server.start({
    ...(collect === undefined ? {} : { collect }),
    scripts: millraceScripts,
    log: logLine,
    shutdown: () => ending.begin(0),
    ...options,
  })
  ending.watch(server)
  for (const { kind, address } of server.listeners) {
    process.stdout.write(`ready on ${address}${kind === 'tcp' ? '' : ` (${kind})`}\n`)
  }
  return server
}

function hasBudget({ directory, settings }: ServerOptions): boolean {
  return directory !== undefined && (settings?.maxMemoryBytes ?? 0) > 0
}

class Ending {
  #server: Server | undefined = undefined
  #hasBegun = false

  /** From now on signals end the process; as long as there is no server to end (it loads its data), at once. */
  listen(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (this.#hasBegun) process.exit(1)
        this.begin(0)
      })
    }
  }

  /** From now on they end this server first. */
  watch(server: Server): void {
    this.#server = server
    process.on('SIGHUP', () => {
      try {
        server.reloadTls()
        if (server.tlsPort !== 0) logLine('The TLS files were read again')
      } catch (error) {
        logLine(`The TLS files stay as they were: ${error instanceof Error ? error.message : String(error)}`)
      }
    })
    process.on('uncaughtException', (error: Error) => {
      // What state the program is in is not known any more, so it does not go on; what it can still answer, it answers.
      logLine(`The server ends after an error of its own: ${error.stack ?? error.message}`)
      if (this.#hasBegun) process.exit(1)
      this.begin(1)
    })
  }

  begin(code: 0 | 1): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    const limitMs = code === 0 ? undefined : FAILED_CLOSE_MS
    // While it loads nothing has changed.
    if (this.#server === undefined) process.exit(code)
    // A close that fails has nothing left to end in order.
    this.#server.close(limitMs).then(
      () => process.exit(code),
      () => process.exit(1),
    )
  }
}

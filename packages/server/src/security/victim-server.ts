/**
 * A server in a process of its own, for tests that try to make it crash, hang or grow. Its options are the first argument,
 * as JSON; it tells its ports, then its memory whenever it is asked, and ends with its parent.
 */
import { Server } from '../server.ts'
import type { ServerOptions } from '../options.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions
const server = await Server.start({ port: 0, bind: ['127.0.0.1'], ...options })
process.on('message', () => {
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const { maxRSS } = process.resourceUsage()
  process.send!({
    rssBytes: rss,
    // Of the whole life of the process; KiB.
    peakBytes: maxRSS * 1024,
    usedBytes: heapUsed + external,
    clientCount: server.state.clients.size,
    socketCount: server.state.connections.size,
  })
})
process.once('disconnect', () => process.exit(0))
process.send!({ port: server.port, tlsPort: server.tlsPort })

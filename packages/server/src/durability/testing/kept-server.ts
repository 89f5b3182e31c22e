/**
 * A server on a directory, in a process of its own: what `millrace serve --port 0 --dir DIR --appendfsync POLICY` runs, and
 * it ends when its standard input does.
 *
 *   node kept-server.js DIR POLICY   ──►   ready PORT PID
 */
import { spaceCollections } from '../../collections.ts'
import { Server } from '../../server.ts'

const [directory, appendfsync] = process.argv.slice(2) as [string, string]
const end = (code: number) => () => process.exit(code)
process.stdin.on('end', end(0)).resume()
spaceCollections()
const server = await Server.start({
  port: 0,
  directory,
  config: { appendfsync },
  log: (line) => console.error(line),
  shutdown: () => void server.close().then(end(0), end(1)),
})
process.on('SIGTERM', () => void server.close().then(end(0), end(1)))
console.log(`ready ${server.port} ${process.pid}`)

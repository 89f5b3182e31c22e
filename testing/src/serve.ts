/** `millrace serve` from source, as a process on a free loopback port, ready when it accepts. */
import { join } from 'node:path'
import { endChild, freePort, startChild } from './child.ts'
import type { RedisServer } from './redis.ts'

export interface ServeOptions {
  /** More arguments: `['--dir', directory]`. */
  readonly args?: readonly string[]
  /** Listen on this port instead of a free one: a server that comes back where it was. */
  readonly port?: number
}

const START_MS = 20_000
const PROGRAM = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'program.ts')
const START = `import { run } from ${JSON.stringify(PROGRAM)}; const code = await run(process.argv.slice(1)); if (code !== undefined) process.exitCode = code`

/** Starts the server: with the same handle as a redis-server. */
export async function startServe(options: ServeOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort())
  const node = ['--conditions=@millrace/source', '--import', 'tsx', '--input-type=module', '-e', START, '--']
  const serve = ['serve', '--port', String(port), '--bind', '127.0.0.1', ...(options.args ?? [])]
  const child = startChild(process.execPath, [...node, ...serve])
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => fail(`was not ready within ${START_MS} ms`), START_MS)
    const fail = (what: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`millrace serve ${what}:\n${output}`))
    }
    child.once('exit', (code) => fail(`ended at its start with code ${code}`))
    child.stderr?.on('data', (bytes: Buffer) => (output = (output + bytes.toString()).slice(-4000)))
    child.stdout?.on('data', (bytes: Buffer) => {
      output = (output + bytes.toString()).slice(-4000)
      if (!output.includes('ready on')) return
      clearTimeout(timer)
      resolve()
    })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    stop: async () => await endChild(child, 'SIGKILL'),
    kill: async (signal = 'SIGKILL') => {
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') child.kill(signal)
      else await endChild(child, signal)
    },
  }
}

/**
 * The command line: `millrace serve …`. What is wrong with it is told in one sentence, and the exit code is 2; what the
 * machine refuses (a port that is taken) is told as well, and the exit code is 1.
 */
import { isStartError } from '@millrace/server'
import { Command, CommanderError } from 'commander'
import { readConfigFile } from './config-file.ts'
import { logLine, serve } from './serve.ts'
import { serverOptions, UsageError, type Given } from './serve-settings.ts'

interface ServeFlag {
  readonly flag: string
  /** redis.conf's name for it. */
  readonly name: string
  readonly help: string
}

const serveFlags: readonly ServeFlag[] = [
  { flag: '--port <number>', name: 'port', help: 'TCP port; 0: a free one; off: none (default 6379)' },
  { flag: '--bind <address...>', name: 'bind', help: 'address to listen on, repeatable (default 127.0.0.1 and ::1)' },
  { flag: '--dir <directory>', name: 'dir', help: 'where the data are kept (default: in memory only)' },
  {
    flag: '--appendfsync <always|everysec|no>',
    name: 'appendfsync',
    help: 'when what is acknowledged is on stable storage (default always: before)',
  },
  { flag: '--dbfilename <name>', name: 'dbfilename', help: 'told by CONFIG GET; snapshots have names of their own' },
  { flag: '--requirepass <password>', name: 'requirepass', help: "the default user's password" },
  { flag: '--acl <file>', name: 'aclfile', help: 'users and what they may do' },
  { flag: '--tls-port <number>', name: 'tls-port', help: 'TCP port for TLS' },
  { flag: '--tls-cert <file>', name: 'tls-cert-file', help: 'certificate, PEM' },
  { flag: '--tls-key <file>', name: 'tls-key-file', help: 'its key, PEM' },
  { flag: '--tls-ca <file>', name: 'tls-ca-cert-file', help: 'whose certificates clients have to show' },
  {
    flag: '--tls-clients <yes|no|optional>',
    name: 'tls-auth-clients',
    help: 'whether they have to (default yes with a CA)',
  },
  { flag: '--unixsocket <path>', name: 'unixsocket', help: 'Unix socket to listen on as well' },
  { flag: '--unixsocketperm <octal>', name: 'unixsocketperm', help: 'its permissions (default 700)' },
  {
    flag: '--maxmemory <bytes>',
    name: 'maxmemory',
    help: 'data in memory: 500mb, 2gb; beyond it streams go to --dir, or writes are refused (default none)',
  },
  { flag: '--maxclients <number>', name: 'maxclients', help: 'clients at the same time (default 10000)' },
  {
    flag: '--maxclients-per-address <number>',
    name: 'maxclients-per-address',
    help: 'of them from one address (default all)',
  },
  { flag: '--databases <number>', name: 'databases', help: 'databases (default 16)' },
  { flag: '--timeout <seconds>', name: 'timeout', help: 'closes clients that are idle for so long (default never)' },
  { flag: '--threads <number>', name: 'threads', help: 'threads; 1 for now' },
]

/** Runs the command line; returns the exit code, or undefined while a server runs. */
export async function run(args: readonly string[]): Promise<number | undefined> {
  try {
    await program().parseAsync([...args], { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof UsageError) return tell(error.message, 2)
    if (isStartError(error)) return tell(error.message, error.cause === undefined ? 2 : 1)
    throw error
  }
}

function program(): Command {
  const all = new Command('millrace')
    .description('Redis Streams, complete, in TypeScript.')
    .exitOverride()
    .configureOutput({ writeErr: (text) => logLine(text.trimEnd().replace(/^error: /, '')) })
  const serving = all
    .command('serve')
    .description('a server for any Redis client, until SIGTERM')
    .option('--config <file>', 'a part of redis.conf: the same names, the command line counts more')
    .option('--insecure', 'a public address without a password')
    .allowExcessArguments(false)
  // `--bind a --bind b` and `--bind a b` alike; of the others the last one counts.
  for (const { flag, help } of serveFlags) serving.option(flag, help)
  serving.action(async (flags: Record<string, string | string[] | true>) => {
    await serve(serverOptions([...givenInFile(flags), ...givenOnLine(flags)]))
  })
  return all
}

function givenInFile({ config }: Record<string, string | string[] | true>): Given[] {
  return typeof config === 'string' ? readConfigFile(config) : []
}

function givenOnLine(flags: Record<string, string | string[] | true>): Given[] {
  const given: Given[] = []
  for (const { flag, name } of serveFlags) {
    const long = flag.split(' ')[0]!
    const value = flags[camelCase(long.slice(2))]
    if (value === undefined || value === true) continue
    const words = (Array.isArray(value) ? value : [value]).map((word) => Buffer.from(word, 'utf8').toString('latin1'))
    given.push({ name, words, origin: long })
  }
  if (flags['insecure'] === true) given.push({ name: 'protected-mode', words: ['no'], origin: '--insecure' })
  return given
}

/** As commander names an option. */
function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase())
}

function tell(sentence: string, code: number): number {
  logLine(sentence)
  return code
}

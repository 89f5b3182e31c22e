/**
 * The command line: `millrace serve …`, `millrace check …`. What is wrong with it is told in one sentence, and the exit code
 * is 2; what the machine or the data refuse (a port that is taken, a directory that is open) is told as well, and the exit
 * code is 1.
 */
import { EngineError } from '@millrace/engine'
import { isStartError } from '@millrace/server'
import { Command, CommanderError } from 'commander'
import { checkFiles } from './check-files.ts'
import { readConfigFile } from './config-file.ts'
import { exportRdb, type ExportOptions } from './export-rdb.ts'
import { Failure } from './failure.ts'
import { importRdb, type ImportOptions } from './import-rdb.ts'
import { repairDirectory } from './repair-directory.ts'
import { serve } from './serve.ts'
import { serverOptions, UsageError, type Given } from './serve-settings.ts'
import { logLine } from './terminal.ts'

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
  const outcome: Outcome = { exitCode: undefined }
  try {
    await program(outcome).parseAsync([...args], { from: 'user' })
    return outcome.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof UsageError) return tell(error.message, 2)
    if (error instanceof Failure) return tell(error.message, error.exitCode)
    if (isStartError(error)) return tell(error.message, error.cause === undefined ? 2 : 1)
    if (error instanceof EngineError || isSystemError(error)) return tell(error.message, 1)
    throw error
  }
}

/** What a command ends with, where that is not an error; undefined: it goes on. */
interface Outcome {
  exitCode: number | undefined
}

function program(outcome: Outcome): Command {
  const all = new Command('millrace')
    .description('Redis Streams, complete, in TypeScript.')
    .exitOverride()
    .configureOutput({ writeErr: (text) => logLine(text.trimEnd().replace(/^error: /, '')) })
  addServe(all)
  addMoving(all, outcome)
  addLooking(all, outcome)
  return all
}

function addServe(all: Command): void {
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
}

/** From Redis, and to it. */
function addMoving(all: Command, outcome: Outcome): void {
  all
    .command('import <file>')
    .description("makes a directory of a file of Redis's format (dump.rdb)")
    .requiredOption('--dir <directory>', 'the directory: a new one, or empty')
    .option('--skip-other-types', 'leaves out keys that are no streams and no strings, and counts them')
    .allowExcessArguments(false)
    .action(async (file: string, options: ImportOptions) => {
      await importRdb(file, options)
      outcome.exitCode = 0
    })
  all
    .command('export <file>')
    .description('writes what is in a directory as one file that redis-server loads')
    .requiredOption('--dir <directory>', 'the directory; no server may have it open')
    .option('--force', 'writes over a file that is there')
    .allowExcessArguments(false)
    .action(async (file: string, options: ExportOptions) => {
      await exportRdb(file, options)
      outcome.exitCode = 0
    })
}

/** When something is wrong with a directory. */
function addLooking(all: Command, outcome: Outcome): void {
  all
    .command('check <path>')
    .description("tells what is in a directory, or a file of Redis's format, and whether it is whole; changes nothing")
    .addHelpText('after', '\nExit codes: 0 whole, 1 damaged, 2 cannot be read.')
    .allowExcessArguments(false)
    .action(async (path: string) => {
      outcome.exitCode = await checkFiles(path)
    })
  all
    .command('repair <directory>')
    .description('writes what is whole in a directory, up to the first hole, to a new one; changes nothing in the old')
    .requiredOption('--to <new>', 'the directory that is made: a new one, or empty')
    .allowExcessArguments(false)
    .action(async (directory: string, options: { readonly to: string }) => {
      await repairDirectory(directory, options)
      outcome.exitCode = 0
    })
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

/** What the system says of a file: ENOENT, EACCES, ENOSPC … */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function tell(sentence: string, code: number): number {
  logLine(sentence)
  return code
}

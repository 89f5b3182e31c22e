/**
 * What `millrace serve` is told, from its command line and a configuration file, as the server's options.
 *
 *   --port 7000                 ──┐
 *                                 ├──► Given { name: 'port', words: ['7000'], origin: '--port' } ──► ServerOptions
 *   redis.conf: `port 7000`     ──┘                                          └─ 'a.conf:3'
 *
 * Names are redis.conf's. Of a name that is given twice the later one counts, and the command line is later than the file.
 * What is wrong is told in one sentence that begins with where it stands.
 */
import { parameterProblem, type ServerOptions, type Settings, type TlsOptions } from '@millrace/server'

export interface Given {
  readonly name: string
  /** Byte strings: one character for each byte. */
  readonly words: readonly string[]
  /** Where it stands: `--port`, or `millrace.conf:12`. */
  readonly origin: string
}

/** Something that was told is wrong; the message says where and what. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

interface Draft {
  readonly options: Writable<ServerOptions>
  readonly settings: Partial<Settings>
  readonly tls: Partial<Writable<TlsOptions>>
  readonly config: Record<string, string>
  /** The data are kept in a directory: other values are right then. */
  readonly isKept: boolean
}

/** The options; throws a `UsageError`. */
export function serverOptions(given: readonly Given[]): ServerOptions {
  const isKept = given.some(({ name }) => name === 'dir')
  const draft: Draft = { options: {}, settings: {}, tls: {}, config: {}, isKept }
  for (const one of given) {
    const read = readers[one.name]
    if (read === undefined) readParameter(draft, one)
    else read(draft, one)
  }
  const { options, settings, config } = draft
  const tls = tlsOptions(draft.tls)
  // With TLS or a Unix socket alone there is still the plain port, as in Redis; `port off` leaves it out.
  return { ...options, settings, config, ...(tls === undefined ? {} : { tls }) }
}

const readers: Readonly<Record<string, (draft: Draft, given: Given) => void>> = {
  port({ options }, given) {
    options.port = word(given) === 'off' ? false : integer(given, 0, 65_535)
  },
  bind({ options }, given) {
    if (given.words.length === 0) throw problem(given, 'needs an address')
    options.bind = given.words.map((host) => hostOf(host))
  },
  requirepass({ options }, given) {
    options.password = word(given)
    if (options.password === '') throw problem(given, 'is empty: leave it out, or choose a password')
  },
  aclfile({ options }, given) {
    options.aclFile = path(given)
  },
  dir({ options }, given) {
    options.directory = path(given, 'a directory')
  },
  'tls-port'({ tls }, given) {
    tls.port = integer(given, 0, 65_535)
  },
  'tls-cert-file'({ tls }, given) {
    tls.certFile = path(given)
  },
  'tls-key-file'({ tls }, given) {
    tls.keyFile = path(given)
  },
  'tls-ca-cert-file'({ tls }, given) {
    tls.caFile = path(given)
  },
  'tls-auth-clients'({ tls }, given) {
    const clients = word(given)
    if (clients !== 'yes' && clients !== 'no' && clients !== 'optional') {
      throw problem(given, `is yes, no or optional, not '${clients}'`)
    }
    tls.clients = clients
  },
  unixsocket({ options }, given) {
    options.unixSocket = path(given)
  },
  unixsocketperm({ options }, given) {
    const text = word(given)
    if (!/^[0-7]{3,4}$/.test(text)) throw problem(given, `is octal permissions like 700, not '${text}'`)
    options.unixSocketMode = Number.parseInt(text, 8)
  },
  maxmemory({ settings }, given) {
    settings.maxMemoryBytes = memory(given)
  },
  'maxmemory-policy'(_draft, given) {
    if (word(given) !== 'noeviction') throw problem(given, 'is noeviction: a stream is not a cache, nothing is evicted')
  },
  maxclients({ settings }, given) {
    settings.maxClients = integer(given, 1, 1_000_000)
  },
  'maxclients-per-address'({ settings }, given) {
    settings.maxClientsPerAddress = integer(given, 0, 1_000_000)
  },
  databases({ options }, given) {
    options.databases = integer(given, 1, 10_000)
  },
  timeout({ settings }, given) {
    settings.idleSeconds = integer(given, 0, 2 ** 31 - 1)
  },
  'tcp-keepalive'({ settings }, given) {
    settings.keepAliveSeconds = integer(given, 0, 2 ** 31 - 1)
  },
  'protected-mode'({ options }, given) {
    options.insecure = !isYes(given)
  },
  threads(_draft, given) {
    if (integer(given, 1, 1024) > 1) {
      throw problem(given, 'is 1: the server has one thread; more of them would each need a part of the keys')
    }
  },
}

/** Anything else that CONFIG GET knows: its value is judged by the server's own table. */
function readParameter({ config, isKept }: Draft, given: Given): void {
  const text = given.words.join(' ')
  const wrong = parameterProblem(given.name, text, isKept)
  if (wrong !== undefined) throw new UsageError(`${given.origin}: ${wrong}`)
  config[given.name] = text
}

function tlsOptions(tls: Partial<TlsOptions>): TlsOptions | undefined {
  const { port, certFile, keyFile } = tls
  if (port === undefined) {
    if (certFile !== undefined || keyFile !== undefined) {
      throw new UsageError('A TLS certificate or key without a TLS port (--tls-port) has no use')
    }
    return undefined
  }
  if (certFile === undefined) throw new UsageError('TLS needs a certificate (--tls-cert)')
  if (keyFile === undefined) throw new UsageError("TLS needs the certificate's key (--tls-key)")
  return { ...tls, port, certFile, keyFile }
}

function word(given: Given): string {
  const [first, ...more] = given.words
  if (first === undefined) throw problem(given, 'needs a value')
  if (more.length > 0) throw problem(given, `takes one value, not ${given.words.length}`)
  return first
}

/** Paths are the file system's UTF-8. */
function path(given: Given, what = 'a file'): string {
  const text = Buffer.from(word(given), 'latin1').toString('utf8')
  if (text === '') throw problem(given, `needs the path of ${what}`)
  return text
}

function integer(given: Given, min: number, max: number): number {
  const text = word(given)
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw problem(given, `is a whole number from ${min} to ${max}, not '${text}'`)
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 ** 2,
  mb: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1024 ** 3,
}

/** Bytes as Redis reads them: `100mb` is 100 x 1024 x 1024, `100m` is 100 million. */
function memory(given: Given): number {
  const text = word(given)
  const match = /^(\d{1,15})([a-z]{0,2})$/i.exec(text)
  const unit = units[match?.[2]?.toLowerCase() ?? '?']
  if (match === null || unit === undefined) throw problem(given, `is bytes like 500mb or 2gb, not '${text}'`)
  const bytes = Number(match[1]) * unit
  if (!Number.isSafeInteger(bytes)) throw problem(given, `is too large: ${text}`)
  return bytes
}

function isYes(given: Given): boolean {
  const text = word(given).toLowerCase()
  if (text !== 'yes' && text !== 'no') throw problem(given, `is yes or no, not '${text}'`)
  return text === 'yes'
}

/** `*` is every IPv4 address and `::*` every IPv6 one, as in redis.conf. */
function hostOf(host: string): string {
  if (host === '*') return '0.0.0.0'
  return host.replace(/^(-?)::\*$/, '$1::').replace(/^-\*$/, '-0.0.0.0')
}

function problem({ origin, name }: Given, text: string): UsageError {
  return new UsageError(origin.startsWith('--') ? `${origin} ${text}` : `${origin}: ${name} ${text}`)
}

/**
 * The parameters that CONFIG GET and SET know, as data: those that mean something here and those that clients look at. How a
 * value is read from text is the parameter's kind; what it is at the start, a text too.
 */

import type { ServerOptions, Settings } from './options.ts'

type NumberField = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings]

export type ParameterKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number | bigint }
  /** Bytes: `100mb`, `1g`, `4096`. */
  | { readonly kind: 'memory'; readonly min: number; readonly max: bigint }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'text' }
  /** Has a form of its own: `read` gives the canonical text, or says what is wrong. */
  | { readonly kind: 'special'; readonly read: (text: string) => { text: string } | { problem: string } }

interface Restriction {
  readonly values: readonly string[]
  readonly reason: string
}

export type Parameter = ParameterKind & {
  readonly name: string
  readonly initial: string
  /** What CONFIG SET answers to other values than these: of a feature only one value may be here. */
  readonly only?: Restriction
  /** The same, of a server whose data are in memory only, and of one that keeps them in a directory. */
  readonly onlyInMemory?: Restriction
  readonly onlyKept?: Restriction
  /** Which of the running server's settings it is. */
  readonly field?: NumberField
  /** Given at the start and not changed later. */
  readonly isImmutable?: boolean
  /** Of the server's options it is this one, which alone has an effect; here it is only told. */
  readonly option?: keyof ServerOptions
}

const INT32_MAX = 2_147_483_647
const INT64_MAX = 9_223_372_036_854_775_807n

const policies = [
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'noeviction',
]

const MIB = 1_048_576
/** A key that long is a string of JavaScript for a while, and those end 24 characters below 512 MiB. */
const BULK_BYTES_MAX = 268_435_456n

const yesOrNo = ['no', 'yes']
const yesNoOrLocal = ['no', 'yes', 'local']
const notPersisted = 'this server keeps its data in memory only, as long as it has no directory (dir)'
const eventClasses = 'Ag$lshzxeKEtmdn'

function integer(name: string, initial: string, min: number, max: number | bigint): Parameter {
  return { name, initial, kind: 'integer', min, max }
}

function bytes(name: string, initial: string, min: number, max: bigint): Parameter {
  return { name, initial, kind: 'memory', min, max }
}

function fixed(name: string, initial: string, option: keyof ServerOptions): Parameter {
  return { name, initial, kind: 'text', isImmutable: true, option }
}

/** A feature that is not here. */
function never(name: string, values: readonly string[], reason: string): Parameter {
  return { name, initial: 'no', kind: 'choice', values, only: { values: ['no'], reason }, isImmutable: true }
}

export const parameters: readonly Parameter[] = [
  fixed('port', '6379', 'port'),
  fixed('bind', '127.0.0.1 -::1', 'bind'),
  fixed('protected-mode', 'yes', 'insecure'),
  fixed('tls-port', '0', 'tls'),
  { name: 'tls-cert-file', initial: '', kind: 'text', option: 'tls' },
  { name: 'tls-key-file', initial: '', kind: 'text', option: 'tls' },
  { name: 'tls-ca-cert-file', initial: '', kind: 'text', option: 'tls' },
  fixed('unixsocket', '', 'unixSocket'),
  fixed('unixsocketperm', '0', 'unixSocketMode'),
  fixed('dir', '', 'directory'),
  // Told to clients that ask for it: snapshots have names of their own.
  { name: 'dbfilename', initial: 'dump.rdb', kind: 'special', read: readFileName, isImmutable: true },
  fixed('databases', '16', 'databases'),
  fixed('aclfile', '', 'aclFile'),
  {
    ...integer('io-threads', '1', 1, 128),
    only: { values: ['1'], reason: 'the server has one thread' },
    isImmutable: true,
  },
  never('cluster-enabled', yesOrNo, 'this server is no part of a cluster'),
  never('daemonize', yesOrNo, 'the server stays in the foreground'),
  { name: 'enable-debug-command', initial: 'no', kind: 'choice', values: yesNoOrLocal, isImmutable: true },
  never('enable-module-command', yesNoOrLocal, 'there are no modules here'),
  { ...integer('timeout', '0', 0, INT32_MAX), field: 'idleSeconds' },
  { ...integer('tcp-keepalive', '300', 0, INT32_MAX), field: 'keepAliveSeconds' },
  { ...integer('maxclients', '10000', 1, 4_294_967_295), field: 'maxClients' },
  { name: 'requirepass', initial: '', kind: 'text', option: 'password' },
  {
    name: 'acl-pubsub-default',
    initial: 'resetchannels',
    kind: 'choice',
    values: ['allchannels', 'resetchannels'],
    only: { values: ['resetchannels'], reason: 'a new user listens to nothing until a rule lets it' },
  },
  integer('acllog-max-len', '128', 0, INT64_MAX),
  { ...bytes('maxmemory', '0', 0, 18_446_744_073_709_551_615n), field: 'maxMemoryBytes' },
  {
    name: 'maxmemory-policy',
    initial: 'noeviction',
    kind: 'choice',
    values: policies,
    only: { values: ['noeviction'], reason: 'nothing is ever evicted here' },
  },
  { ...bytes('proto-max-bulk-len', '67108864', MIB, BULK_BYTES_MAX), isImmutable: true },
  { ...bytes('client-query-buffer-limit', '1073741824', MIB, INT64_MAX), isImmutable: true },
  {
    name: 'client-output-buffer-limit',
    initial: 'normal 33554432 0 0 slave 268435456 67108864 60 pubsub 8388608 0 0',
    kind: 'special',
    read: readOutputLimits,
  },
  bytes('stream-node-max-bytes', '4096', 0, INT64_MAX),
  integer('stream-node-max-entries', '100', 0, INT64_MAX),
  integer('stream-idmp-duration', '100', 1, 86_400),
  integer('stream-idmp-maxsize', '100', 1, 10_000),
  { name: 'notify-keyspace-events', initial: '', kind: 'special', read: readEventClasses },
  integer('slowlog-log-slower-than', '10000', -1, INT64_MAX),
  integer('slowlog-max-len', '128', 0, INT64_MAX),
  integer('latency-monitor-threshold', '0', 0, INT64_MAX),
  { name: 'latency-tracking', initial: 'yes', kind: 'boolean' },
  { name: 'latency-tracking-info-percentiles', initial: '50 99 99.9', kind: 'special', read: readPercentiles },
  {
    name: 'save',
    initial: '',
    kind: 'special',
    read: readSave,
    onlyInMemory: { values: [''], reason: notPersisted },
  },
  { name: 'stop-writes-on-bgsave-error', initial: 'yes', kind: 'boolean' },
  integer('auto-aof-rewrite-percentage', '100', 0, INT32_MAX),
  bytes('auto-aof-rewrite-min-size', '67108864', 0, INT64_MAX),
  {
    name: 'appendonly',
    initial: 'no',
    kind: 'boolean',
    onlyInMemory: { values: ['no'], reason: notPersisted },
    onlyKept: { values: ['yes'], reason: 'a server with a directory always writes its journal' },
  },
  {
    name: 'appendfsync',
    initial: 'everysec',
    kind: 'choice',
    values: ['everysec', 'always', 'no'],
    onlyInMemory: { values: ['everysec'], reason: notPersisted },
  },
]

/** What of it is known is kept; `normal 1mb 0 0` changes one class only, so the rest comes from what holds now. */
export interface OutputLimit {
  readonly hardBytes: number
  readonly softBytes: number
  readonly softSeconds: number
}

const clientClasses = ['normal', 'slave', 'pubsub'] as const

function readOutputLimits(text: string): { text: string } | { problem: string } {
  const words = text.split(' ').filter((word) => word !== '')
  if (words.length === 0 || words.length % 4 !== 0) {
    return { problem: 'Wrong number of arguments in buffer limit configuration.' }
  }
  const limits: string[] = []
  for (let i = 0; i < words.length; i += 4) {
    const given = words[i]!.toLowerCase()
    const name = given === 'replica' ? 'slave' : given
    if (!clientClasses.some((one) => one === name)) {
      return { problem: 'Invalid client class specified in buffer limit configuration.' }
    }
    const hard = readMemory(words[i + 1]!)
    const soft = readMemory(words[i + 2]!)
    const seconds = words[i + 3]!
    if (hard === undefined || soft === undefined || !/^\d{1,9}$/.test(seconds)) {
      return { problem: 'Error in hard, soft or soft_seconds setting in buffer limit configuration.' }
    }
    limits.push(`${name} ${hard} ${soft} ${Number(seconds)}`)
  }
  return { text: limits.join(' ') }
}

/** The limits of `changed` over those of `current`, each class once and in order. */
export function mergeOutputLimits(current: string, changed: string): string {
  const limits = outputLimits(`${current} ${changed}`)
  return clientClasses
    .map((name) => {
      const { hardBytes, softBytes, softSeconds } = limits.get(name)!
      return `${name} ${hardBytes} ${softBytes} ${softSeconds}`
    })
    .join(' ')
}

/** The limits of each class of clients; of a class named twice the later. */
export function outputLimits(text: string): Map<string, OutputLimit> {
  const words = text.split(' ')
  const limits = new Map<string, OutputLimit>()
  for (let i = 0; i < words.length; i += 4) {
    const [hardBytes, softBytes, softSeconds] = words.slice(i + 1, i + 4).map(Number)
    limits.set(words[i]!, { hardBytes: hardBytes!, softBytes: softBytes!, softSeconds: softSeconds! })
  }
  return limits
}

function readEventClasses(text: string): { text: string } | { problem: string } {
  for (const letter of text) {
    if (!eventClasses.includes(letter)) return { problem: `Invalid event class character. Use '${eventClasses}'.` }
  }
  return { text }
}

function readPercentiles(text: string): { text: string } | { problem: string } {
  const values = text.split(' ').filter((word) => word !== '')
  for (const value of values) {
    if (!/^\d+(\.\d+)?$/.test(value)) return { problem: 'Invalid latency-tracking-info-percentiles parameters' }
    if (Number(value) > 100) {
      return { problem: 'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]' }
    }
  }
  return { text: values.map(Number).join(' ') }
}

function readFileName(text: string): { text: string } | { problem: string } {
  return text.includes('/') ? { problem: "dbfilename can't be a path, just a filename" } : { text }
}

function readSave(text: string): { text: string } | { problem: string } {
  const words = text.split(' ').filter((word) => word !== '')
  const isRight =
    words.length % 2 === 0 && words.every((word, i) => /^\d{1,10}$/.test(word) && (i % 2 > 0 || +word > 0))
  return isRight ? { text: words.join(' ') } : { problem: 'Invalid save parameters' }
}

export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** Of `save`: after so many seconds, if there were so many changes. */
export function savePoints(text: string): SavePoint[] {
  const words = text.split(' ').filter((word) => word !== '')
  const points: SavePoint[] = []
  for (let i = 0; i < words.length; i += 2) points.push({ seconds: Number(words[i]), changes: Number(words[i + 1]) })
  return points
}

/** A Map: what Object.prototype has by name is no unit. */
const units: ReadonlyMap<string, bigint> = new Map<string, bigint>([
  ['', 1n],
  ['b', 1n],
  ['k', 1000n],
  ['kb', 1024n],
  ['m', 1_000_000n],
  ['mb', 1_048_576n],
  ['g', 1_000_000_000n],
  ['gb', 1_073_741_824n],
])

/** Bytes as Redis writes them: `1gb` is 1,073,741,824, `1g` 1,000,000,000; undefined for anything else. */
export function readMemory(text: string): bigint | undefined {
  const match = /^(\d{1,20})([a-z]*)$/i.exec(text)
  const unit = match === null ? undefined : units.get(match[2]!.toLowerCase())
  return unit === undefined ? undefined : BigInt(match![1]!) * unit
}

/**
 * Structured logs (pino), one JSON object a line, and what must never be in them.
 *
 *   log call ──► named properties removed ──► serialised ──► secrets scrubbed from the line ──► stdout
 *
 * Two nets, since an error's text can quote anything: properties that hold prompts, cookies or keys are removed by
 * name, and whatever looks like a key, or is the value of a secret in our environment, is scrubbed from the line. Of an
 * error only what is listed here is written: a driver's carries its command's arguments, a provider's may quote the prompt.
 */
import { GenerateError } from '@millrace/relay'
import { pino, type DestinationStream, type Logger } from 'pino'

export type Log = Logger

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface LogOptions {
  readonly level: LogLevel
  readonly server: string
  /** Exact texts that must not appear, such as the provider's key. Shorter than 8 characters are left alone. */
  readonly secrets?: readonly string[]
  /** Default: stdout. */
  readonly destination?: DestinationStream
}

/** Property names that are never written, at the top and one or two levels down. */
const privateNames = [
  'authorization',
  'apiKey',
  'cookie',
  'cookies',
  'owner',
  'password',
  'prompt',
  'question',
  'session',
  'text',
  'topicQuestion',
  'output',
]
const keyNames = ['OPENAI_API_KEY', 'OPENAI_ORGANIZATION'] as const
const addressNames = ['REDIS_URL', 'OPENAI_BASE_URL', 'OLLAMA_BASE_URL'] as const
const removed = '[removed]'
const keyShapes: readonly [RegExp, string][] = [
  [/\bsk-[A-Za-z0-9_-]{6,}/g, removed],
  [/\bBearer\s+[A-Za-z0-9._~+/=-]+/gi, `Bearer ${removed}`],
  [/\b((?:redis|http)s?:\/\/)[^\s"@/]*@/g, `$1${removed}@`],
  [/\bmillrace_session=[A-Za-z0-9_-]+/g, `millrace_session=${removed}`],
]

export function createLog(options: LogOptions): Log {
  const settings = {
    level: options.level,
    base: { server: options.server },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: errorFacts },
    redact: { paths: redactedPaths(), censor: removed },
    hooks: { streamWrite: (line: string) => scrub(line, options.secrets) },
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}

const factNames = ['code', 'status', 'errno', 'syscall', 'address', 'port'] as const
const causesMax = 8
const secretCharsMin = 8

/** What is written of an error and of what caused it. The causes of a model's failure speak in the provider's words. */
function errorFacts(error: unknown): unknown {
  if (!(error instanceof Error)) return typeof error
  const causes: object[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < causesMax; cause = cause.cause) {
    causes.push({ ...factsOf(cause), ...(error instanceof GenerateError ? {} : { message: cause.message }) })
  }
  return { ...factsOf(error), message: error.message, stack: error.stack, ...(causes.length > 0 ? { causes } : {}) }
}

function factsOf(error: Error): object {
  const given = factNames.map((name) => [name, (error as unknown as Record<string, unknown>)[name]] as const)
  const plain = given.filter(([, value]) => typeof value === 'string' || typeof value === 'number')
  return { type: error.name, ...Object.fromEntries(plain) }
}

/** What must never be written of the environment: keys, and the passwords in addresses. */
export function secretsIn(env: NodeJS.ProcessEnv): string[] {
  const addresses = addressNames.flatMap((name) => env[name]?.split(',') ?? [])
  const urls = addresses.flatMap((address) => (URL.canParse(address.trim()) ? [new URL(address.trim())] : []))
  const passwords = urls.flatMap(({ password }) => [password, decoded(password)])
  return [...keyNames.flatMap((name) => env[name]?.trim() ?? []), ...passwords].filter((secret) => secret !== '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The text without keys, passwords and session cookies. Secrets under 8 characters are left alone: they are in other words too. */
export function scrub(text: string, secrets: readonly string[] = []): string {
  let clean = text
  for (const secret of secrets) if (secret.length >= secretCharsMin) clean = clean.replaceAll(secret, removed)
  for (const [shape, replacement] of keyShapes) clean = clean.replace(shape, replacement)
  return clean
}

function redactedPaths(): string[] {
  return privateNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])
}

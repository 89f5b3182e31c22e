/**
 * Structured logs (pino), one JSON object a line, and what must never be in them.
 *
 *   log call ──► named properties removed ──► serialised ──► secrets scrubbed from the line ──► stdout
 *
 * Two nets, since an error's text can quote anything: properties that hold prompts, cookies or keys are removed by
 * name, and whatever looks like a key, or is the value of a secret in our environment, is scrubbed from the line.
 */
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
const removed = '[removed]'
const keyShapes: readonly [RegExp, string][] = [
  [/\bsk-[A-Za-z0-9_-]{6,}/g, removed],
  [/\bBearer\s+[A-Za-z0-9._~+/=-]+/gi, `Bearer ${removed}`],
  [/\b(rediss?:\/\/)[^\s"@/]*@/g, `$1${removed}@`],
  [/\bmillrace_session=[A-Za-z0-9_-]+/g, `millrace_session=${removed}`],
]

export function createLog(options: LogOptions): Log {
  const secrets = (options.secrets ?? []).filter((secret) => secret.length >= 8)
  const settings = {
    level: options.level,
    base: { server: options.server },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redactedPaths(), censor: removed },
    hooks: { streamWrite: (line: string) => scrub(line, secrets) },
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}

/** The text without keys, passwords and session cookies. */
export function scrub(text: string, secrets: readonly string[] = []): string {
  let clean = text
  for (const secret of secrets) clean = clean.replaceAll(secret, removed)
  for (const [shape, replacement] of keyShapes) clean = clean.replace(shape, replacement)
  return clean
}

function redactedPaths(): string[] {
  return privateNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])
}

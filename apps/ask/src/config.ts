/**
 * Configuration: the environment (and a `.env` file) becomes one typed, checked value, or an error that names every
 * variable that is wrong, what was expected and what came.
 *
 *   .env ──► process.env ──► readConfig ──► Config
 *
 * The language model's own variables (OPENAI_…, OLLAMA_…) are read by `llm/choose-model.ts`.
 */
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { config as readDotenv } from 'dotenv'
import { z } from 'zod'
import type { LogLevel } from './logs.ts'
import { pageOrigins } from './origin.ts'

export interface Config {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly pagePort: number
  /** Empty: the embedded engine. */
  readonly redisUrls: readonly string[]
  /** Where the embedded engine keeps its streams; undefined: in memory. */
  readonly dataDirectory: string | undefined
  readonly allowedOrigins: readonly string[]
  readonly serverName: string
  readonly logLevel: LogLevel
  readonly retentionMs: number
  readonly leaseMs: number
  /** Answers that this process works on at once. */
  readonly answersAtOnce: number
  readonly topics: readonly string[]
  /** Where the page was built. */
  readonly pageFolder: string
  readonly limits: Limits
}

/** What one client, one session and the whole server may take. */
export interface Limits {
  readonly perMinuteMax: number
  readonly unfinishedMax: number
  /** Questions that wait for a server to take them, of all sessions. */
  readonly waitingMax: number
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  readonly followsPerSocketMax: number
  readonly eventStreamsPerSessionMax: number
  readonly packetsPerSecondMax: number
  /** How often an event stream says that it is there. */
  readonly heartbeatMs: number
  /** How long nothing may be read from or written to an HTTP connection before it is dropped. */
  readonly stallMsMax: number
  /** The largest message on a socket, and the largest body of a request. */
  readonly messageBytesMax: number
}

export const defaultLimits: Limits = {
  perMinuteMax: 10,
  unfinishedMax: 3,
  waitingMax: 1000,
  connectionsMax: 5000,
  connectionsPerAddressMax: 200,
  followsPerSocketMax: 32,
  eventStreamsPerSessionMax: 8,
  packetsPerSecondMax: 100,
  heartbeatMs: 10_000,
  stallMsMax: 60_000,
  messageBytesMax: 64 * 1024,
}

export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration is not right:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

const repositoryRoot = join(import.meta.dirname, '../../..')
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Adds what `.env` of the working directory, then of the repository, says and the environment does not. */
export function loadDotenv(env: NodeJS.ProcessEnv): void {
  for (const folder of new Set([process.cwd(), repositoryRoot])) {
    const path = join(folder, '.env')
    if (!existsSync(path)) continue
    const { error } = readDotenv({ path, quiet: true, processEnv: env as Record<string, string> })
    if (error !== undefined) throw new ConfigError([`${path}: expected a readable file, came ${error.message}`])
  }
}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const result = variables.safeParse(given)
  if (!result.success) {
    throw new ConfigError(result.error.issues.map((issue) => problemOf(issue, given)))
  }
  const value = result.data
  return {
    host: value.HOST,
    port: value.PORT,
    pagePort: value.PAGE_PORT,
    redisUrls: value.REDIS_URL,
    dataDirectory: value.DATA_DIR === 'memory' ? undefined : resolve(repositoryRoot, value.DATA_DIR),
    allowedOrigins: value.ALLOWED_ORIGINS ?? pageOrigins(value.HOST, value.PAGE_PORT),
    serverName: value.SERVER_NAME ?? defaultServerName(),
    logLevel: value.LOG_LEVEL,
    retentionMs: value.ANSWER_RETENTION_HOURS * 60 * 60 * 1000,
    leaseMs: value.LEASE_MS,
    answersAtOnce: value.ANSWERS_AT_ONCE,
    topics: value.TOPICS,
    pageFolder: join(repositoryRoot, 'apps/ask/page/dist'),
    limits: {
      ...defaultLimits,
      perMinuteMax: value.QUESTIONS_PER_MINUTE_MAX,
      unfinishedMax: value.QUESTIONS_AT_ONCE_MAX,
      connectionsMax: value.CONNECTIONS_MAX,
      connectionsPerAddressMax: value.CONNECTIONS_PER_ADDRESS_MAX,
    },
  }
}

function problemOf(issue: z.core.$ZodIssue, given: Readonly<Record<string, string | undefined>>): string {
  const name = String(issue.path[0])
  // A Redis URL can hold a password.
  const came = name === 'REDIS_URL' ? 'something else' : JSON.stringify(given[name])
  return `${name}: expected ${issue.message}, came ${came}`
}

/** Unique among running servers: it is the consumer's name in the questions' group. */
function defaultServerName(): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9_.-]/g, '')
    .slice(0, 40)
  return `${host}-${process.pid}-${randomBytes(3).toString('hex')}`
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function wholeNumber(min: number, max: number) {
  const expected = `a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,12}$/, expected)
    .transform(Number)
    .refine((number) => number >= min && number <= max, expected)
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== ''
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text
}

/** Exported for the test that holds .env.example to it. */
export const variables = z.object({
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:-]+$/, 'a host name or an address')
    .default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3000),
  PAGE_PORT: wholeNumber(0, 65_535).default(5400),
  REDIS_URL: z
    .string()
    .transform(list)
    .refine(
      (urls) => urls.length > 0 && urls.every(isRedisUrl),
      'redis://host:port or rediss://host:port, several separated by commas for a Cluster',
    )
    .default([]),
  DATA_DIR: z
    .string()
    .refine((path) => !/^[a-z]{2,}:/i.test(path) && !path.includes('\0'), 'a directory, or memory')
    .default('.millrace'),
  ALLOWED_ORIGINS: z
    .string()
    .transform(list)
    .refine(
      (origins) => origins.length > 0 && origins.every(isOrigin),
      'origins such as https://ask.example.org, separated by commas, without a path',
    )
    .optional(),
  SERVER_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 _ . -')
    .optional(),
  LOG_LEVEL: z.enum(logLevels, `one of ${logLevels.join(', ')}`).default('info'),
  ANSWER_RETENTION_HOURS: wholeNumber(1, 8760).default(24),
  LEASE_MS: wholeNumber(200, 60_000).default(4000),
  ANSWERS_AT_ONCE: wholeNumber(1, 10_000).default(16),
  TOPICS: z
    .string()
    .transform(list)
    .refine(
      (topics) => topics.length > 0 && topics.length <= 50 && topics.every((topic) => topic.length <= 60),
      '1 to 50 topics of at most 60 characters, separated by commas',
    )
    .default(['Redis', 'Redis Streams', 'Valkey', 'Dragonfly', 'Millrace']),
  QUESTIONS_PER_MINUTE_MAX: wholeNumber(1, 100_000).default(defaultLimits.perMinuteMax),
  QUESTIONS_AT_ONCE_MAX: wholeNumber(1, 10_000).default(defaultLimits.unfinishedMax),
  CONNECTIONS_MAX: wholeNumber(1, 100_000).default(defaultLimits.connectionsMax),
  CONNECTIONS_PER_ADDRESS_MAX: wholeNumber(1, 100_000).default(defaultLimits.connectionsPerAddressMax),
})

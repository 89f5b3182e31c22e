/**
 * The whole application on loopback, as a browser test needs it: real processes, real streams, real HTTP to a provider.
 *
 *   Chromium ──► page server (main.ts frontend)
 *        └─────► proxy ──► backend a │ backend b (main.ts backend) ──► embedded engine │ redis-server │ Cluster
 *                                └──► provider (OpenAI-compatible, deterministic)
 *
 * The proxy is the line that a test cuts and the load balancer that it points at another server.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import {
  endChild,
  freePort,
  type Proxy,
  startChild,
  startCluster,
  startProxy,
  startRedis,
  waitFor,
} from '@millrace/testing'
import type { AnswerEntry } from '@millrace/relay'
import type { BrowserContext, Page } from 'playwright-core'
import { type Provider, startProvider } from '../src/provider/provider.ts'
import type { Behaviour } from '../src/provider/behaviour.ts'

export type Streams = 'embedded' | 'redis' | 'cluster'

export interface StageOptions {
  readonly streams: Streams
  /** Backend processes, a, b, …; more than one only on Redis. Default 1. */
  readonly servers?: number
  /** What the provider does unless a test says otherwise. */
  readonly behaviour?: Behaviour
  readonly env?: Readonly<Record<string, string>>
}

const readyMs = 30_000
const program = join(import.meta.dirname, '../src/main.ts')

export class Stage {
  readonly provider: Provider
  readonly proxy: Proxy
  readonly pageUrl: string
  readonly redis: RunningStreams | undefined
  readonly servers: ServerProcess[]
  readonly #page: ServerProcess
  readonly #serverEnv: readonly Env[]

  constructor(parts: StageParts) {
    this.provider = parts.provider
    this.proxy = parts.proxy
    this.pageUrl = parts.pageUrl
    this.redis = parts.redis
    this.servers = [...parts.servers]
    this.#serverEnv = parts.serverEnv
    this.#page = parts.page
  }

  get backendUrl(): string {
    return `http://127.0.0.1:${this.proxy.port}`
  }

  /** Starts a server that has ended, as it was started first. */
  async startAgain(index: number): Promise<void> {
    this.servers[index] = await startServer('backend', this.servers[index]!.port, this.#serverEnv[index]!)
  }

  async stop(): Promise<void> {
    await this.proxy.stop()
    await Promise.all([this.#page, ...this.servers].map((server) => server.kill('SIGKILL')))
    await this.provider.stop()
    await this.redis?.stop()
  }
}

interface StageParts {
  readonly provider: Provider
  readonly proxy: Proxy
  readonly pageUrl: string
  readonly redis: RunningStreams | undefined
  readonly servers: readonly ServerProcess[]
  readonly serverEnv: readonly Env[]
  readonly page: ServerProcess
}

type Env = Readonly<Record<string, string>>

export async function startStage(options: StageOptions): Promise<Stage> {
  const behaviour = options.behaviour === undefined ? {} : { behaviour: options.behaviour }
  const provider = await startProvider(behaviour)
  const redis = await startStreams(options.streams)
  const pagePort = await freePort()
  const env = {
    ALLOWED_ORIGINS: `http://127.0.0.1:${pagePort}`,
    QUESTIONS_PER_MINUTE_MAX: '1000',
    LOG_LEVEL: 'warn',
    DATA_DIR: 'memory',
    OPENAI_BASE_URL: provider.url,
    OPENAI_MODEL: 'millrace-test',
    ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
    ...options.env,
  }
  const names = ['a', 'b', 'c'].slice(0, options.servers ?? 1)
  const serverEnv = names.map((name) => ({ ...env, SERVER_NAME: `server-${name}` }))
  const servers = await Promise.all(serverEnv.map(async (one) => startServer('backend', await freePort(), one)))
  const proxy = await startProxy({ target: servers[0]!.port })
  const page = await startServer('frontend', pagePort, { ...env, PORT: String(proxy.port) })
  return new Stage({ provider, proxy, redis, servers, serverEnv, page, pageUrl: `http://127.0.0.1:${pagePort}/` })
}

interface RunningStreams {
  readonly url: string
  stop(): Promise<void>
}

async function startStreams(streams: Streams): Promise<RunningStreams | undefined> {
  if (streams === 'embedded') return undefined
  if (streams === 'cluster') return await startCluster({ masters: 3 })
  return await startRedis()
}

/** One process of the application. Its output is kept for the failure message, at most 20,000 characters. */
export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess
  #output = ''

  constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    const keep = (bytes: Buffer): void => {
      this.#output = (this.#output + bytes.toString()).slice(-20_000)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
  }

  get output(): string {
    return this.#output
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    await endChild(this.#child, signal)
  }
}

async function startServer(role: 'backend' | 'frontend', port: number, env: Env): Promise<ServerProcess> {
  const flags = ['--conditions=@millrace/source', '--import', 'tsx']
  const { PATH, HOME } = process.env
  const own = role === 'backend' ? { PORT: String(port) } : { PAGE_PORT: String(port) }
  const child = startChild(process.execPath, [...flags, program, role], { PATH, HOME, ...env, ...own })
  const server = new ServerProcess(child, port)
  const ready = role === 'backend' ? 'Backend:' : 'Ask Me About Redis:'
  await waitFor(
    () => {
      if (server.hasExited) throw new Error(`the ${role} ended at its start:\n${server.output}`)
      return server.output.includes(ready)
    },
    { timeoutMs: readyMs, what: `the ${role} to be ready` },
  )
  return server
}

/** Numbered words in paragraphs: what is missing, doubled or out of order shows. */
export function numberedText(words: number): string {
  return Array.from({ length: words }, (_, index) => {
    const word = `w${String(index + 1).padStart(4, '0')}`
    return (index + 1) % 40 === 0 ? `${word}.\n\n` : `${word} `
  })
    .join('')
    .trimEnd()
}

export function wordsOf(text: string): string[] {
  return text.match(/w\d{4}/g) ?? []
}

/** Opens the application in a tab and waits until it is connected. */
export async function openTab(stage: Stage, context: BrowserContext, path = ''): Promise<Page> {
  const page = await context.newPage()
  await page.goto(stage.pageUrl + path)
  await page.getByTestId('question-box').waitFor()
  // From here on the browser has its session, too.
  await page.locator('[data-testid="connection-state"]:is([data-state="live"], [data-state="resumed"])').waitFor()
  return page
}

/** Asks and resolves the answer's id, as soon as the first words are there. */
export async function ask(page: Page, question: string): Promise<string> {
  const before = await page.evaluate(
    () => document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset['answer'],
  )
  await page.getByTestId('question-box').fill(question)
  await page.getByTestId('ask-button').click()
  return await answerId(page, before)
}

/** The id of the answer that is shown, once it has some text; `before` is one that may still be shown, and isn't meant. */
export async function answerId(page: Page, before?: string): Promise<string> {
  const handle = await page.waitForFunction((old) => {
    const { answer, chars } = document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset ?? {}
    return answer !== old && Number(chars ?? 0) > 0 ? answer : undefined
  }, before)
  return String(await handle.jsonValue())
}

/** Waits until the shown answer has at least so many characters. */
export async function untilChars(page: Page, chars: number): Promise<void> {
  await page.waitForFunction(
    (wanted) =>
      Number(document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset['chars'] ?? 0) >= wanted,
    chars,
  )
}

export async function untilState(page: Page, state: string, timeoutMs = 20_000): Promise<void> {
  await page.waitForFunction(
    (wanted) => document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset['state'] === wanted,
    state,
    { timeout: timeoutMs },
  )
}

export async function shownText(page: Page): Promise<string> {
  return await page.getByTestId('answer-text').innerText()
}

/** The answer's entries as the stream has them, by the public Server-Sent Events, with this browser's own cookie. */
export async function entriesOf(stage: Stage, context: BrowserContext, answer: string): Promise<AnswerEntry[]> {
  const response = await fetch(`${stage.backendUrl}/api/answers/${answer}/events`, {
    headers: { cookie: await cookieOf(stage, context) },
    signal: AbortSignal.timeout(20_000),
  })
  if (!response.ok) throw new Error(`The stream's entries: ${response.status} ${await response.text()}`)
  return [...(await response.text()).matchAll(/^event: entry\ndata: (.*)$/gm)].map(
    (match) => JSON.parse(match[1]!) as AnswerEntry,
  )
}

/** What this browser sends the backend as its cookie. */
export async function cookieOf(stage: Stage, context: BrowserContext): Promise<string> {
  const cookies = await context.cookies(stage.backendUrl)
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

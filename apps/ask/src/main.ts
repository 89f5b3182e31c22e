/**
 * The program: `main.ts` (both), `main.ts backend`, `main.ts frontend`.
 *
 *   environment ──► Config ──► backend: streams, model, relay, HTTP ──┐
 *                         └──► frontend: the built page ──────────────┴──► one line with the address
 *
 *   running ──SIGTERM, SIGINT──► stopping: at most 15 s ──► exit 0
 *   running ──a second signal──► exit 130
 */
import type { Server } from 'node:http'
import { connect, type Millrace } from 'millrace'
import { addressUrl, createHttpServer, listen, startAppServer } from './app-server.ts'
import { type Config, ConfigError, loadDotenv, readConfig } from './config.ts'
import { chooseModel } from './llm/choose-model.ts'
import { loadHandbook } from './llm/handbook.ts'
import { createLog, type Log, scrub, secretsIn } from './logs.ts'
import { createPage } from './page-server.ts'

type Role = 'both' | 'backend' | 'frontend'

interface Running {
  close(): Promise<void>
}

const stopMsMax = 14_000
const graceMs = 10_000

async function main(): Promise<void> {
  const role = roleOf(process.argv[2])
  loadDotenv(process.env)
  const config = readConfig(process.env)
  const log = createLog({ level: config.logLevel, server: config.serverName, secrets: secretsIn(process.env) })
  const running: Running[] = []
  stopOnSignals(running, log)
  let backendPort = config.port
  try {
    if (role !== 'frontend') backendPort = await startBackend(config, log, running)
    if (role !== 'backend') await startPage(config, backendPort, running)
  } catch (error) {
    await closeAll(running)
    throw error
  }
}

function roleOf(word: string | undefined): Role {
  if (word === undefined) return 'both'
  if (word === 'backend' || word === 'frontend') return word
  throw new ConfigError([`the role: expected backend, frontend or nothing (both), came ${JSON.stringify(word)}`])
}

async function startBackend(config: Config, log: Log, running: Running[]): Promise<number> {
  const handbook = loadHandbook()
  const chosen = await chooseModel(process.env).catch(startFailure('The language model'))
  const isEmbedded = config.redisUrls.length === 0
  const setting = isEmbedded ? 'DATA_DIR' : 'REDIS_URL'
  const millrace = await openStreams(config, log).catch(startFailure(`The streams (${setting})`))
  running.push(millrace)
  const server = await startAppServer(config, {
    backend: millrace.backend,
    model: chosen,
    article: (slug) => handbook.article(slug),
    log,
  })
  running.push({ close: () => server.close({ graceMs }) })
  const place = isEmbedded ? (config.dataDirectory ?? 'memory') : millrace.backend.label
  say(`Backend: ${server.url} (answers from ${chosen.model.label}; streams in ${place})`)
  return server.port
}

function openStreams({ redisUrls, dataDirectory }: Config, log: Log): Promise<Millrace> {
  if (redisUrls.length === 0 && dataDirectory === undefined) return connect()
  return connect(redisUrls.length > 0 ? redisUrls : dataDirectory, {
    onEvent: (event) => {
      if (event.type === 'connected') log.info('connected to Redis')
      else if (!('message' in event))
        log.warn('error' in event ? { err: event.error } : event, `streams: ${event.type}`)
      else if (event.type !== 'loading') log.warn({ err: event.error }, event.message)
    },
  })
}

/** What the environment asked for and cannot be had: one sentence for who starts the program, and no stack. */
class StartError extends Error {}

function startFailure(what: string): (error: unknown) => never {
  return (error) => {
    throw new StartError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function startPage(config: Config, backendPort: number, running: Running[]): Promise<void> {
  const server: Server = createHttpServer(createPage({ folder: config.pageFolder, backendPort }))
  await listen(server, config.host, config.pagePort)
  running.push({ close: () => closeHttp(server) })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : config.pagePort
  say(`Ask Me About Redis: ${addressUrl(config.host, port)}`)
}

function closeHttp(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** Newest first: the server before the streams that it uses. */
async function closeAll(running: readonly Running[]): Promise<void> {
  for (const part of running.toReversed()) await part.close()
}

function stopOnSignals(running: readonly Running[], log: Log): void {
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(130)
    stopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => {
      log.warn('stopping took too long: what was left is cut off')
      process.exit(0)
    }, stopMsMax).unref()
    closeAll(running).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, address, port } = error as { code?: unknown; address?: unknown; port?: unknown }
  if (code === 'EADDRINUSE') {
    return `Port ${String(port)} on ${String(address)} is in use: stop what listens there, or set PORT and PAGE_PORT to others.`
  }
  if (code === 'EACCES') return `Port ${String(port)} may not be used by this user: set PORT and PAGE_PORT above 1023.`
  if (error instanceof ConfigError || error instanceof StartError) return error.message
  return error.stack ?? error.message
}

main().catch((error: unknown) => {
  process.stderr.write(`${scrub(reasonOf(error), secretsIn(process.env))}\n`)
  process.exit(1)
})

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ConfigError, readConfig, variables } from './config.ts'

function problem(env: Record<string, string>): string {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'none'
}

it('needs nothing: loopback, the known ports, the embedded engine', () => {
  expect(readConfig({})).toMatchObject({
    host: '127.0.0.1',
    port: 3000,
    pagePort: 5400,
    redisUrls: [],
    logLevel: 'info',
    retentionMs: 86_400_000,
    leaseMs: 4000,
    serverName: expect.stringMatching(/^[\w.-]+-\d+-[0-9a-f]{6}$/),
  })
  expect(readConfig({}).topics[0]).toBe('Redis')
})

it('keeps its data in the repository, unless they are to be elsewhere or nowhere', () => {
  const root = join(import.meta.dirname, '../../..')
  expect(readConfig({}).dataDirectory).toBe(join(root, '.millrace'))
  expect(readConfig({ DATA_DIR: 'data/ask' }).dataDirectory).toBe(join(root, 'data/ask'))
  expect(readConfig({ DATA_DIR: '/var/ask' }).dataDirectory).toBe('/var/ask')
  expect(readConfig({ DATA_DIR: 'memory' }).dataDirectory).toBeUndefined()
  expect(problem({ DATA_DIR: 'redis://h' })).toContain('DATA_DIR: expected a directory, or memory, came "redis://h"')
})

it('allows the page under the addresses of this machine, and takes a list instead', () => {
  expect(readConfig({}).allowedOrigins).toEqual(['http://127.0.0.1:5400', 'http://localhost:5400', 'http://[::1]:5400'])
  expect(readConfig({ PAGE_PORT: '80' }).allowedOrigins).toContain('http://localhost')
  expect(readConfig({ HOST: 'ask.local' }).allowedOrigins).toContain('http://ask.local:5400')
  const listed = readConfig({ ALLOWED_ORIGINS: 'https://a.example, http://b.example:81' })
  expect(listed.allowedOrigins).toEqual(['https://a.example', 'http://b.example:81'])
})

it('takes an empty variable as absent', () => {
  expect(readConfig({ PORT: '', REDIS_URL: ' ', TOPICS: '' }).port).toBe(3000)
})

it('reads one Redis or the nodes of a Cluster', () => {
  expect(readConfig({ REDIS_URL: 'rediss://u:p@h:6380/1' }).redisUrls).toEqual(['rediss://u:p@h:6380/1'])
  expect(readConfig({ REDIS_URL: 'redis://a:1, redis://b:2' }).redisUrls).toEqual(['redis://a:1', 'redis://b:2'])
})

it('names the variable, what was expected and what came', () => {
  expect(problem({ PORT: '70000' })).toContain('PORT: expected a whole number from 0 to 65535, came "70000"')
  expect(problem({ PORT: '3e3' })).toContain('came "3e3"')
  expect(problem({ LOG_LEVEL: 'loud' })).toContain('LOG_LEVEL: expected one of trace, debug, info')
  expect(problem({ ALLOWED_ORIGINS: 'https://a.example/' })).toContain('ALLOWED_ORIGINS: expected origins')
  expect(problem({ ALLOWED_ORIGINS: '*' })).toContain('came "*"')
  expect(problem({ SERVER_NAME: 'a b' })).toContain('SERVER_NAME: expected 1 to 64')
  expect(problem({ HOST: 'a/b' })).toContain('HOST: expected')
  expect(problem({ TOPICS: ',' })).toContain('TOPICS: expected')
  expect(problem({ ANSWER_RETENTION_HOURS: '0' })).toContain('ANSWER_RETENTION_HOURS: expected a whole number from 1')
})

it('names all that is wrong at once, and never shows a password', () => {
  const message = problem({ PORT: 'x', PAGE_PORT: 'y', REDIS_URL: 'http://user:secret@h' })
  expect(message.split('\n')).toHaveLength(4)
  expect(message).toContain('REDIS_URL: expected redis://host:port')
  expect(message).not.toContain('secret')
})

it('is all in .env.example, and every default there is one that it takes', () => {
  const example = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8')
  const lines = [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map((match) => [match[1]!, match[2]!] as const)
  const llm = join(import.meta.dirname, 'llm')
  const sources = readdirSync(llm).filter((name) => name.endsWith('.ts') && !name.includes('.test.'))
  const read = sources.flatMap((name) => [...readFileSync(join(llm, name), 'utf8').matchAll(/\(env, '([A-Z_]+)'/g)])
  const known = [...Object.keys(variables.shape), ...new Set(read.map((match) => match[1]!))]
  expect(lines.map(([name]) => name).sort()).toEqual(known.sort())
  const { serverName: _one, ...defaults } = readConfig({})
  const { serverName: _other, ...fromExample } = readConfig(Object.fromEntries(lines))
  expect(fromExample).toEqual(defaults)
})

/** The page's own server: headers, caching, and what it says when nothing is built. */
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Server } from 'node:http'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createHttpServer, listen } from './app-server.ts'
import { createPage } from './page-server.ts'

let server: Server
let folder: string

beforeEach(async () => {
  folder = temporaryDirectory('page')
  server = createHttpServer(createPage({ folder, backendPort: 3000 }))
  await listen(server, '127.0.0.1', 0)
})
afterEach(
  () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    }),
)

function build(): void {
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html>page')
  writeFileSync(join(folder, 'assets', 'index-abc123.js'), 'code')
  writeFileSync(join(folder, 'mark.svg'), '<svg/>')
}

function get(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, init)
}

it('says what to do while the page is not built', async () => {
  const response = await get('/')
  expect(response.status).toBe(503)
  expect(await response.text()).toContain('npm run build')
})

it('serves the page at every address, and tells it where the backend is', async () => {
  build()
  for (const path of ['/', '/index.html', '/answers/abc', '/a/b/c?d=e']) {
    const response = await get(path)
    expect([response.status, await response.text()], path).toEqual([200, '<!doctype html>page'])
    expect(response.headers.get('cache-control'), path).toBe('no-store')
  }
  const config = await get('/config.json')
  expect(await config.json()).toEqual({ backend: { port: 3000 } })
  expect(config.headers.get('cache-control')).toBe('no-store')
})

it('keeps hashed files for a year and nothing else', async () => {
  build()
  const asset = await get('/assets/index-abc123.js')
  expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  expect(asset.headers.get('content-type')).toContain('javascript')
  expect((await get('/assets/index-old.js')).status).toBe(404)
  expect((await get('/mark.svg')).headers.get('cache-control')).toBe('no-store')
})

it('forbids what the page does not need', async () => {
  build()
  const { headers } = await get('/')
  expect(headers.get('content-security-policy')?.split(';')).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self' http://127.0.0.1:3000 ws://127.0.0.1:3000",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ])
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('x-powered-by')).toBeNull()
})

it('lets the page reach the backend under the name it was opened with, and no name that is none', async () => {
  build()
  expect(await policyFor('ask.example:5400')).toContain('http://ask.example:3000 ws://ask.example:3000')
  expect(await policyFor('ask.example:5400', 'https')).toContain('https://ask.example:3000 wss://ask.example:3000')
  for (const host of ['x;script-src *', 'x script-src', '*', 'a/b', '']) {
    expect(await policyFor(host), host).toContain("connect-src 'self' http://127.0.0.1:3000 ws://127.0.0.1:3000;")
  }
})

function policyFor(host: string, protocol = 'http'): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo
    const headers = { host, 'x-forwarded-proto': protocol }
    const outgoing = httpRequest({ port, host: '127.0.0.1', path: '/', headers }, (response) => {
      response.resume()
      resolve(String(response.headers['content-security-policy']))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

it('stays inside its folder, and answers what it cannot read', async () => {
  build()
  const statuses = await Promise.all(
    ['/..%2f..%2fpackage.json', '/%E0%A4%A', '/assets/..%2f..%2fpackage.json', '/.env'].map(async (path) => {
      const response = await get(path)
      return `${response.status} ${(await response.text()).slice(0, 20)}`
    }),
  )
  for (const status of statuses) expect(status).toMatch(/^(200 <!doctype html>page|4\d\d )/)
  expect((await get('/', { method: 'POST' })).status).toBe(405)
})

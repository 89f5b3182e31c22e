/**
 * Model output is untrusted. More than a hundred script-injection payloads: each one drawn at every boundary at which a
 * stream could cut it, by the page's own component under the page's own policy; then all of them through the whole
 * application. No script runs, and no request leaves the origin.
 */
import { mkdtempSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launchBrowser } from '@millrace/testing'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { build } from 'vite'
import { createPage } from '../src/page-server.ts'
import { type Stage, startStage, untilState } from './stage.ts'
import { xssPayloads } from './xss-payloads.ts'

const pageFolder = join(import.meta.dirname, '../page')

let browser: Browser
let context: BrowserContext
let incidents: string[]

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
})
beforeEach(async () => {
  context = await browser.newContext()
  incidents = []
})
afterEach(async () => {
  await context.close()
})

it('holds at least a hundred payloads', () => {
  expect(new Set(xssPayloads).size).toBeGreaterThanOrEqual(100)
})

it('notices what is planted: the checks below can fail', async () => {
  await expect(
    onHarness(async (page) => {
      await page.evaluate(() => {
        document.body.innerHTML += '<img src=x onerror=alert(1)><img src="https://evil.example/leak">'
      })
      await expect.poll(() => incidents.length).toBeGreaterThan(0)
    }),
  ).rejects.toThrow('to deeply equal')
  expect(incidents.join('\n')).toContain('Content Security Policy')
})

it('draws nothing that could run or load anything, at any boundary of any payload', async () => {
  await onHarness(async (page) => {
    for (const payload of xssPayloads) {
      for (const text of [payload, `Some words first.\n\n${payload}\n\n- and *more* after it`]) {
        expect(await page.evaluate(drawEvery, text), payload).toEqual([])
      }
    }
  })
}, 180_000)

it('draws nothing of that kind when a payload comes in two chunks, cut anywhere', async () => {
  await onHarness(async (page) => {
    for (const payload of xssPayloads) expect(await page.evaluate(drawCuts, payload), payload).toEqual([])
  })
}, 180_000)

it('shows all of them as text when the model says them, through the whole application', async () => {
  const stage = await startStage({ streams: 'embedded' })
  try {
    const page = await watchedPage([
      stage.pageUrl.slice(0, -1),
      stage.backendUrl,
      stage.backendUrl.replace('http', 'ws'),
    ])
    await askWith(stage, page)
    // Whatever waits for a pointer or the focus gets it.
    for (const element of await page.getByTestId('answer-text').locator('*').all()) {
      await element.dispatchEvent('mouseover')
      await element.dispatchEvent('focus')
    }
    expect(incidents).toEqual([])
  } finally {
    await stage.stop()
  }
}, 120_000)

async function askWith(stage: Stage, page: Page): Promise<void> {
  const half = Math.ceil(xssPayloads.length / 2)
  for (const part of [xssPayloads.slice(0, half), xssPayloads.slice(half)]) {
    stage.provider.next({ text: part.join('\n\n'), tokensPerSecond: 600, splitBytes: 7 })
    if (page.url() === 'about:blank') await page.goto(stage.pageUrl)
    else await page.goto(`${stage.pageUrl}#/`)
    // The answer before is gone, so that it can't pass for this one.
    await page.getByTestId('suggestion').first().waitFor()
    await page.getByTestId('question-box').fill('Say something dangerous')
    await page.getByTestId('ask-button').click()
    await untilState(page, 'done', 60_000)
    expect(await page.getByTestId('answer-text').innerText()).toContain('alert(1)')
  }
}

/** A tab in which every dialog, every error of the policy and every request elsewhere is an incident. */
async function watchedPage(origins: readonly string[]): Promise<Page> {
  await context.route('**', async (route) => {
    const url = route.request().url()
    if (origins.some((origin) => url.startsWith(`${origin}/`)) || url.startsWith('data:font'))
      return await route.continue()
    incidents.push(`a request to ${url}`)
    await route.abort()
  })
  const page = await context.newPage()
  page.on('dialog', (dialog) => {
    incidents.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('popup', (popup) => incidents.push(`a window: ${popup.url()}`))
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) incidents.push(message.text())
  })
  page.on('framenavigated', (frame) => {
    if (!origins.some((origin) => frame.url().startsWith(origin)) && frame.url() !== 'about:blank') {
      incidents.push(`a frame at ${frame.url()}`)
    }
  })
  return page
}

/** Runs in the page. */
function drawEvery(text: string): string[] {
  return (window as unknown as { drawEveryPrefix(text: string): string[] }).drawEveryPrefix(text)
}

/** Runs in the page. */
function drawCuts(text: string): string[] {
  const draw = (window as unknown as { drawInTwo(text: string, cut: number): string[] }).drawInTwo
  return Array.from({ length: text.length }, (_, cut) => draw(text, cut)).flat()
}

async function onHarness(work: (page: Page) => Promise<void>): Promise<void> {
  const site = await serveHarness()
  try {
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
    const page = await watchedPage([origin])
    await page.goto(origin)
    await page.waitForFunction(() => 'drawEveryPrefix' in window)
    await work(page)
    expect(incidents).toEqual([])
  } finally {
    site.close()
    site.closeAllConnections()
  }
}

async function serveHarness(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-harness-'))
  await build({
    configFile: join(pageFolder, 'vite.config.ts'),
    root: join(pageFolder, 'harness'),
    logLevel: 'warn',
    build: { outDir: folder, emptyOutDir: true },
  })
  const server = createServer(createPage({ folder, backendPort: 9 }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

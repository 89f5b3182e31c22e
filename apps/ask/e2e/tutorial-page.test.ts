/** A page written like the tutorial's, unchanged, against our backend: `askQuestion` out, `chunk` in. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { freePort, launchBrowser } from '@millrace/testing'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { numberedText, type Stage, startStage, wordsOf } from './stage.ts'

const text = numberedText(60)
let browser: Browser
let stage: Stage
let site: Server
let siteUrl: string

beforeAll(async () => {
  const port = await freePort()
  siteUrl = `http://127.0.0.1:${port}`
  site = await serveTutorial(port)
  browser = await launchBrowser()
  stage = await startStage({
    streams: 'embedded',
    behaviour: { text: `${text} <img src=x onerror=alert(1)>`, tokensPerSecond: 200 },
    env: { ALLOWED_ORIGINS: siteUrl },
  })
})
afterAll(async () => {
  await stage.stop()
  await browser.close()
  site.close()
  site.closeAllConnections()
})

it('gives the tutorial page its answer, framed as it expects and harmless', async () => {
  const page = await browser.newPage()
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`${siteUrl}/?backend=${encodeURIComponent(stage.backendUrl)}`)
  await page.locator('#question').fill('How do consumer groups share work?')
  await page.locator('#search').click()
  await page.waitForFunction(() => document.getElementById('output')!.innerText.includes('END:'))
  const shown = await page.locator('#output').innerText()
  expect(shown).toMatch(/^START:[\w.-]+;/)
  expect(wordsOf(shown)).toEqual(wordsOf(text))
  expect(shown).toContain('<img src=x onerror=alert(1)>')
  expect(await page.locator('#spinner').count()).toBe(0)
  expect(dialogs).toEqual([])
})

it('keeps two askers apart', async () => {
  const pages = await Promise.all([browser.newPage(), browser.newPage()])
  stage.provider.next(
    { text: 'alpha alpha alpha', tokensPerSecond: 20 },
    { text: 'beta beta beta', tokensPerSecond: 20 },
  )
  for (const page of pages) {
    await page.goto(`${siteUrl}/?backend=${encodeURIComponent(stage.backendUrl)}`)
    await page.locator('#question').fill('Mine')
    await page.locator('#search').click()
  }
  const shown = await Promise.all(
    pages.map(async (page) => {
      await page.waitForFunction(() => document.getElementById('output')!.innerText.includes('END:'))
      return await page.locator('#output').innerText()
    }),
  )
  const kinds = shown.map((each) => [each.includes('alpha'), each.includes('beta')].join())
  expect(kinds.toSorted()).toEqual(['false,true', 'true,false'])
})

async function serveTutorial(port: number): Promise<Server> {
  const page = readFileSync(join(import.meta.dirname, 'tutorial-page.html'))
  const client = dirname(createRequire(import.meta.url).resolve('socket.io-client/package.json'))
  const script = readFileSync(join(client, 'dist/socket.io.js'))
  const server = createServer((request, response) => {
    const isScript = request.url === '/socket.io.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : page)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}

/** The application on a Redis Cluster of three nodes: an answer goes on after a refresh, and is stopped from another tab. */
import { launchBrowser } from '@millrace/testing'
import { textOf } from '@millrace/relay'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  answerId,
  ask,
  entriesOf,
  numberedText,
  openTab,
  shownText,
  type Stage,
  startStage,
  untilChars,
  untilState,
  wordsOf,
} from './stage.ts'

const text = numberedText(160)
let browser: Browser
let stage: Stage
let context: BrowserContext

beforeAll(async () => {
  browser = await launchBrowser()
  stage = await startStage({ streams: 'cluster', servers: 2, behaviour: { text, tokensPerSecond: 80 } })
})
afterAll(async () => {
  await stage.stop()
  await browser.close()
})
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
})

it('answers, goes on after a refresh, and says where its streams are', async () => {
  const page = await openTab(stage, context)
  const answer = await ask(page, 'Count on a Cluster')
  await untilChars(page, 200)
  await page.reload()
  expect(await answerId(page)).toBe(answer)
  await untilState(page, 'done')
  expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
  expect(textOf(await entriesOf(stage, context, answer))).toBe(text)
  expect(await page.locator('header').innerText()).toContain('cluster')
})

it('stops from another tab, also when another server produces', async () => {
  for (const server of stage.servers) {
    stage.proxy.retarget(server.port)
    const page = await openTab(stage, context)
    // Slow enough for the other tab to be open before it ends, on a busy machine too.
    stage.provider.next({ text, tokensPerSecond: 20 })
    const answer = await ask(page, 'Count until I say stop')
    const other = await openTab(stage, context, `#/a/${answer}`)
    await untilChars(other, 100)
    await other.getByTestId('stop-button').evaluate((button: HTMLElement) => button.click())
    await Promise.all([untilState(page, 'stopped'), untilState(other, 'stopped')])
    await stage.provider.until((requests) => requests.at(-1)?.state === 'aborted')
    await page.close()
    await other.close()
  }
}, 40_000)

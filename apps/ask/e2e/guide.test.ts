/** What a newcomer sees first: no key, no Redis. The built-in guide answers, says what it is, and names its sources. */
import { launchBrowser } from '@millrace/testing'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { ask, openTab, shownText, type Stage, startStage, untilState } from './stage.ts'

let browser: Browser
let stage: Stage
let context: BrowserContext

beforeAll(async () => {
  browser = await launchBrowser()
  stage = await startStage({ streams: 'embedded', env: { LLM_KIND: 'guide', GUIDE_TOKENS_PER_SECOND: '150' } })
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

it('answers a suggested question from the handbook and says that no model did', async () => {
  const page = await openTab(stage, context)
  await page.getByTestId('suggestion').filter({ hasText: 'consumer groups' }).click()
  await untilState(page, 'done', 30_000)
  expect(await shownText(page)).toContain('consumer')
  expect(await page.getByTestId('guide-line').first().innerText()).toContain('no language model')
  expect(stage.provider.requests).toHaveLength(0)
})

it('shows the article behind an answer', async () => {
  const page = await openTab(stage, context)
  await ask(page, 'What does XAUTOCLAIM do?')
  await untilState(page, 'done', 30_000)
  await page.getByRole('button', { name: /^XAUTOCLAIM/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('heading', { name: /^XAUTOCLAIM/ }).waitFor()
  expect(await dialog.innerText()).toContain('min-idle')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
})

it('says honestly when the handbook has nothing on a question', async () => {
  const page = await openTab(stage, context)
  await ask(page, 'Who won the chess championship in 1972?')
  await untilState(page, 'done', 30_000)
  expect(await shownText(page)).toMatch(/handbook/i)
  expect(await shownText(page)).toMatch(/nothing|no article|not/i)
})

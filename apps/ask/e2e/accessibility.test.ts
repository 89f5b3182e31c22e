/** axe-core on every state of the page, dark and light, desktop and phone: no violation. */
import { createRequire } from 'node:module'
import { launchBrowser } from '@millrace/testing'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, openTab, type Stage, startStage, untilChars, untilState } from './stage.ts'

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const answer = [
  'A **consumer group** hands each entry to one consumer.',
  '```redis\nXREADGROUP GROUP billing worker-1 COUNT 16 STREAMS orders >\n```',
  '- acknowledge with `XACK`\n- claim with `XAUTOCLAIM`',
  '| command | since |\n| --- | --- |\n| XADD | 5.0 |',
  '> quoted, and [a link](https://redis.io/docs)',
].join('\n\n')

const looks = [
  { name: 'desktop, light', colorScheme: 'light', width: 1440, height: 900 },
  { name: 'desktop, dark', colorScheme: 'dark', width: 1440, height: 900 },
  { name: 'phone, light', colorScheme: 'light', width: 390, height: 844 },
  { name: 'phone, dark', colorScheme: 'dark', width: 390, height: 844 },
  { name: 'a narrow phone', colorScheme: 'light', width: 320, height: 640 },
] as const

let browser: Browser
let stage: Stage
let context: BrowserContext
beforeAll(async () => {
  browser = await launchBrowser()
  stage = await startStage({ streams: 'embedded', behaviour: { text: answer, tokensPerSecond: 200 } })
})
afterAll(async () => {
  await stage.stop()
  await browser.close()
})
afterEach(async () => {
  await context.close()
})

describe.each(looks)('$name', ({ colorScheme, width, height }) => {
  beforeEach(async () => {
    // The driver injects axe as a script of its own, which the page's policy rightly refuses.
    context = await browser.newContext({ colorScheme, viewport: { width, height }, bypassCSP: true })
  })

  it('has no violation before the first question, while streaming, when done and when failed', async () => {
    const page = await openTab(stage, context)
    expect(await violations(page), 'empty').toEqual([])
    stage.provider.next({ text: answer, tokensPerSecond: 20 })
    await ask(page, 'How do consumer groups share work?')
    await untilChars(page, 60)
    expect(await violations(page), 'streaming').toEqual([])
    await untilState(page, 'done')
    expect(await violations(page), 'done').toEqual([])
    await page.getByTestId('question-box').fill('[[401]]')
    await page.getByTestId('ask-button').click()
    await untilState(page, 'failed')
    expect(await violations(page), 'failed').toEqual([])
  }, 60_000)

  it('does not scroll sideways', async () => {
    const page = await openTab(stage, context)
    await ask(page, 'How do consumer groups share work?')
    await untilState(page, 'done')
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  })
})

async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: axePath })
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string }[] }[] }> }
    }
    return (await axe.run()).violations
  })
  return found.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
  )
}

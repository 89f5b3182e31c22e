/**
 * The page in a reader's hands: the keyboard, copy, regenerate, a second question, a long one, the wait after a
 * refusal, panels and articles; and that nothing flickers or jumps while an answer grows.
 */
import { createRequire } from 'node:module'
import { launchBrowser } from '@millrace/testing'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { ask, numberedText, openTab, type Stage, startStage, untilState, wordsOf } from './stage.ts'

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const markdown = [
  '# A heading',
  `A **consumer group** hands each entry to one consumer. ${'And so on. '.repeat(20)}`,
  '```redis\nXREADGROUP GROUP billing worker-1 COUNT 16 STREAMS orders >\nXACK orders billing 1-0\n```',
  '- acknowledge with `XACK`\n- claim with `XAUTOCLAIM`\n\n- a loose item\n  of two lines',
  '| command | since |\n| --- | --- |\n| XADD | 5.0 |\n| XREAD | 5.0 |',
  '> quoted, and [a link](https://redis.io/docs)',
  '1. one\n2. two\n3. three',
  'The **last** paragraph with `code`.',
].join('\n\n')

let browser: Browser
let stage: Stage
let context: BrowserContext
beforeAll(async () => {
  browser = await launchBrowser()
  stage = await startStage({ streams: 'embedded', behaviour: { text: markdown, tokensPerSecond: 100 } })
})
afterAll(async () => {
  await stage.stop()
  await browser.close()
})
beforeEach(async () => {
  stage.provider.reset()
  const permissions = ['clipboard-read', 'clipboard-write']
  context = await browser.newContext({ viewport: { width: 1440, height: 900 }, permissions })
})
afterEach(async () => {
  await context.close()
})

const box = (page: Page) => page.getByTestId('question-box')

/** Opens a page whose answer is done. */
async function withAnswer(question: string): Promise<{ page: Page; answer: string }> {
  const page = await openTab(stage, context)
  const answer = await ask(page, question)
  await untilState(page, 'done')
  return { page, answer }
}

it('asks with Enter, breaks the line with Shift+Enter, and recalls the last question with the arrow', async () => {
  const page = await openTab(stage, context)
  await box(page).fill('one')
  await box(page).press('Shift+Enter')
  await box(page).pressSequentially('two')
  expect(await box(page).inputValue()).toBe('one\ntwo')
  await box(page).press('Enter')
  await untilState(page, 'done')
  expect(await page.locator('main h1').innerText()).toBe('one\ntwo')
  expect(await page.title()).toContain('one')
  await box(page).press('ArrowUp')
  expect(await box(page).inputValue()).toBe('one\ntwo')
})

it('copies the answer and its code as they were written', async () => {
  const { page } = await withAnswer('Something to copy')
  const copied = () => page.evaluate(() => navigator.clipboard.readText())
  await page.getByTestId('copy-answer').click()
  await expect.poll(copied).toBe(markdown)
  await page.locator('.codeblock button').first().click()
  await expect.poll(copied).toMatch(/^XREADGROUP [^`]* >\nXACK orders billing 1-0$/)
})

it('regenerates as an answer of its own, and keeps the first', async () => {
  const { page, answer } = await withAnswer('Once more')
  await page.getByTestId('regenerate').click()
  await page.waitForFunction((old) => {
    const { answer, state } = document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset ?? {}
    return answer !== undefined && answer !== old && state === 'done'
  }, answer)
  expect(await page.getByTestId('history').getByText('Once more').count()).toBe(2)
})

it('takes a second question while the first is answered, which goes on without it', async () => {
  const page = await openTab(stage, context)
  stage.provider.next({ text: numberedText(120), tokensPerSecond: 40 }, { text: 'A short one.' })
  const first = await ask(page, 'A long answer, please')
  expect(await page.getByTestId('ask-button').count()).toBe(0)
  const second = await ask(page, 'And a short one')
  expect(second).not.toBe(first)
  await untilState(page, 'done')
  expect(await page.getByTestId('answer-text').innerText()).toBe('A short one.')
  await page.getByTestId('history').getByText('A long answer, please').click()
  await page.waitForFunction(
    (id) => document.querySelector<HTMLElement>('[data-testid="answer-text"]')?.dataset['answer'] === id,
    first,
  )
  await untilState(page, 'done')
  expect(wordsOf(await page.getByTestId('answer-text').innerText())).toHaveLength(120)
})

it('takes a question while another waits for its answer without stream', async () => {
  const { page, answer } = await withAnswer('The one before')
  stage.provider.next({ text: 'All of it.', firstTokenMs: 3000 }, { text: 'At once.' })
  await page.getByTestId('without-stream').check()
  await box(page).fill('All at once')
  await box(page).press('Enter')
  await page.getByTestId('answer-text').waitFor({ state: 'detached' })
  // The address is still this answer's own.
  await page.getByTestId('history').getByText('The one before').click()
  await page.locator(`[data-answer="${answer}"]`).waitFor()
  await page.getByTestId('without-stream').uncheck()
  await ask(page, 'Something else meanwhile')
  await untilState(page, 'done')
  expect(await page.getByTestId('answer-text').innerText()).toBe('At once.')
  await stage.provider.until((requests) => requests.length === 3 && requests.every(({ state }) => state === 'complete'))
  expect(await page.locator('main h1').innerText()).toBe('Something else meanwhile')
}, 40_000)

it('counts down to the next attempt where the provider names a wait, and only there', async () => {
  const page = await openTab(stage, context)
  const failure = { status: 429, code: 'rate_limit_exceeded', retryAfter: '3' }
  stage.provider.next({ failure }, { failure }, { failure })
  await box(page).fill('Too soon')
  await box(page).press('Enter')
  await untilState(page, 'failed', 15_000)
  const button = page.getByTestId('error-note').getByRole('button')
  expect(await button.innerText()).toMatch(/^Try again in \d+ s$/)
  expect(await button.isDisabled()).toBe(true)
  expect(await page.getByTestId('regenerate').count()).toBe(0)
  await expect.poll(() => button.innerText(), { timeout: 6000 }).toBe('Try again')
  stage.provider.next({ failure: { status: 401 } })
  await button.click()
  await page.getByTestId('error-note').getByText('has to set a valid one').waitFor()
  expect(await button.innerText()).toBe('Try again')
}, 40_000)

it('keeps a question that is too long, and shows a long one in a few lines', async () => {
  const page = await openTab(stage, context)
  const tooLong = 'Why does it take so long? '.repeat(700)
  await box(page).fill(tooLong)
  await box(page).press('Enter')
  await page.getByText('too long').waitFor()
  expect(await box(page).inputValue()).toBe(tooLong)
  const long = 'Why is that? '.repeat(100).trim()
  await ask(page, long)
  const heading = page.locator('main h1')
  const height = async () => (await heading.boundingBox())!.height
  expect(await height()).toBeLessThan(120)
  await page.getByTestId('whole-question').click()
  await expect.poll(height).toBeGreaterThan(120)
  expect(await heading.innerText()).toBe(long)
})

it('neither draws finished blocks again nor moves them, and keeps the inspector in place', async () => {
  const { page } = await withAnswer('First, so that the colours of code are loaded')
  await page.locator('.codeblock [class^="tk-"]').first().waitFor()
  stage.provider.next({ text: markdown, tokensPerSecond: 40 })
  await ask(page, 'Without flicker')
  await page.evaluate(watchBlocks)
  await untilState(page, 'done')
  await page.getByTestId('proof').waitFor()
  const { redrawn, moved, blocks } = await page.evaluate(
    () => (window as unknown as { seen: { redrawn: string[]; moved: string[]; blocks: number } }).seen,
  )
  expect(blocks).toBe(8)
  expect(redrawn).toEqual([])
  expect(moved).toEqual([])
}, 40_000)

it.each([
  ['The stream', 390],
  ['Your questions', 390],
  ['Handbook', 1440],
])('opens and closes "%s" by keyboard, without a violation', async (name, width) => {
  await context.close()
  context = await browser.newContext({ viewport: { width, height: 844 }, bypassCSP: true })
  stage.provider.next({ text: 'See [the article](/handbook/xadd).' })
  const { page } = await withAnswer('What about panels?')
  const opener =
    name === 'Handbook' ? page.getByRole('link', { name: 'the article' }) : page.getByRole('button', { name })
  await opener.focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name })
  await dialog.waitFor()
  await page.addScriptTag({ path: axePath })
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(): Promise<{ violations: { id: string }[] }> } }
    return (await axe.run()).violations.map(({ id }) => id)
  })
  expect(violations).toEqual([])
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true)
})

/** Runs in the page: which blocks change after another has followed, and which blocks move, from now on. */
function watchBlocks(): void {
  const host = document.querySelector('[data-testid="answer-text"]')!
  const entries = document.querySelector('[aria-label="Entries"]')!
  const seen = { redrawn: [] as string[], moved: [] as string[], blocks: 0 }
  const places = new Map<Element, string>()
  let finished: Element[] = []
  Object.assign(window, { seen })
  new MutationObserver((records) => {
    for (const { target, type, removedNodes } of records) {
      const block = finished.find((each) => each.contains(target))
      if (block !== undefined) seen.redrawn.push(`${type} in block ${finished.indexOf(block)}`)
      if (target === host && removedNodes.length > 0) seen.redrawn.push('a block was taken out')
    }
    // What is drawn together comes in one call: only afterwards these are finished.
    finished = [...host.children].slice(0, -1)
  }).observe(host, { subtree: true, childList: true, characterData: true, attributes: true })
  Object.assign(window, {
    look: () => {
      seen.blocks = host.children.length
      for (const element of [...[...host.children].slice(0, -1), entries] as HTMLElement[]) {
        const place = `${element.offsetTop}+${element === entries ? element.clientHeight : element.offsetHeight}`
        const before = places.get(element)
        if (before !== undefined && before !== place) seen.moved.push(`${element.tagName} ${before} to ${place}`)
        places.set(element, place)
      }
      requestAnimationFrame((window as unknown as { look(): void }).look)
    },
  })
  ;(window as unknown as { look(): void }).look()
}

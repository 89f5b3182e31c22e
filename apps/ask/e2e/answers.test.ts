/**
 * One answer in real browsers, on the embedded engine and on redis-server: refresh, second tab, stop, two users, whole.
 */
import { randomBytes } from 'node:crypto'
import { launchBrowser } from '@millrace/testing'
import { textOf } from '@millrace/relay'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import {
  answerId,
  ask,
  cookieOf,
  entriesOf,
  numberedText,
  openTab,
  shownText,
  type Stage,
  startStage,
  type Streams,
  untilChars,
  untilState,
  wordsOf,
} from './stage.ts'

const text = numberedText(240)
const slow = { text, firstTokenMs: 50, tokensPerSecond: 100 }
/** Where a second page has to be open before the answer ends, on a busy machine too. */
const slower = { ...slow, tokensPerSecond: 45 }

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
})

describe.each<Streams>(['embedded', 'redis'])('an answer on %s', (streams) => {
  let stage: Stage
  let context: BrowserContext
  beforeAll(async () => {
    stage = await startStage({ streams, behaviour: slow })
  })
  afterAll(async () => {
    await stage.stop()
  })
  beforeEach(async () => {
    stage.provider.reset()
    context = await browser.newContext()
  })
  afterEach(async () => {
    await context.close()
  })

  it('goes on after a refresh in the middle, with nothing twice and nothing missing', async () => {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count for me')
    for (const chars of [200, 600, 900]) {
      await untilChars(page, chars)
      await page.reload()
      expect(await answerId(page)).toBe(answer)
    }
    await untilState(page, 'done')
    expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
    expect(textOf(await entriesOf(stage, context, answer))).toBe(text)
    await page.getByTestId('proof').waitFor()
    expect(stage.provider.requests).toHaveLength(1)
  })

  it('is followed live by a second tab', async () => {
    const first = await openTab(stage, context)
    stage.provider.next(slower)
    const answer = await ask(first, 'Count for two tabs')
    const second = await openTab(stage, context, `#/a/${answer}`)
    await untilChars(second, 100)
    expect(await second.getByTestId('answer-state').first().getAttribute('data-state')).toBe('streaming')
    await Promise.all([untilState(first, 'done'), untilState(second, 'done')])
    expect(wordsOf(await shownText(first))).toEqual(wordsOf(text))
    expect(wordsOf(await shownText(second))).toEqual(wordsOf(text))
  })

  it('is stopped from another tab: the part stays and the provider sees the abort within 500 ms', async () => {
    const first = await openTab(stage, context)
    stage.provider.next(slower)
    const answer = await ask(first, 'Count until I say stop')
    const second = await openTab(stage, context, `#/a/${answer}`)
    await untilChars(second, 150)
    // Clicked inside the page: the driver's own waiting for a calm button is not part of the promise.
    const clickedAtMs = await second.getByTestId('stop-button').evaluate((button: HTMLElement) => {
      button.click()
      return Date.now()
    })
    const [request] = await stage.provider.until((requests) => requests[0]?.abortedAtMs !== undefined)
    expect(request!.abortedAtMs! - clickedAtMs).toBeLessThan(500)
    await Promise.all([untilState(first, 'stopped'), untilState(second, 'stopped')])
    await first.getByTestId('stopped-note').waitFor()
    const kept = textOf(await entriesOf(stage, context, answer))
    expect(kept.length).toBeGreaterThan(100)
    expect(text.startsWith(kept)).toBe(true)
    expect(wordsOf(await shownText(first))).toEqual(wordsOf(kept))
    expect(wordsOf(await shownText(second))).toEqual(wordsOf(kept))
  })

  it('is stopped with Escape after a reload', async () => {
    const page = await openTab(stage, context)
    stage.provider.next(slower)
    await ask(page, 'Count until I press Escape')
    await page.reload()
    await untilChars(page, 100)
    await page.keyboard.press('Escape')
    await untilState(page, 'stopped')
    await stage.provider.until((requests) => requests[0]?.state === 'aborted')
  })

  it('belongs to its asker: two users at once get their own answers only', async () => {
    const other = await browser.newContext()
    try {
      const pages = [await openTab(stage, context), await openTab(stage, other)]
      stage.provider.next(
        { ...slow, text: `${numberedText(100)} for-one` },
        { ...slow, text: `${numberedText(100)} for-two` },
      )
      const one = await ask(pages[0]!, 'The first question')
      const two = await ask(pages[1]!, 'The second question')
      await Promise.all(pages.map((page) => untilState(page, 'done')))
      expect(await shownText(pages[0]!)).toContain('for-one')
      expect(await shownText(pages[0]!)).not.toContain('for-two')
      expect(await shownText(pages[1]!)).toContain('for-two')
      expect(await shownText(pages[1]!)).not.toContain('for-one')
      await expect(entriesOf(stage, other, one)).rejects.toThrow('404')
      await expect(entriesOf(stage, context, two)).rejects.toThrow('404')
      expect(await pages[1]!.getByTestId('history').innerText()).not.toContain('The first question')
    } finally {
      await other.close()
    }
  })

  it('comes whole without stream, and says how long that took', async () => {
    const page = await openTab(stage, context)
    await page.getByTestId('without-stream').check()
    await page.getByTestId('question-box').fill('Everything at once')
    await page.getByTestId('ask-button').click()
    await untilState(page, 'done')
    expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
    expect(Number.parseFloat(await page.getByTestId('response-time').innerText())).toBeGreaterThan(1)
  })

  it('shows its own stream beside it, entry by entry', async () => {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count beside the stream')
    await untilState(page, 'done')
    const entries = await entriesOf(stage, context, answer)
    const inspector = page.getByTestId('inspector')
    expect(await inspector.innerText()).toContain(`OPENAI_STREAM:`)
    const ids = await inspector
      .getByTestId('inspector-row')
      .evaluateAll((rows) => rows.map((row) => row.getAttribute('data-id')))
    const known = entries.map((entry) => String(entry.id))
    expect(ids.filter((id) => !known.includes(String(id)))).toEqual([])
    expect(ids).toContain(entries.at(-1)!.id)
  })

  it('is asked once by a double submit', async () => {
    const page = await openTab(stage, context)
    const requestId = randomBytes(8).toString('hex')
    const cookie = await cookieOf(stage, context)
    const submit = async (): Promise<{ answer: string }> => {
      const response = await fetch(`${stage.backendUrl}/api/answers`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie },
        body: JSON.stringify({ requestId, topic: 'Redis', question: 'Only once' }),
      })
      return (await response.json()) as { answer: string }
    }
    const [one, two] = await Promise.all([submit(), submit()])
    expect(one.answer).toBe(two.answer)
    await page.goto(`${stage.pageUrl}#/a/${one.answer}`)
    await untilState(page, 'done')
    expect(stage.provider.requests).toHaveLength(1)
  })
})

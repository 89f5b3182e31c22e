/**
 * What goes wrong on the way, in real browsers: a server killed in the middle, a line that is cut, a provider that fails.
 */
import { setTimeout as later } from 'node:timers/promises'
import { launchBrowser, temporaryDirectory } from '@millrace/testing'
import { textOf } from '@millrace/relay'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
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
const slow = { text, firstTokenMs: 50, tokensPerSecond: 60 }

let browser: Browser
let context: BrowserContext
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
})
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
})

it('a server killed in the middle of an answer: the other takes it over within 10 s and completes it', async () => {
  const stage = await startStage({ streams: 'redis', servers: 2, behaviour: slow })
  try {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count while servers die')
    await untilChars(page, 200)
    const owner = await producerOf(stage, context, answer)
    const [dies, lives] = owner === 'server-a' ? [0, 1] : [1, 0]
    const killedAtMs = Date.now()
    await stage.servers[dies]!.kill('SIGKILL')
    stage.proxy.retarget(stage.servers[lives]!.port)
    await page.getByTestId('interruption-note').waitFor({ timeout: 15_000 })
    await untilState(page, 'done', 30_000)
    const entries = await entriesOf(stage, context, answer)
    const restarted = entries.find((entry) => entry.type === 'restarted')!
    expect(Number(restarted.id.split('-')[0]) - killedAtMs).toBeLessThan(10_000)
    expect(textOf(entries)).toBe(text)
    expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
    expect(await page.getByTestId('interruption-note').innerText()).toContain('took over')
  } finally {
    await stage.stop()
  }
}, 90_000)

it('the only server, killed and started again on its directory: the answer so far is there, and is completed', async () => {
  const env = { DATA_DIR: temporaryDirectory('ask'), LEASE_MS: '1000' }
  const stage = await startStage({ streams: 'embedded', behaviour: slow, env })
  try {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count while the server dies')
    await untilChars(page, 200)
    await stage.servers[0]!.kill('SIGKILL')
    await stage.startAgain(0)
    const tab = await context.newPage()
    await tab.goto(page.url())
    await untilChars(tab, 200)
    await page.getByTestId('interruption-note').waitFor({ timeout: 15_000 })
    for (const each of [page, tab]) {
      await untilState(each, 'done', 30_000)
      expect(wordsOf(await shownText(each))).toEqual(wordsOf(text))
    }
    expect(textOf(await entriesOf(stage, context, answer))).toBe(text)
  } finally {
    await stage.stop()
  }
}, 90_000)

it('a server that is told to stop hands its answer on', async () => {
  const stage = await startStage({
    streams: 'redis',
    servers: 2,
    behaviour: { text: numberedText(900), tokensPerSecond: 60 },
  })
  try {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count through a deployment')
    await untilChars(page, 200)
    const owner = await producerOf(stage, context, answer)
    const [stops, lives] = owner === 'server-a' ? [0, 1] : [1, 0]
    const ended = stage.servers[stops]!.kill('SIGTERM')
    stage.proxy.retarget(stage.servers[lives]!.port)
    await page.getByTestId('interruption-note').waitFor({ timeout: 25_000 })
    await ended
    expect(await page.getByTestId('answer-state').first().getAttribute('data-state')).toBe('streaming')
  } finally {
    await stage.stop()
  }
}, 90_000)

describe.each<Streams>(['embedded', 'redis'])('a line that is cut, on %s', (streams) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage({ streams, behaviour: slow })
  })
  afterAll(async () => {
    await stage.stop()
  })

  it('is noticed, and after 10 s without network the answer goes on where it was', async () => {
    const page = await openTab(stage, context)
    const answer = await ask(page, 'Count through a cut')
    await untilChars(page, 200)
    const lastId = await page.getByTestId('answer-text').getAttribute('data-last-id')
    stage.proxy.cut()
    await page.locator('[data-testid="connection-state"]:not([data-state="live"])').waitFor()
    await later(10_000) // the scenario itself: so long there is no network
    stage.proxy.restore()
    await untilState(page, 'done', 40_000)
    expect(lastId).toMatch(/^\d+-\d+$/)
    expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
    expect(textOf(await entriesOf(stage, context, answer))).toBe(text)
    expect(await page.getByTestId('interruption-note').count()).toBe(0)
  }, 90_000)

  it.each([
    ['401', 'auth'],
    ['429-quota', 'rate_limit'],
    ['context', 'context_too_long'],
  ])('a provider that answers %s is an error on the page, with a sentence', async (marker, code) => {
    const page = await openTab(stage, context)
    await page.getByTestId('question-box').fill(`[[${marker}]] please`)
    await page.getByTestId('ask-button').click()
    await untilState(page, 'failed')
    const answer = (await page.getByTestId('answer-text').getAttribute('data-answer'))!
    const last = (await entriesOf(stage, context, answer)).at(-1)!
    expect(last).toMatchObject({ type: 'error', code })
    expect((await page.getByTestId('error-note').innerText()).length).toBeGreaterThan(20)
    expect(await page.getByTestId('error-note').innerText()).not.toContain('sk-')
  })

  it('a provider that cuts the answer is tried again, and the page says so', async () => {
    const page = await openTab(stage, context)
    stage.provider.next({ ...slow, cutAfter: 30 })
    await ask(page, 'Count through a broken provider')
    await page.getByTestId('interruption-note').waitFor()
    await untilState(page, 'done', 30_000)
    expect(wordsOf(await shownText(page))).toEqual(wordsOf(text))
  }, 60_000)
})

async function producerOf(stage: Stage, owner: BrowserContext, answer: string): Promise<string> {
  const cookie = await cookieOf(stage, owner)
  const response = await fetch(`${stage.backendUrl}/api/answers/${answer}/events`, {
    headers: { cookie },
    signal: AbortSignal.timeout(10_000),
  })
  let seen = ''
  for await (const chunk of response.body!) {
    seen += Buffer.from(chunk).toString()
    const server = /"type":"start"[^\n]*"server":"([^"]+)"|"server":"([^"]+)"[^\n]*"type":"start"/.exec(seen)
    if (server !== null) return server[1] ?? server[2]! // leaving the loop cancels the request
  }
  throw new Error(`No start entry in: ${seen.slice(0, 500)}`)
}

import type { GenerateEvent } from '@millrace/relay'
import { GenerateError } from '@millrace/relay'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LangChainModel } from './chat-model.ts'
import { answerFrom } from './guide-answer.ts'
import { GuideChatModel, guideLabel, piecesOf } from './guide.ts'
import { Handbook, parseArticle } from './handbook.ts'
import { defaultLimits } from './limits.ts'

const article = (slug: string, title: string, body: string): string =>
  `---\ntitle: ${title}\nslug: ${slug}\nsummary: About ${title}.\nkeywords: ${slug}\n---\n${body}\n`

const long = Array.from({ length: 60 }, (_, i) => `Paragraph ${i} of a long section with ten words in it.`).join('\n\n')

const handbook = new Handbook(
  [
    article(
      'xadd',
      'XADD adds',
      'XADD appends. Ünïcode: 日本語 👩‍💻.\n\n## Example\n\n```\nXADD s * a 1\n```\n\n## Traps\n\nLamps break.',
    ),
    article('xtrim', 'XTRIM removes', `XTRIM removes.\n\n## Long\n\n${long}`),
    article('kafka', 'Streams or Kafka?', 'Both are logs.'),
  ].map((text, index) => parseArticle(`${index}.md`, text)),
)

const guide = (tokensPerSecond = 0, of: Handbook = handbook): LangChainModel =>
  new LangChainModel({
    label: guideLabel,
    canContinue: true,
    limits: defaultLimits,
    open: () => new GuideChatModel({ handbook: of, tokensPerSecond }),
  })

async function run(
  model: LangChainModel,
  question: string,
  textSoFar = '',
): Promise<{ texts: string[]; last: GenerateEvent | undefined }> {
  const texts: string[] = []
  let last: GenerateEvent | undefined
  for await (const event of model.generate({ topic: 'Redis', question, textSoFar }, new AbortController().signal)) {
    last = event
    if (event.type === 'text') texts.push(event.text)
  }
  return { texts, last }
}

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)
beforeAll(() => void process.on('unhandledRejection', onRejection))
afterAll(() => {
  process.off('unhandledRejection', onRejection)
  expect(rejections).toEqual([])
})

describe('the guide', () => {
  it('streams the article in pieces and names it as the source', async () => {
    const { texts, last } = await run(guide(), 'What does XADD do?')
    expect(texts.length).toBeGreaterThan(10)
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThan(20)
    expect(texts.join('')).toContain('Ünïcode: 日本語 👩‍💻.')
    expect(last).toEqual({
      type: 'done',
      finish: 'stop',
      usage: {},
      sources: [{ title: 'XADD adds', href: '/handbook/xadd' }],
    })
  })

  it('puts the section first that the question is about', () => {
    const { text } = answerFrom(handbook, 'XADD lamps traps')
    expect(text.indexOf('## Traps')).toBe(0)
    expect(text).toContain('XADD appends.')
  })

  it('keeps a long article to a length that people read', () => {
    const words = answerFrom(handbook, 'XTRIM').text.match(/\S+/g)!.length
    expect(words).toBeLessThan(420)
  })

  it('answers about both sides of a comparison that has no article of its own', () => {
    const { text, sources } = answerFrom(handbook, 'XADD vs XTRIM')
    expect(text).toContain('## XADD adds')
    expect(text).toContain('## XTRIM removes')
    expect(sources.map(({ href }) => href)).toEqual(['/handbook/xadd', '/handbook/xtrim'])
  })

  it('says so when the handbook has nothing, and names topics', async () => {
    const { texts, last } = await run(guide(), 'Who won the cup?')
    expect(texts.join('')).toMatch(/^The handbook has nothing on this question.*\n\n.*\n\n- \[/)
    expect(last).toMatchObject({ type: 'done', sources: [] })
  })

  it('continues behind every prefix of its own text', async () => {
    const { texts } = await run(guide(), 'What does XADD do?')
    const whole = texts.join('')
    for (let keep = 0; keep <= whole.length; keep++) {
      const rest = await run(guide(), 'What does XADD do?', whole.slice(0, keep))
      expect(whole.slice(0, keep) + rest.texts.join('')).toBe(whole)
      expect(rest.last?.type).toBe('done')
    }
  })

  it('refuses for good to continue what is not its text', async () => {
    const failure = await run(guide(), 'What does XADD do?', 'Something else').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(GenerateError)
    expect(failure).toMatchObject({ code: 'internal', retryable: false })
  })

  it('keeps its pace', async () => {
    const beganMs = performance.now()
    const { texts } = await run(guide(200), 'What does XADD do?')
    const tookMs = performance.now() - beganMs
    expect(tookMs).toBeGreaterThan((texts.length - 1) * 5 - 5)
  })

  it.each([0, 50, 0.1])('stops at once when it is aborted (%s tokens a second)', async (rate) => {
    const stopper = new AbortController()
    const seen: GenerateEvent[] = []
    const reason = new Error('stopped by a test')
    let abortedMs = 0
    const reading = (async () => {
      for await (const event of guide(rate).generate(
        { topic: 'Redis', question: 'XADD', textSoFar: '' },
        stopper.signal,
      )) {
        seen.push(event)
        setImmediate(() => {
          abortedMs ||= performance.now()
          stopper.abort(reason)
        })
        if (rate === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await expect(reading).rejects.toBe(reason)
    expect(performance.now() - abortedMs).toBeLessThan(500)
    expect(seen.every((event) => event.type === 'text')).toBe(true)
  })

  it('throws the reason without a word when it was aborted before', async () => {
    const reason = new Error('never mind')
    const events = guide().generate({ topic: 'Redis', question: 'XADD', textSoFar: '' }, AbortSignal.abort(reason))
    await expect(events.next()).rejects.toBe(reason)
  })
})

describe('pieces', () => {
  it('are the text, whatever is in it', () => {
    for (const text of ['', ' ', 'a', '\n\n', 'ab  cd\n', '👩‍💻👩‍💻👩‍💻👩‍💻', 'x'.repeat(100), '日本語の長い文章です。']) {
      expect(piecesOf(text).join('')).toBe(text)
      expect(piecesOf(text).every((piece) => !/^[\uDC00-\uDFFF]/.test(piece))).toBe(true)
    }
  })
})

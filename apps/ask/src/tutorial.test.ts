/** A client written like the tutorial's page: askQuestion in, chunk out, innerHTML. */
import { afterEach, describe, expect, it } from 'vitest'
import type { AnswerEntry } from '@millrace/relay'
import { GenerateError } from '@millrace/relay'
import { waitFor } from '@millrace/testing'
import type { Socket } from 'socket.io-client'
import { ScriptedModel } from './testing/scripted-model.ts'
import { Inbox, Stage } from './testing/stage.ts'
import { TutorialText } from './tutorial.ts'

describe('over the wire', () => {
  let stage: Stage
  afterEach(() => stage.close())

  /** What the tutorial's page does: one output, a START that it waits for, everything appended. */
  class TutorialPage {
    readonly chunks: Inbox<string>
    readonly #socket: Socket

    constructor(socket: Socket) {
      this.#socket = socket
      this.chunks = new Inbox(socket, 'chunk')
    }

    get output(): string {
      return this.chunks.received.join('')
    }

    ask(topicQuestion: unknown, topic = 'Redis'): void {
      this.#socket.emit('askQuestion', { topic, topicQuestion })
    }

    ended(): Promise<void> {
      return this.chunks.until((chunks) => /;END:/.test(chunks.at(-1) ?? ''))
    }
  }

  it('is START, the text, END, each time with the answer id', async () => {
    stage = await Stage.start({ model: ScriptedModel.answering(['XADD ', 'appends.']) })
    const page = new TutorialPage(await stage.connect())
    page.ask('What is XADD?')
    await page.ended()
    expect(page.chunks.received[0]).toMatch(/^START:[\w-]+;<br\/>$/)
    const id = page.chunks.received[0]!.slice('START:'.length, -';<br/>'.length)
    expect(page.output).toBe(`START:${id};<br/>XADD appends.<br/>;END:${id}`)
  })

  it('arrives while the model still speaks', async () => {
    stage = await Stage.start()
    const page = new TutorialPage(await stage.connect())
    page.ask('What is XADD?')
    const script = (await waitFor(() => stage.model.scripts[0], { what: 'the model' })).say('first')
    await page.chunks.until((chunks) => chunks.includes('first'))
    script.say(' second').finish()
    await page.ended()
  })

  it('goes to the asker alone', async () => {
    stage = await Stage.start({ model: new ScriptedModel((script) => script.say(script.request.question).finish()) })
    const pages = await Promise.all(['a', 'b', 'c'].map(async () => new TutorialPage(await stage.connect())))
    pages.forEach((page, index) => page.ask(`question ${index}`))
    await Promise.all(pages.map((page) => page.ended()))
    pages.forEach((page, index) => expect(page.output).toMatch(new RegExp(`<br/>question ${index}<br/>;END`)))
    expect(pages.map((page) => page.output.match(/START/g)?.length)).toEqual([1, 1, 1])
  })

  it('escapes what that page would write into innerHTML', async () => {
    const payload = `<img src=x onerror=alert(1)>&<script>"'`
    stage = await Stage.start({ model: ScriptedModel.answering([...payload]) })
    const page = new TutorialPage(await stage.connect())
    page.ask('x')
    await page.ended()
    expect(page.output.replace(/^START:[^;]+;<br\/>|<br\/>;END:.*$/g, '')).toBe(
      `&lt;img src=x onerror=alert(1)&gt;&amp;&lt;script&gt;"'`,
    )
  })

  it('says in a sentence what failed, before the END', async () => {
    const failure = new GenerateError('auth', 'The key was refused.', { retryable: false })
    stage = await Stage.start({ model: new ScriptedModel((script) => script.fail(failure)) })
    const page = new TutorialPage(await stage.connect())
    page.ask('x')
    await page.ended()
    expect(page.output).toMatch(/^START:[\w-]+;<br\/>\S.+<br\/>;END:[\w-]+$/)
  })

  it('ends the spinner of a page whose question is refused', async () => {
    stage = await Stage.start()
    const socket = await stage.connect()
    const page = new TutorialPage(socket)
    const refused = new Inbox<{ code: string }>(socket, 'refused')
    page.ask('What?', 'Cooking')
    await page.ended()
    expect(page.output).toContain('START:none;<br/>`topic`: expected one of "Redis", "Valkey"')
    expect(refused.received[0]?.code).toBe('BAD_REQUEST')
    socket.emit('askQuestion')
    await refused.until((received) => received.length === 2)
  })
})

describe('one entry at a time', () => {
  const entry = (body: object): AnswerEntry => ({ id: '1-0', seq: 0, epoch: 1, ...body }) as unknown as AnswerEntry

  it('says nothing of a restart that keeps the text', () => {
    const text = new TutorialText()
    text.chunk(entry({ type: 'delta', text: 'abc' }))
    expect(text.chunk(entry({ type: 'restarted', keep: 3 }))).toBe('')
  })

  it('tells of a restart that drops text, and repeats what stays', () => {
    const text = new TutorialText()
    text.chunk(entry({ type: 'delta', text: 'a<bc' }))
    const chunk = text.chunk(entry({ type: 'restarted', keep: 2 }))
    expect(chunk).toBe('<br/>(The answer was interrupted and begins again.)<br/>a&lt;')
  })

  it('marks a stopped answer', () => {
    const text = new TutorialText()
    expect(text.chunk(entry({ type: 'stopped', chars: 0 }))).toBe('(Stopped.)')
    text.chunk(entry({ type: 'delta', text: 'a' }))
    expect(text.chunk(entry({ type: 'stopped', chars: 1 }))).toBe('<br/>(Stopped.)')
  })
})

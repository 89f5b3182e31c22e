import { describe, expect, it } from 'vitest'
import { scripted, SILENT } from './fixtures.ts'
import { GenerateError, type LanguageModel } from './generate.ts'
import { ANSWER_CHARS_MAX, runModel } from './model-run.ts'

const request = { topic: 't', question: 'q', textSoFar: '' }

async function run(model: LanguageModel, signal = new AbortController().signal): Promise<[string, unknown]> {
  let text = ''
  try {
    const done = await runModel(model, request, signal, async (part) => void (text += part))
    return [text, done.finish]
  } catch (error) {
    return [text, error]
  }
}

function model(generate: LanguageModel['generate']): LanguageModel {
  return { label: 'm', canContinue: false, generate }
}

describe('one call of the model', () => {
  it('resolves with its last event', async () => {
    expect(await run(scripted([['a', 'b']]))).toEqual(['ab', 'stop'])
  })

  it('is cut when it ends without a last event', async () => {
    const quiet = model(async function* () {
      yield { type: 'text', text: 'half' }
    })
    expect(await run(quiet)).toMatchObject(['half', { code: 'cut', retryable: true }])
  })

  it('refuses a last event that no reader could decode', async () => {
    const odd = model(async function* () {
      yield { type: 'done', finish: 'stop', usage: { inputTokens: Number.NaN }, sources: [] }
    })
    expect(await run(odd)).toMatchObject([
      '',
      { code: 'internal', cause: { message: expect.stringContaining('usage') } },
    ])
  })

  it('takes a wait that is no number for none', () => {
    const failure = new GenerateError('rate_limit', 'later', { retryable: true, retryAfterMs: Number.NaN })
    expect(failure.retryAfterMs).toBeUndefined()
  })

  it('hides an unforeseen failure, also one before the first event', async () => {
    const broken = model(() => {
      throw new TypeError('secret')
    })
    expect(await run(broken)).toMatchObject([
      '',
      { code: 'internal', retryable: false, cause: new TypeError('secret') },
    ])
    const failure = new GenerateError('auth', 'The key was refused', { retryable: false })
    expect(await run(scripted([['a', failure]]))).toEqual(['a', failure])
  })

  it('ends at once when aborted, even when the model does not listen', async () => {
    const control = new AbortController()
    const running = run(scripted([['a', SILENT]]), control.signal)
    await new Promise((resolve) => setImmediate(resolve))
    control.abort(new Error('stopped'))
    expect(await running).toMatchObject(['a', { message: 'stopped' }])
  })

  it('does not believe an end that an abort caused', async () => {
    const control = new AbortController()
    const polite = model(async function* (_request, signal) {
      yield { type: 'text', text: 'a' }
      control.abort(new Error('stopped'))
      if (!signal.aborted) yield { type: 'text', text: 'b' }
      yield { type: 'done', finish: 'stop', usage: {}, sources: [] }
    })
    expect(await run(polite, control.signal)).toMatchObject(['a', { message: 'stopped' }])
  })

  it('ends a model that never does', async () => {
    const endless = model(async function* () {
      for (;;) yield { type: 'text', text: 'x'.repeat(65_536) }
    })
    const [text, finish] = await run(endless)
    expect([text.length, finish]).toEqual([ANSWER_CHARS_MAX, 'length'])
  })
})

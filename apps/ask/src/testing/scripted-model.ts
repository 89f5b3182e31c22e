/**
 * A language model for tests: it says what the test tells it to, when the test tells it.
 *
 *   generate(request) ──► a Script: say(text), finish(), fail(error); `aborted` when its signal fired
 *
 * `ScriptedModel.answering(words)` needs no hand: every question gets these words and a proper end.
 */
import type { GenerateEvent, GenerateRequest, LanguageModel } from '@millrace/relay'

type Step = GenerateEvent | { readonly type: 'failure'; readonly error: Error }

/** One call of `generate`, in the test's hands. */
export class Script {
  readonly request: GenerateRequest
  readonly #steps: Step[] = []
  #wake: (() => void) | undefined
  aborted = false

  constructor(request: GenerateRequest) {
    this.request = request
  }

  say(text: string): this {
    return this.#add({ type: 'text', text })
  }

  finish(): this {
    return this.#add({ type: 'done', finish: 'stop', usage: {}, sources: [] })
  }

  fail(error: Error): this {
    return this.#add({ type: 'failure', error })
  }

  async *play(signal: AbortSignal): AsyncGenerator<GenerateEvent> {
    for (;;) {
      if (signal.aborted) {
        this.aborted = true
        throw signal.reason
      }
      const step = this.#steps.shift()
      if (step === undefined) await this.#next(signal)
      else if (step.type === 'failure') throw step.error
      else yield step
      if (step?.type === 'done') return
    }
  }

  #add(step: Step): this {
    this.#steps.push(step)
    this.#wake?.()
    return this
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

export class ScriptedModel implements LanguageModel {
  readonly label = 'scripted'
  readonly canContinue = false
  /** One for each call so far. */
  readonly scripts: Script[] = []
  readonly #onCall: (script: Script) => void

  constructor(onCall: (script: Script) => void = () => undefined) {
    this.#onCall = onCall
  }

  static answering(words: readonly string[]): ScriptedModel {
    return new ScriptedModel((script) => {
      for (const word of words) script.say(word)
      script.finish()
    })
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent> {
    const script = new Script(request)
    this.scripts.push(script)
    this.#onCall(script)
    return script.play(signal)
  }
}

/**
 * One call of the model: its text goes to `onText`, its `done` is returned, and every other end is an error.
 *
 *   text text text done      ─► resolves with `done`
 *   text text                ─► GenerateError 'cut': it ended without `done`
 *   text, throws             ─► its GenerateError, or 'internal' for anything else
 *   text, signal aborts      ─► the signal's reason, at once, even when the model doesn't listen
 *   text over the limit      ─► resolves with a `done` of finish 'length'
 *
 * The signal is looked at before the model's own end is believed: some clients just end when they are aborted.
 */
import { checkBody } from './entry-codec.ts'
import { GenerateError, type GenerateEvent, type GenerateRequest, type LanguageModel } from './generate.ts'
import { orAborted } from './pause.ts'

/** A model that never ends must not fill the store: far beyond any answer a person reads. */
export const ANSWER_CHARS_MAX = 4_194_304

export type DoneEvent = Extract<GenerateEvent, { type: 'done' }>

export async function runModel(
  model: LanguageModel,
  request: GenerateRequest,
  signal: AbortSignal,
  onText: (text: string) => Promise<void>,
): Promise<DoneEvent> {
  let events: AsyncIterator<GenerateEvent> | undefined
  let chars = request.textSoFar.length
  try {
    events = model.generate(request, signal)[Symbol.asyncIterator]()
    for (;;) {
      const next = await orAborted(events.next(), signal)
      signal.throwIfAborted()
      if (next.done === true) throw new GenerateError('cut', 'The answer was cut off', { retryable: true })
      if (next.value.type === 'done') {
        // Else the answer could be written, but never read again.
        checkBody({ ...next.value, type: 'end', chars: 0, sha256: '' })
        return next.value
      }
      chars += next.value.text.length
      if (chars > ANSWER_CHARS_MAX) return { type: 'done', finish: 'length', usage: {}, sources: [] }
      if (next.value.text !== '') await orAborted(onText(next.value.text), signal)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw asGenerateError(error)
  } finally {
    leave(events)
  }
}

/** Not awaited: a model that doesn't listen to its signal must not hold up its producer. */
function leave(events: AsyncIterator<GenerateEvent> | undefined): void {
  const ended = events?.return?.()
  ended?.catch(() => undefined) // Nobody waits for this end any more; its failure changes nothing.
}

function asGenerateError(error: unknown): GenerateError {
  if (error instanceof GenerateError) return error
  return new GenerateError('internal', 'The server failed while answering', { retryable: false, cause: error })
}

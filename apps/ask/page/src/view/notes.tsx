/** What the reader has to know besides the text: interruptions, failure, stop, a question that wasn't taken. */
import type { ReactNode } from 'react'
import type { AnswerView, Interruption } from '../answer-log.ts'
import { formatCount } from '../format.ts'
import {
  failureSentence,
  messageTellsMore,
  interruptionSentence,
  refusalSentence,
  troubleSentence,
} from '../sentences.ts'
import type { WireError } from '../wire.ts'
import { useNow } from './hooks.ts'

const INTERRUPTIONS_SHOWN = 3

export function InterruptionNotes({ interruptions }: { readonly interruptions: readonly Interruption[] }): ReactNode {
  const hidden = interruptions.length - INTERRUPTIONS_SHOWN
  return (
    <>
      {hidden > 0 && <p className="note">Interrupted {formatCount(hidden)} times before.</p>}
      {interruptions.slice(-INTERRUPTIONS_SHOWN).map((each) => (
        <p key={each.id} className="note" data-testid="interruption-note">
          {interruptionSentence(each)}
        </p>
      ))}
    </>
  )
}

/** How the answer ended, when not well. */
export function EndNotes({
  open,
  again,
  skewMs,
}: {
  readonly open: AnswerView
  readonly again: () => void
  readonly skewMs: number
}): ReactNode {
  const { error, state, finish, proof, trouble } = open
  return (
    <>
      {error && (
        <div className="note bad mt-4" data-testid="error-note">
          <span className="min-w-0 flex-1 basis-60">
            <strong className="font-semibold">{failureSentence(error.code)}</strong>
            {error.message !== '' && messageTellsMore(error.code) && (
              <span className="block text-[12.5px] opacity-90">{error.message}</span>
            )}
          </span>
          <RetryButton retryAtMs={error.retryAfterMs && error.atMs + error.retryAfterMs - skewMs} again={again} />
        </div>
      )}
      {state === 'stopped' && (
        <p className="note plain mt-4" data-testid="stopped-note">
          Stopped. {open.text === '' ? 'There was no text yet.' : 'What had been written until then is kept.'}
        </p>
      )}
      {finish === 'length' && (
        <p className="note mt-4">The model reached the length an answer may have; the text ends here.</p>
      )}
      {proof === 'differs' && (
        <p className="note bad mt-4" data-testid="proof-note">
          This text is not what the stream says it should be. Its length or its checksum differs.
        </p>
      )}
      {trouble && (
        <p className="note bad mt-4" data-testid="trouble-note">
          {troubleSentence(trouble)}
        </p>
      )}
    </>
  )
}

/** Without a time to wait for, it may be tried again at once. */
function RetryButton({
  retryAtMs = 0,
  again,
}: {
  readonly retryAtMs: number | undefined
  readonly again: () => void
}): ReactNode {
  const leftS = useSecondsLeft(retryAtMs)
  return (
    <button type="button" className="quiet-button tabular-nums" onClick={again} disabled={leftS > 0}>
      {leftS > 0 ? `Try again in ${leftS} s` : 'Try again'}
    </button>
  )
}

function useSecondsLeft(atMs: number): number {
  const nowMs = useNow(atMs > Date.now() ? 250 : undefined)
  return Math.max(0, Math.ceil((atMs - nowMs) / 1000))
}

/** A question that wasn't taken, above the box. */
export function RefusalNote({
  refusal,
  again,
  dismiss,
}: {
  readonly refusal: WireError & { readonly atMs: number }
  readonly again: () => void
  readonly dismiss: () => void
}): ReactNode {
  return (
    <div className="mx-auto w-full max-w-[772px] px-4 pt-3 pb-2">
      <div className="note bad mb-0! items-center" data-testid="refusal-note">
        <span className="min-w-0 flex-1 basis-60">{refusalSentence(refusal)}</span>
        <span className="flex gap-2">
          <RetryButton retryAtMs={refusal.retryAfterMs && refusal.atMs + refusal.retryAfterMs} again={again} />
          <button type="button" className="quiet-button" onClick={dismiss}>
            Dismiss
          </button>
        </span>
      </div>
    </div>
  )
}

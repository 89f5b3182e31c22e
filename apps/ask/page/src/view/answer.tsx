/** The open answer: question, figures, notes, the text as it grows, its sources, what can be done with it. */
import { useEffect, useRef, type ReactNode } from 'react'
import { useStickToBottom } from 'use-stick-to-bottom'
import type { AnswerView } from '../answer-log.ts'
import type { Asking } from '../client.ts'
import { formatCount, formatRate, formatSeconds } from '../format.ts'
import { linkTarget } from '../links.ts'
import { useCopy, useNow } from './hooks.ts'
import { AgainIcon, CheckIcon, CopyIcon, DownIcon } from './icons.tsx'
import { EndNotes, InterruptionNotes } from './notes.tsx'
import { Prose } from './prose.tsx'
import { QuestionHeading } from './question-heading.tsx'

export interface AnswerProps {
  readonly open: AnswerView
  readonly watching: number | undefined
  /** Milliseconds for the whole, when it was asked without stream. */
  readonly wholeMs: number | undefined
  readonly fromHandbook: boolean
  readonly skewMs: number
  readonly again: () => void
  readonly openArticle: (slug: string) => void
}

export function Answer(props: AnswerProps): ReactNode {
  const { open, openArticle } = props
  const running = isRunning(open)
  const isMissing = open.trouble !== undefined && open.entries === 0
  const { scrollRef, contentRef, isAtBottom, scrollToBottom } = useStickToBottom({ initial: false, resize: 'instant' })
  useFollowing(open, () => void scrollToBottom('instant'))
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scrollRef}
        className="slim-scroll h-full overflow-y-auto px-4 py-4.5 phone:px-8 phone:py-7"
        role="region"
        aria-label="Answer"
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
      >
        <div ref={contentRef} className="mx-auto max-w-[740px]">
          <QuestionHeading question={open.question || (open.trouble ? 'Not found' : 'Loading…')} />
          {isMissing ? undefined : <Meta {...props} />}
          {props.fromHandbook && !isMissing && <GuideLine />}
          <InterruptionNotes interruptions={open.interruptions} />
          <div
            data-testid="answer-text"
            data-answer={open.answer}
            data-last-id={open.lastId ?? ''}
            data-chars={open.text.length}
            data-state={open.state}
            aria-busy={running}
            className="prose"
          >
            <Prose text={open.text} cuts={open.cuts} closed={!running} openArticle={openArticle} />
          </div>
          {open.text === '' && running && !open.trouble && <Waiting label="Waiting for the first words" />}
          <Sources open={open} openArticle={openArticle} />
          <EndNotes open={open} again={props.again} skewMs={props.skewMs} />
          {!running && !isMissing && <Actions {...props} />}
        </div>
      </div>
      {!isAtBottom && running && (
        <button
          type="button"
          onClick={() => void scrollToBottom('instant')}
          className="quiet-button absolute bottom-3 left-1/2 -translate-x-1/2 shadow-[0_8px_24px_-12px_var(--shadow)]"
        >
          <DownIcon /> Latest
        </button>
      )}
    </div>
  )
}

export function isRunning(open: AnswerView): boolean {
  return open.state === 'waiting' || open.state === 'streaming'
}

/** A running answer is followed at its end; a finished one is read from the top. */
function useFollowing(open: AnswerView, scrollToBottom: () => void): void {
  const followed = useRef(false)
  const scroll = useRef(scrollToBottom)
  scroll.current = scrollToBottom
  const follows = isRunning(open) && open.caughtUp
  useEffect(() => {
    if (!follows || followed.current) return
    followed.current = true
    scroll.current()
  }, [follows])
}

function Meta({ open, watching, wholeMs }: AnswerProps): ReactNode {
  const running = isRunning(open)
  const receivedMs = wholeMs ?? open.firstMs
  return (
    // As high as it gets, so that no figure moves the text when it comes.
    <div className="mb-4.5 flex flex-wrap content-start gap-x-4.5 gap-y-1.5 text-[13px] max-phone:min-h-12 max-[360px]:min-h-[75px] text-soft tabular-nums [&_b]:font-semibold [&_b]:text-ink">
      <span
        data-testid="answer-state"
        data-state={open.state}
        className={`inline-flex items-center gap-[7px] font-semibold ${running || open.state === 'failed' ? 'text-red-ink' : open.state === 'done' ? 'text-ok' : 'text-soft'}`}
      >
        {running && <i className="beat size-[7px] rounded-full bg-red" aria-hidden="true" />}
        {open.state}
      </span>
      {receivedMs !== undefined && (
        <span
          title={
            wholeMs === undefined
              ? 'From the question to the first words'
              : 'Without stream: from the question to the whole answer'
          }
        >
          Response received in (seconds) <b data-testid="response-time">{formatSeconds(receivedMs)}</b>
        </span>
      )}
      {open.tokensPerSecond !== undefined && (
        <span title={open.tokensCounted ? 'As the provider counted' : 'Estimated: four characters to a token'}>
          <b>
            {open.tokensCounted ? '' : '≈ '}
            {formatRate(open.tokensPerSecond)}
          </b>{' '}
          tokens/s
        </span>
      )}
      <span>
        <b>{formatCount(open.entries)}</b> {open.entries === 1 ? 'entry' : 'entries'}
      </span>
      {open.totalMs !== undefined && (
        <span>
          <b>{formatSeconds(open.totalMs)} s</b> in total
        </span>
      )}
      {watching !== undefined && watching > 1 && <span>{watching} tabs watching</span>}
    </div>
  )
}

/** No model wrote this, and nobody should think so. */
export function GuideLine(): ReactNode {
  return (
    <p className="mb-4.5 border-l-[3px] border-red py-0.5 pl-3 text-[13.5px] font-medium" data-testid="guide-line">
      Answers from the handbook, no language model
    </p>
  )
}

function Sources({
  open,
  openArticle,
}: {
  readonly open: AnswerView
  readonly openArticle: (slug: string) => void
}): ReactNode {
  const sources = open.sources.flatMap((each) => {
    const target = linkTarget(each.href)
    return target === undefined ? [] : [{ ...each, target }]
  })
  if (sources.length === 0) return undefined
  const chip =
    'inline-flex min-h-7 items-center rounded-lg border border-line px-[9px] py-[3px] text-[12.5px] text-soft hover:border-edge hover:text-ink'
  return (
    <ul className="mt-2 mb-4 flex flex-wrap gap-2" aria-label="Sources">
      {sources.map(({ title, href, target }) => (
        <li key={href}>
          {target.kind === 'handbook' ? (
            <button type="button" className={chip} aria-haspopup="dialog" onClick={() => openArticle(target.slug)}>
              {title}
            </button>
          ) : (
            <a className={chip} href={target.href} target="_blank" rel="noopener noreferrer nofollow">
              {title}
            </a>
          )}
        </li>
      ))}
    </ul>
  )
}

function Actions({ open, again }: AnswerProps): ReactNode {
  const { copied, copy } = useCopy(open.text)
  return (
    <div className="mt-4 flex flex-wrap gap-2">
      {open.text !== '' && (
        <button type="button" className="quiet-button" data-testid="copy-answer" onClick={copy}>
          {copied ? <CheckIcon /> : <CopyIcon />}
          {copied ? 'Copied' : 'Copy answer'}
        </button>
      )}
      {/* A failed one has a button of its own, which also keeps the time to wait. */}
      {open.question !== '' && open.state !== 'failed' && (
        <button type="button" className="quiet-button" data-testid="regenerate" onClick={again}>
          <AgainIcon /> Regenerate
        </button>
      )}
      {open.proof === 'verified' && (
        <span
          className="inline-flex min-h-8 items-center gap-1 px-1 text-[12.5px] text-ok"
          data-testid="proof"
          title="Length and SHA-256 of this text are those of the stream’s last entry"
        >
          <CheckIcon /> verified against the stream
        </span>
      )}
    </div>
  )
}

function Waiting({ label }: { readonly label: string }): ReactNode {
  return (
    <p className="flex items-center gap-3 text-[13.5px] text-soft">
      <span className="turn size-4 rounded-full border-2 border-line border-t-red" aria-hidden="true" />
      {label}
    </p>
  )
}

/** Sent, and not taken yet; without stream this lasts as long as the answer takes. */
export function AskingPane({ asking }: { readonly asking: Asking }): ReactNode {
  const nowMs = useNow(100)
  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4.5 phone:px-8 phone:py-7">
      <div className="mx-auto max-w-[740px]">
        <QuestionHeading question={asking.question} />
        <div className="mb-4.5 flex gap-x-4.5 text-[13px] text-soft tabular-nums">
          <span
            data-testid="answer-state"
            data-state="waiting"
            className="inline-flex items-center gap-[7px] font-semibold text-red-ink"
          >
            <i className="beat size-[7px] rounded-full bg-red" aria-hidden="true" />
            waiting
          </span>
          {asking.whole && <span>{(Math.max(0, nowMs - asking.sinceMs) / 1000).toFixed(1)} s</span>}
        </div>
        <Waiting
          label={
            asking.whole
              ? 'Without stream: the page shows nothing until the whole answer is there'
              : 'Sending the question'
          }
        />
      </div>
    </div>
  )
}

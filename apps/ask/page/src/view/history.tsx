/** This browser's questions, by day; choosing one opens its answer from the stored stream. */
import { memo, useMemo, type ReactNode } from 'react'
import { dayOf, type Day } from '../format.ts'
import { hashOf } from '../route.ts'
import type { Summary } from '../wire.ts'
import { useNow } from './hooks.ts'

const DAYS: readonly Day[] = ['Today', 'Yesterday', 'Earlier']

export interface HistoryProps {
  readonly history: readonly Summary[] | undefined
  readonly open: string | undefined
  readonly skewMs: number
  readonly goHome: () => void
  /** The address may be the answer's own already, and its link would change nothing. */
  readonly chosen: (answer: string) => void
}

export const History = memo(function History({ history, open, skewMs, goHome, chosen }: HistoryProps): ReactNode {
  const nowMs = useNow(60_000) + skewMs
  const days = useMemo(() => groupByDay(history ?? [], nowMs), [history, nowMs])
  return (
    <nav aria-label="Your questions" data-testid="history" className="slim-scroll h-full overflow-y-auto px-3 py-4">
      <button
        type="button"
        onClick={goHome}
        className="block min-h-10 w-full rounded-[10px] bg-red-solid px-3 py-2 text-center text-[13.5px] font-semibold text-white hover:brightness-110"
      >
        New question
      </button>
      {days.map(([day, summaries]) => (
        <section key={day} aria-label={day}>
          <h2 className="mx-2 mt-4.5 mb-1.5 text-[11.5px] font-semibold tracking-[0.05em] text-faint uppercase">
            {day}
          </h2>
          <ul>
            {summaries.map((each) => (
              <li key={each.answer}>
                <Question summary={each} current={each.answer === open} chosen={chosen} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {history?.length === 0 && <p className="mx-2 mt-5 text-[13px] text-faint">Your questions will stand here.</p>}
    </nav>
  )
})

const MARKS: Readonly<Record<string, { className: string; label: string }>> = {
  waiting: { className: 'bg-warn beat', label: 'waiting' },
  streaming: { className: 'bg-red beat', label: 'streaming' },
  failed: { className: 'border-2 border-red-ink', label: 'failed' },
}

function Question({
  summary,
  current,
  chosen,
}: {
  readonly summary: Summary
  readonly current: boolean
  readonly chosen: (answer: string) => void
}): ReactNode {
  const mark = MARKS[summary.state]
  return (
    <a
      href={hashOf(summary.answer)}
      onClick={(event) => {
        if (!event.ctrlKey && !event.metaKey && !event.shiftKey) chosen(summary.answer)
      }}
      aria-current={current ? 'page' : undefined}
      title={summary.question}
      className={`flex min-h-9 items-center gap-2 rounded-[9px] px-2.5 py-1.5 text-[13.5px] ${
        current ? 'bg-tint font-[550] text-red-ink' : 'text-soft hover:bg-wash hover:text-ink'
      }`}
    >
      <span className="flex-1 truncate">{summary.question || 'A question'}</span>
      {mark && (
        <>
          <span className={`size-[7px] flex-none rounded-full ${mark.className}`} aria-hidden="true" />
          <span className="sr-only">, {mark.label}</span>
        </>
      )}
    </a>
  )
}

function groupByDay(history: readonly Summary[], nowMs: number): [Day, Summary[]][] {
  return DAYS.map((day): [Day, Summary[]] => [
    day,
    history.filter((each) => dayOf(each.askedAtMs, nowMs) === day),
  ]).filter(([, summaries]) => summaries.length > 0)
}

/**
 * How long until the first words, streaming and not, of the same question: a streamed answer's total time is what
 * a reader without stream waits for its first words; an answer asked without stream has a stream all the same,
 * which tells when its first words were there.
 */
import type { ReactNode } from 'react'
import type { AnswerView } from '../answer-log.ts'
import type { Comparison } from '../comparison.ts'
import { formatSeconds } from '../format.ts'
import { isRunning } from './answer.tsx'

export interface FirstWordsProps {
  readonly open: AnswerView | undefined
  readonly comparison: Comparison
  /** Of the open answer, when it was asked without stream. */
  readonly wholeMs: number | undefined
  readonly nowMs: number
}

export function FirstWords(props: FirstWordsProps): ReactNode {
  const { streamingMs, withoutMs, note } = barsOf(props)
  const longest = Math.max(streamingMs ?? 0, withoutMs ?? 0, 1)
  return (
    <section
      className="flex-none px-4.5 pt-4 pb-[calc(14px+env(safe-area-inset-bottom))]"
      aria-label="First words after"
    >
      <h2 className="mb-2 text-[13px] font-[650]">First words after</h2>
      <Bar name="streaming" ms={streamingMs} longest={longest} className="bg-red" />
      <Bar name="without stream" ms={withoutMs} longest={longest} className="bg-edge" />
      <p className="mt-1.5 min-h-8 text-[11.5px] leading-4 text-faint">{note}</p>
    </section>
  )
}

interface Bars {
  readonly streamingMs: number | undefined
  readonly withoutMs: number | undefined
  readonly note: string
}

function barsOf({ open, comparison, wholeMs, nowMs }: FirstWordsProps): Bars {
  const { firstMs, askedAtMs } = open ?? {}
  if (open === undefined || firstMs === undefined || askedAtMs === undefined) return lastMeasured(comparison)
  if (wholeMs !== undefined) {
    const note = 'Both for this question: its first words stood in the stream while you waited.'
    return { streamingMs: firstMs, withoutMs: wholeMs, note }
  }
  if (isRunning(open)) {
    const withoutMs = Math.max(nowMs - askedAtMs, firstMs)
    return { streamingMs: firstMs, withoutMs, note: 'Without stream you would still be waiting.' }
  }
  if (open.state !== 'done')
    return { streamingMs: firstMs, withoutMs: undefined, note: 'This answer was not completed.' }
  const note = `Without stream: the total time of this answer. ${measuredNote(comparison.wholeMs)}`
  return { streamingMs: firstMs, withoutMs: open.totalMs, note }
}

function measuredNote(wholeMs: number | undefined): string {
  if (wholeMs === undefined) return 'Tick “Without Stream” to measure it.'
  return `Last measured without stream: ${formatSeconds(wholeMs)} s.`
}

function lastMeasured({ streamed, wholeMs }: Comparison): Bars {
  const isMeasured = streamed !== undefined || wholeMs !== undefined
  const note = isMeasured ? 'Each as last measured in this browser.' : 'Measured with your first answers.'
  return { streamingMs: streamed?.firstMs, withoutMs: wholeMs, note }
}

function Bar({
  name,
  ms,
  longest,
  className,
}: {
  readonly name: string
  readonly ms: number | undefined
  readonly longest: number
  readonly className: string
}): ReactNode {
  return (
    <div className="my-[5px] grid grid-cols-[104px_1fr_52px] items-center gap-2.5 text-[12.5px] text-soft">
      <span>{name}</span>
      <span className="h-[9px]">
        {ms !== undefined && (
          <i
            className={`block h-full min-w-1.5 rounded-[5px] ${className}`}
            style={{ width: `${(ms / longest) * 100}%` }}
          />
        )}
      </span>
      <b className="text-right font-semibold text-ink tabular-nums">
        {ms === undefined ? '–' : `${formatSeconds(ms)} s`}
      </b>
    </div>
  )
}

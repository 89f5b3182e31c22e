/**
 * How long until the first words, streaming and not: both measured. Before anything was asked without stream, the
 * second bar is the time this streamed answer takes as a whole, which is what a reader would have waited.
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
      <p className="mt-1.5 text-[11.5px] leading-4 text-faint">{note}</p>
    </section>
  )
}

interface Bars {
  readonly streamingMs: number | undefined
  readonly withoutMs: number | undefined
  readonly note: string
}

function barsOf({ open, comparison, wholeMs, nowMs }: FirstWordsProps): Bars {
  const own = wholeMs === undefined ? open : undefined
  const streamingMs = own?.firstMs ?? comparison.streamed?.firstMs
  const measuredMs = wholeMs ?? comparison.wholeMs
  if (measuredMs !== undefined)
    return { streamingMs, withoutMs: measuredMs, note: 'Each as last measured in this browser.' }
  if (own?.firstMs !== undefined && own.askedAtMs !== undefined && isRunning(own)) {
    const withoutMs = Math.max(nowMs - own.askedAtMs, own.firstMs)
    return { streamingMs, withoutMs, note: 'Without stream you would still be waiting.' }
  }
  const withoutMs = (own?.state === 'done' ? own.totalMs : undefined) ?? comparison.streamed?.totalMs
  if (withoutMs === undefined) return { streamingMs, withoutMs, note: 'Measured with your first answers.' }
  return {
    streamingMs,
    withoutMs,
    note: 'Without stream: the total time of the streamed answer. Tick “Without Stream” to measure it.',
  }
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

/** The stream beside the answer: its figures, its entries as they arrive, and the questions' stream. */
import { memo, type ReactNode } from 'react'
import { ROWS_MAX, type AnswerView, type Row } from '../answer-log.ts'
import type { Comparison } from '../comparison.ts'
import { formatAge, formatBytes, formatCount, formatLeft, formatRate, shortId } from '../format.ts'
import type { Inspection, Pending } from '../wire.ts'
import { isRunning } from './answer.tsx'
import { FirstWords } from './first-words.tsx'
import { useNow } from './hooks.ts'
import { ROW_PX, useRowWindow } from './row-window.ts'
import { Sparkline } from './sparkline.tsx'

export interface InspectorProps {
  readonly open: AnswerView | undefined
  readonly inspection: Inspection | undefined
  readonly comparison: Comparison
  readonly wholeMs: number | undefined
  readonly skewMs: number
}

const RATE_MS = 2000
const FRESH_MS = 2000

export const Inspector = memo(function Inspector({
  open,
  inspection,
  comparison,
  wholeMs,
  skewMs,
}: InspectorProps): ReactNode {
  const nowMs = useNow(1000) + skewMs
  const stream = inspection?.stream
  return (
    <aside
      aria-label="The stream"
      data-testid="inspector"
      className="@container flex h-full min-h-0 max-phone:min-h-[720px] min-w-0 flex-col bg-card"
    >
      <section className="border-b border-line px-4.5 py-4">
        <Title name="The stream" code={stream?.stream ?? (open && open.entries > 0 ? `…:${open.answer}` : undefined)} />
        <Numbers open={open} inspection={inspection} nowMs={nowMs} />
        <Sparkline points={open?.rate ?? []} />
      </section>
      <Entries open={open} nowMs={nowMs} />
      <Questions inspection={inspection} />
      <FirstWords open={open} comparison={comparison} wholeMs={wholeMs} nowMs={nowMs} />
    </aside>
  )
})

function Title({ name, code }: { readonly name: string; readonly code: string | undefined }): ReactNode {
  return (
    <h2 className="mb-2.5 flex items-baseline justify-between gap-3 text-[13px] font-[650]">
      <span className="flex-none">{name}</span>
      {code && (
        <code className="truncate font-mono text-xs font-normal text-soft" title={code}>
          {code}
        </code>
      )}
    </h2>
  )
}

function Numbers({
  open,
  inspection,
  nowMs,
}: {
  readonly open: AnswerView | undefined
  readonly inspection: Inspection | undefined
  readonly nowMs: number
}): ReactNode {
  const stream = inspection?.stream
  const rate = open && open.entries > 0 && isRunning(open) ? formatRate(recentRate(open.rows, nowMs)) + '/s' : '–'
  return (
    <dl className="grid grid-cols-4 gap-2.5">
      <Figure name="entries" value={open ? formatCount(Math.max(open.entries, stream?.length ?? 0)) : '–'} />
      <Figure name="memory" value={stream ? formatBytes(stream.memoryBytes) : '–'} />
      <Figure name="rate" value={rate} />
      <Figure
        name="expires"
        value={stream?.ttlMs === undefined ? (stream ? 'not yet' : '–') : formatLeft(stream.ttlMs)}
      />
    </dl>
  )
}

/** Entries a second, over the last two. */
function recentRate(rows: readonly Row[], nowMs: number): number {
  return rows.filter((row) => row.atMs > nowMs - RATE_MS).length / (RATE_MS / 1000)
}

function Figure({ name, value }: { readonly name: string; readonly value: string }): ReactNode {
  return (
    <div className="flex min-w-0 flex-col-reverse text-[11.5px] text-faint">
      <dt>{name}</dt>
      <dd className="truncate text-[17px] leading-[1.3] font-[620] tracking-[-0.01em] text-ink tabular-nums">
        {value}
      </dd>
    </div>
  )
}

function Entries({ open, nowMs }: { readonly open: AnswerView | undefined; readonly nowMs: number }): ReactNode {
  const rows = open?.rows ?? []
  const { list, from, to } = useRowWindow(rows.length, rows.at(-1)?.id)
  const hidden = open ? open.entries - rows.length : 0
  return (
    <section
      ref={list}
      className="slim-scroll min-h-40 flex-1 overflow-y-auto border-b [overflow-anchor:none] border-line px-4.5"
      role="region"
      aria-label="Entries"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
    >
      <div className="pb-2">
        {hidden > 0 && (
          <p className="pt-3 text-[11.5px] text-faint">
            The last {ROWS_MAX} entries; {formatCount(hidden)} before them are in the stream.
          </p>
        )}
        <table className="figures w-full table-fixed border-collapse text-xs tabular-nums">
          <thead className="sticky top-0 bg-card">
            <tr>
              <th className="w-[78px] pt-3!">ID</th>
              <th className="w-[76px] pt-3!">Type</th>
              <th className="right w-9 pt-3!">Seq</th>
              <th className="pt-3!">Text</th>
              <th className="right w-11 pt-3! @max-[410px]:hidden">Size</th>
              <th className="right w-11 pt-3!">Age</th>
            </tr>
          </thead>
          <tbody>
            <Space rows={from} />
            {rows.slice(from, to).map((row) => {
              const ageMs = Math.max(0, nowMs - row.atMs)
              return <EntryRow key={row.id} row={row} age={formatAge(ageMs)} fresh={row.live && ageMs < FRESH_MS} />
            })}
            <Space rows={rows.length - to} />
          </tbody>
        </table>
        {rows.length === 0 && <p className="py-3 text-xs text-faint">No entries yet.</p>}
      </div>
    </section>
  )
}

/** The height of rows that are not in the document. */
function Space({ rows }: { readonly rows: number }): ReactNode {
  return rows > 0 && <tr aria-hidden="true" style={{ height: rows * ROW_PX }} />
}

const BADGES: Readonly<Record<string, string>> = {
  start: 'good',
  end: 'good',
  restarted: 'odd',
  stopped: 'odd',
  error: 'bad',
}

interface EntryRowProps {
  readonly row: Row
  readonly age: string
  /** It has just come. */
  readonly fresh: boolean
}

const EntryRow = memo(function EntryRow({ row, age, fresh }: EntryRowProps): ReactNode {
  return (
    <tr data-testid="inspector-row" data-id={row.id} className={`h-[26px] ${fresh ? 'fresh' : ''}`}>
      <td className="font-mono text-[11.5px] text-soft" title={row.id}>
        {shortId(row.id)}
      </td>
      <td>
        <span className={`badge ${BADGES[row.type] ?? ''}`}>{row.type}</span>
      </td>
      <td className="right">{row.seq}</td>
      <td title={row.text}>{row.text}</td>
      <td className="right text-soft @max-[410px]:hidden">{formatBytes(row.bytes)}</td>
      <td className="right text-soft">{age}</td>
    </tr>
  )
})

function Questions({ inspection }: { readonly inspection: Inspection | undefined }): ReactNode {
  const questions = inspection?.questions
  return (
    <section
      className="slim-scroll max-h-64 flex-none overflow-y-auto border-b border-line px-4.5 py-4"
      role="region"
      aria-label="The questions' stream"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
    >
      <Title name="Questions" code={questions?.group && `group ${questions.group.name}`} />
      <table className="figures w-full table-fixed border-collapse text-xs tabular-nums">
        <thead>
          <tr>
            <th className="w-2/5">Consumer</th>
            <th>State</th>
            <th className="right">Pending</th>
            <th className="right">Idle</th>
          </tr>
        </thead>
        <tbody>
          {questions?.consumers.map((each) => (
            <tr key={each.name}>
              <td title={each.name}>{each.name}</td>
              <td>
                <span className={`badge ${each.state === 'live' ? 'good' : 'odd'}`}>{each.state}</span>
              </td>
              <td className="right">{each.pending}</td>
              <td className="right text-soft">{formatAge(each.idleMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {questions && (
        <p className="mt-2 truncate text-[11.5px] text-faint" title={questions.stream}>
          {formatCount(questions.length)} {questions.length === 1 ? 'entry' : 'entries'}
          {questions.group && `, ${questions.group.pending} pending`}
          {questions.group?.lag !== undefined && `, ${questions.group.lag} behind`} in{' '}
          <code className="font-mono">{questions.stream}</code>
        </p>
      )}
      {questions && <PendingList pending={questions.pending} />}
    </section>
  )
}

function PendingList({ pending }: { readonly pending: readonly Pending[] }): ReactNode {
  return (
    <table className="figures mt-2 w-full table-fixed border-collapse text-xs tabular-nums">
      <thead>
        <tr>
          <th className="w-[78px]">Pending</th>
          <th>Consumer</th>
          <th className="right w-20">Deliveries</th>
          <th className="right w-14">Idle</th>
        </tr>
      </thead>
      <tbody>
        {pending.map((each) => (
          <tr key={each.id}>
            <td className="font-mono text-[11.5px] text-soft" title={each.id}>
              {shortId(each.id)}
            </td>
            <td title={each.consumer}>{each.consumer}</td>
            <td className="right">{each.deliveries}</td>
            <td className="right text-soft">{formatAge(each.idleMs)}</td>
          </tr>
        ))}
        {/* A row's height is kept: each answer would move the list above it twice. */}
        {pending.length === 0 && (
          <tr>
            <td colSpan={4} className="text-faint">
              none
            </td>
          </tr>
        )}
      </tbody>
    </table>
  )
}

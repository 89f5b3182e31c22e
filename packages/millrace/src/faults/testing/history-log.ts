/**
 * What happened, written by any number of processes into one file as it happens: one JSON line each, appended in one write,
 * so that a line is there whole or not at all, whenever its process is killed.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'
import type { History, HistoryEvent } from '../../simulation/history.ts'

export interface HistoryLine {
  /** `start`, `effect`, `end`: of a handler. `kill`, `stopped`: what comes next. The others are a worker's events and answers. */
  readonly what: string
  readonly pid: number
  readonly n?: number
  readonly id?: string
  readonly attempt?: number
  readonly fence?: number
  readonly count?: number
  readonly text?: string
  readonly atMs?: number
}

export class HistoryLog {
  readonly path: string
  readonly #file: number

  constructor(path = join(temporaryDirectory('history'), 'lines')) {
    this.path = path
    this.#file = openSync(path, 'a')
  }

  write(line: Omit<HistoryLine, 'pid'>): void {
    writeSync(this.#file, `${JSON.stringify({ ...line, pid: process.pid })}\n`)
  }

  lines(what?: string): HistoryLine[] {
    const all = readFileSync(this.path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as HistoryLine)
    return what === undefined ? all : all.filter((line) => line.what === what)
  }

  /** How many lines of a kind each number has. */
  counts(what: string): Map<number, number> {
    const counts = new Map<number, number>()
    for (const { n } of this.lines(what)) if (n !== undefined) counts.set(n, (counts.get(n) ?? 0) + 1)
    return counts
  }
}

/** What the lines say, for the checker: `sent` are the IDs of messages 0, 1, 2, …; effects of `twice` may be repeated. */
export function historyOf(log: HistoryLog, sent: readonly string[], twice: ReadonlySet<number> = new Set()): History {
  const group = 'g'
  const events: HistoryEvent[] = sent.map((id, n) => {
    return { kind: 'send', n, stream: 's', beganMs: 0, endedMs: 0, outcome: 'ok', id }
  })
  for (const { what, n = -1, pid } of log.lines()) {
    const consumer = String(pid)
    if (what === 'start') events.push({ kind: 'handled', group, n, consumer })
    if (what === 'end') events.push({ kind: 'done', group, n, consumer })
    if (what === 'once' && !twice.has(n)) events.push({ kind: 'effect', group, n })
    if (what === 'kill') events.push({ kind: 'fault', what: 'kill', atMs: 0 })
  }
  return [...events, { kind: 'end', isDrained: true, tookMs: 0 }]
}

/**
 * What happened, written by any number of processes into one file as it happens: one JSON line each, appended in one write,
 * so that a line is there whole or not at all, whenever its process is killed.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'

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

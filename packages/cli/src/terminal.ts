/** What people read: lines, and how far something has come. Control bytes, which may be part of a key, do not reach them. */
import type { LoadProgress } from '@millrace/engine'

/** So long nothing else runs; then signals have their turn, and whoever watches. */
const SLICE_MS = 100

/** A line for the operator, on standard error. */
export function logLine(line: string): void {
  process.stderr.write(`${withoutControls(line)}\n`)
}

/** A line of what was asked for, on standard output. */
export function printLine(line: string): void {
  process.stdout.write(`${withoutControls(line)}\n`)
}

function withoutControls(line: string): string {
  const plain = line.replace(/(?!\n)\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return plain.replace(/\n/g, '\n  ')
}

/** Takes steps to their end; a terminal shows how far they are. */
export async function finish<T>(label: string, steps: Generator<LoadProgress, T>): Promise<T> {
  const isShown = process.stderr.isTTY === true
  try {
    for (;;) {
      const untilMs = Date.now() + SLICE_MS
      let step = steps.next()
      while (step.done !== true && Date.now() < untilMs) step = steps.next()
      if (step.done === true) return step.value
      const { bytes, bytesTotal } = step.value
      if (isShown) process.stderr.write(`\r${label}: ${Math.floor((bytes / Math.max(bytesTotal, 1)) * 100)} %`)
      await new Promise<void>((resolve) => void setImmediate(resolve))
    }
  } finally {
    // The line is whoever's comes next.
    if (isShown) process.stderr.write('\r\x1b[K')
  }
}

/**
 * Streaming against not streaming, as measured in this browser: the time to the first words of the last streamed
 * answer, and of the last answer asked for "Without Stream".
 */
import { recall, remember } from './storage.ts'

export interface Comparison {
  /** Time to the first token, and to the end, of the last streamed answer. */
  readonly streamed: { readonly firstMs: number; readonly totalMs: number } | undefined
  /** Time to the whole of the last answer without stream. */
  readonly wholeMs: number | undefined
}

/** Answers that were asked without stream, with the seconds that took: the newest 40. */
export type WholeAnswers = Readonly<Record<string, number>>
const WHOLE_MAX = 40

export function recallComparison(): Comparison {
  const stored = record(recall('comparison'))
  const streamed = record(stored['streamed'])
  const firstMs = positive(streamed['firstMs'])
  const totalMs = positive(streamed['totalMs'])
  return {
    streamed: firstMs === undefined || totalMs === undefined ? undefined : { firstMs, totalMs },
    wholeMs: positive(stored['wholeMs']),
  }
}

export function rememberComparison(comparison: Comparison): void {
  remember('comparison', comparison)
}

export function recallWholeAnswers(): WholeAnswers {
  const found = Object.entries(record(recall('whole'))).filter(
    (each): each is [string, number] => positive(each[1]) !== undefined,
  )
  return Object.fromEntries(found.slice(-WHOLE_MAX))
}

export function withWholeAnswer(answers: WholeAnswers, answer: string, ms: number): WholeAnswers {
  const next = Object.fromEntries([...Object.entries(answers), [answer, ms] as const].slice(-WHOLE_MAX))
  remember('whole', next)
  return next
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

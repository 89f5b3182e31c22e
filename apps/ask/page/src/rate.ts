/**
 * Tokens per second over an answer's life, in at most 120 buckets: when they are used up, neighbours are joined
 * and each bucket covers twice the time. Time is the entries' own (the milliseconds of their IDs).
 *
 *   width 500 ms   | 12 | 24 | 23 | 25 | …        sum of tokens in each
 */

export interface RatePoint {
  /** Seconds since the first token. */
  readonly atS: number
  readonly tokensPerSecond: number
}

const BUCKETS_MAX = 120
const WIDTH_MS = 500
const RECENT_MS = 2000

/** An estimate: about four characters to a token. The provider's own count replaces it at the end. */
export function tokensIn(text: string): number {
  return text.length / 4
}

export class RateSeries {
  #buckets: number[] = []
  #widthMs = WIDTH_MS
  #startMs: number | undefined
  #recent: { readonly atMs: number; readonly tokens: number }[] = []

  add(atMs: number, tokens: number): void {
    this.#startMs ??= atMs
    let index = Math.max(0, Math.floor((atMs - this.#startMs) / this.#widthMs))
    while (index >= BUCKETS_MAX) {
      this.#halve()
      index = Math.floor((atMs - this.#startMs) / this.#widthMs)
    }
    while (this.#buckets.length <= index) this.#buckets.push(0)
    this.#buckets[index] = (this.#buckets[index] ?? 0) + tokens
    this.#recent.push({ atMs, tokens })
    if (this.#recent.length > 400) this.#recent = this.#recent.slice(-200)
  }

  #halve(): void {
    const joined: number[] = []
    for (let i = 0; i < this.#buckets.length; i += 2) {
      joined.push((this.#buckets[i] ?? 0) + (this.#buckets[i + 1] ?? 0))
    }
    this.#buckets = joined
    this.#widthMs *= 2
  }

  /** Over the last two seconds before `nowMs`; `undefined` before there is enough to tell. */
  recent(nowMs: number): number | undefined {
    const first = this.#recent[0]
    if (first === undefined) return undefined
    const fromMs = Math.max(nowMs - RECENT_MS, first.atMs)
    const elapsedMs = nowMs - fromMs
    if (elapsedMs < 250) return undefined
    const tokens = this.#recent.reduce((sum, each) => (each.atMs >= fromMs ? sum + each.tokens : sum), 0)
    return (tokens * 1000) / elapsedMs
  }

  points(): readonly RatePoint[] {
    const seconds = this.#widthMs / 1000
    return this.#buckets.map((tokens, i) => ({ atS: i * seconds, tokensPerSecond: tokens / seconds }))
  }
}

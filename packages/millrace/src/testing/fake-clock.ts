/**
 * A clock that only a test moves: for the toolkit (`Clock`) and for the embedded engine under it, so that leases, retries, delays and
 * blocked reads all follow it.
 *
 *   advance(1000) ──► the earliest timer's time ──fire──► promises and turns of the event loop ──► the next timer … ──► now + 1000
 *
 * Chance is seeded: the same seed and the same program give the same run.
 */
import { type Env, nodeEnv } from '@millrace/engine'
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'

interface FakeTimer {
  readonly atMs: number
  /** Timers of one moment fire in the order in which they were set. */
  readonly order: number
  readonly fire: () => void
}

export interface FakeClockOptions {
  /** Milliseconds since 1970 at the beginning. Default 1,700,000,000,000. */
  readonly startMs?: number
  /** Of `random`. Default 1. */
  readonly seed?: number
}

/** Promises that wait for each other through timers of this clock need no more turns than this after each. */
const TURNS = 1
/** More timers than this in one call of `advance` or `until`: a program that never comes to rest. */
const FIRED_MAX = 10_000_000

export class FakeClock implements Clock, Env {
  readonly fs = nodeEnv.fs
  #nowMs: number
  #startMs: number
  #order = 0
  #state: number
  /** A heap, the earliest first. */
  readonly #timers: FakeTimer[] = []
  readonly #cancelled = new Set<FakeTimer>()

  constructor({ startMs = 1_700_000_000_000, seed = 1 }: FakeClockOptions = {}) {
    this.#nowMs = startMs
    this.#startMs = startMs
    this.#state = seed | 0
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  /** Mulberry32: 32 bits of state, from the seed alone. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  setTimer(afterMs: number, fire: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, Math.ceil(afterMs)), order: this.#order++, fire }
    this.#push(timer)
    return () => void this.#cancelled.add(timer)
  }

  setBackgroundTimer(afterMs: number, fire: () => void): () => void {
    return this.setTimer(afterMs, fire)
  }

  /** Moves the clock; resolves when all that was due has happened, and what it led to. */
  async advance(byMs: number): Promise<void> {
    const toMs = this.#nowMs + byMs
    await settle()
    for (let fired = 0; fired < FIRED_MAX; fired++) {
      if (!(await this.#fireNext(toMs))) {
        this.#nowMs = toMs
        return
      }
    }
    throw new Error(`More than ${FIRED_MAX} timers within ${byMs} ms: the program never rests`)
  }

  /** Moves the clock from timer to timer until `isSo`; rejects with what did not happen `withinMs` (default a minute). */
  async until(
    isSo: () => boolean,
    options: { readonly withinMs?: number; readonly what?: string } = {},
  ): Promise<void> {
    const { withinMs = 60_000, what = 'what was waited for' } = options
    const toMs = this.#nowMs + withinMs
    await settle()
    for (let fired = 0; !isSo(); fired++) {
      if (fired < FIRED_MAX && (await this.#fireNext(toMs))) continue
      throw new Error(`${what} did not happen within ${withinMs} ms of the clock`)
    }
  }

  /** False: there is none up to then. */
  async #fireNext(toMs: number): Promise<boolean> {
    const timer = this.#pop(toMs)
    if (timer === undefined) return false
    this.#nowMs = timer.atMs
    timer.fire()
    await settle()
    return true
  }

  #pop(toMs: number): FakeTimer | undefined {
    for (;;) {
      const first = this.#timers[0]
      if (first === undefined) return undefined
      if (this.#cancelled.delete(first)) {
        this.#removeFirst()
        continue
      }
      if (first.atMs > toMs) return undefined
      this.#removeFirst()
      return first
    }
  }

  #push(timer: FakeTimer): void {
    const heap = this.#timers
    let i = heap.push(timer) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(timer, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = timer
  }

  #removeFirst(): void {
    const heap = this.#timers
    const last = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}

function isBefore(a: FakeTimer, b: FakeTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await turn()
}

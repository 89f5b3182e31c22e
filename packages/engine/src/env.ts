/**
 * The world as the engine and those right above it see it: a clock, timers, randomness, files.
 *
 *   engine functions  ◄── nowMs ── caller ── env.nowMs()
 *   blocked readers   ◄── expire ── caller ── env.setTimer()
 *   journal, snapshot ──► env.fs (files.ts)
 *
 * Production is `nodeEnv`; a test passes its own, with a clock that it moves by hand and files that live in memory. This
 * file is the one place of the package where Date.now, Math.random and setTimeout appear.
 */
import type { Fs } from './disk/files.ts'
import { nodeFs } from './disk/node-files.ts'

/** Ends a timer that was set; ending it twice, or after it has fired, does nothing. */
export type CancelTimer = () => void

export interface Env {
  /** Milliseconds since 1970, whole. May jump; the engine's IDs do not go back with it. */
  nowMs(): number
  /** Calls `fire` once, not before `afterMs` have passed; until then the process stays alive. */
  setTimer(afterMs: number, fire: () => void): CancelTimer
  /** As `setTimer`, but does not keep the process alive. */
  setBackgroundTimer(afterMs: number, fire: () => void): CancelTimer
  /** A number from 0 (included) to 1 (excluded). */
  random(): number
  readonly fs: Fs
}

// Above 2^31-1 setTimeout fires at once: a later deadline is reached in several steps by whoever sets it again.
const TIMER_MS_MAX = 2 ** 31 - 1

export const nodeEnv: Env = {
  nowMs: () => Date.now(),
  setTimer(afterMs, fire) {
    const timer = startTimer(afterMs, fire)
    return () => clearTimeout(timer)
  },
  setBackgroundTimer(afterMs, fire) {
    const timer = startTimer(afterMs, fire).unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
  fs: nodeFs,
}

function startTimer(afterMs: number, fire: () => void): NodeJS.Timeout {
  return setTimeout(fire, Math.min(Math.max(Math.ceil(afterMs), 0), TIMER_MS_MAX))
}

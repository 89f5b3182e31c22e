/**
 * Everything of a server that happens at a time: two timers, however many clients and keys there are.
 *
 *   alarm     ──► the earliest deadline of all who wait ──► they are served or told, the next deadline is set
 *   pendulum  ──► ten times a second: keys that have expired are removed (a bounded number, then again), and producers' IDs
 *              │                      (XADD IDMP) whose time is over forgotten, also in streams that nobody looks at
 *              ├► what nobody was answered for is written (reply-gate.ts)
 *              └► once a second: connections look at their deadlines, a snapshot may begin (keeper.ts), and what went through is
 *                               told as rates (traffic.ts)
 */
import { expireIids, type CancelTimer, type Database } from '@millrace/engine'
import type { ServerState } from './server-state.ts'

const SWING_MS = 100
const SWINGS_PER_CHECK = 10
/** Keys removed, and streams whose producers are looked at, between two looks at the clock. */
const SWEEP_KEYS = 200
const SWEEP_STREAMS = 200
/** How long each of these duties may take in one swing. */
const SWEEP_MS_MAX = 5

export class ServerTimers {
  readonly #server: ServerState
  #alarm: CancelTimer | undefined = undefined
  #alarmMs = Infinity
  #pendulum: CancelTimer | undefined = undefined
  #swings = 0

  constructor(server: ServerState) {
    this.#server = server
  }

  start(): void {
    this.#pendulum = this.#server.env.setBackgroundTimer(SWING_MS, () => this.#swing())
  }

  stop(): void {
    this.#pendulum?.()
    this.#pendulum = undefined
    this.#setAlarm(Infinity)
  }

  /** Somebody waits until then. */
  wakeAt(atMs: number): void {
    if (atMs < this.#alarmMs) this.#setAlarm(atMs)
  }

  /** Looks again who waits until when. */
  rearm(): void {
    const { nowMs, waiters } = this.#server
    let earliest = Infinity
    for (const each of waiters) if (each.size > 0) earliest = Math.min(earliest, each.nextDeadlineMs(nowMs) ?? Infinity)
    if (earliest !== this.#alarmMs) this.#setAlarm(earliest)
  }

  #setAlarm(atMs: number): void {
    this.#alarm?.()
    this.#alarm = undefined
    this.#alarmMs = atMs
    const { env } = this.#server
    // A deadline beyond what a timer can wait for is reached in several steps: `#ring` sets it again.
    if (atMs !== Infinity) this.#alarm = env.setTimer(atMs - env.nowMs(), () => this.#ring())
  }

  #ring(): void {
    const server = this.#server
    this.#alarm = undefined
    this.#alarmMs = Infinity
    server.tick()
    for (const waiters of server.waiters) if (waiters.size > 0) waiters.expire(server.nowMs)
    server.serveBlocked()
    this.rearm()
  }

  #swing(): void {
    const server = this.#server
    this.#pendulum = server.env.setBackgroundTimer(SWING_MS, () => this.#swing())
    server.tick()
    if (server.pause !== undefined && server.nowMs >= server.pause.untilMs) server.unpause()
    // As Redis: while clients are paused, no key expires by itself. While data load, they are somebody else's.
    if (server.pause === undefined && server.keeper?.loading === undefined) {
      this.#removeExpired()
      for (const [, database] of server.databases.made()) this.#forgetIids(database)
    }
    // What nobody was answered for.
    server.gate?.commitSoon()
    if (++this.#swings % SWINGS_PER_CHECK !== 0) return
    for (const connection of server.connections) connection.checkDeadlines(server.nowMs)
    server.keeper?.tick(server.nowMs)
    server.statistics.traffic.sample(server.commands.calls, server.nowMs)
  }

  #removeExpired(): void {
    const server = this.#server
    const { nowMs } = server
    const next = server.databases.nextExpiryMs()
    if (next === undefined || next > nowMs) return
    while (server.databases.sweep(nowMs, SWEEP_KEYS) === SWEEP_KEYS && server.env.nowMs() - nowMs < SWEEP_MS_MAX)
      continue
    server.serveBlocked()
  }

  /** Once around all of them at most; where the time ends before, the next swing goes on. */
  #forgetIids(database: Database): void {
    const { env, nowMs } = this.#server
    for (let left = database.idempotentKeys.size; left > 0; left -= SWEEP_STREAMS) {
      if (!expireIids(database, nowMs, SWEEP_STREAMS) || env.nowMs() - nowMs >= SWEEP_MS_MAX) return
    }
  }
}

/**
 * Blocked reads: who waits for which keys, in what order they are served, and how a wait ends.
 *
 *   key 'a'   waiter 1 ── waiter 2 ── waiter 4          first come, first served
 *   key 'b'   waiter 2 ── waiter 3                      a waiter stands in the queue of each of its keys
 *
 *   change ──► the key is ready ──► serve(): its waiters of that moment try again, in order
 *                                     has something, or an error ──► ends
 *                                     still nothing              ──► to the tail of its queues, with its old deadline
 *
 *   waiting ──served──► done      ──failed──► done      ──timed out──► done      ──cancelled──► done (nothing is told)
 *
 * `serve` is called after a whole command (or transaction), so nobody sees half of one. A new entry makes a key ready
 * for everybody; a key or group that vanishes only for group readers, who get the error. A plain read of a key that
 * vanishes goes on waiting. Nothing is ever served empty: whoever comes too late waits on.
 */
import type { Change } from './change.ts'
import type { Database } from './database.ts'
import { Deadlines } from './deadlines.ts'

export interface Wait {
  readonly keys: readonly string[]
  /** Tries the read again: true when it had something to tell (an error included) and told it, false to wait on. */
  readonly attempt: (nowMs: number) => boolean
  /** Tells that the time is over. */
  readonly timedOut: () => void
  /** A group reader is to try again also when its key or its group vanishes. */
  readonly isGroupRead: boolean
  /** When it ends with nothing; undefined: never. */
  readonly deadlineMs: number | undefined
}

export class Waiters {
  readonly #queues = new Map<string, Set<Wait>>()
  readonly #deadlines = new Deadlines<Wait>()
  /** Ready keys; true: for everybody, false: for group readers only. */
  readonly #ready = new Map<string, boolean>()
  readonly #waiting = new Set<Wait>()
  readonly #unsubscribe: () => void

  constructor(database: Database) {
    this.#unsubscribe = database.subscribe((change) => this.#observe(change))
  }

  get size(): number {
    return this.#waiting.size
  }

  /** The earliest deadline of a wait. */
  nextDeadlineMs(): number | undefined {
    return this.#deadlines.next()
  }

  /** Waits at the tail of its keys' queues. The caller has just tried and found nothing. */
  add(wait: Wait): void {
    this.#waiting.add(wait)
    this.#enqueue(wait)
    if (wait.deadlineMs !== undefined) this.#deadlines.set(wait, wait.deadlineMs)
  }

  /** Ends a wait and tells nobody. Returns false when it had ended before. */
  cancel(wait: Wait): boolean {
    if (!this.#waiting.delete(wait)) return false
    this.#dequeue(wait)
    this.#deadlines.delete(wait)
    return true
  }

  /** Lets those try again whose keys became ready since the last time. */
  serve(nowMs: number): void {
    // A try can make keys ready itself (one that it finds expired), but each of them once: every round removes a key.
    for (let next = this.#ready.entries().next(); next.done !== true; next = this.#ready.entries().next()) {
      const [key, isForAll] = next.value
      this.#ready.delete(key)
      const present = [...(this.#queues.get(key) ?? [])]
      for (const wait of present) if (isForAll || wait.isGroupRead) this.#retry(wait, nowMs)
    }
  }

  /** Ends the waits whose time is over. */
  expire(nowMs: number): void {
    for (let wait = this.#deadlines.take(nowMs); wait !== undefined; wait = this.#deadlines.take(nowMs)) {
      this.cancel(wait)
      wait.timedOut()
    }
  }

  /** All waits, for whoever ends them; the database is no longer observed. */
  close(): Wait[] {
    this.#unsubscribe()
    const waiting = [...this.#waiting]
    for (const wait of waiting) this.cancel(wait)
    this.#ready.clear()
    return waiting
  }

  #retry(wait: Wait, nowMs: number): void {
    // One of those before it may have ended it.
    if (!this.#waiting.has(wait)) return
    if (wait.attempt(nowMs)) {
      this.cancel(wait)
    } else if (this.#waiting.has(wait)) {
      this.#dequeue(wait)
      this.#enqueue(wait)
    }
  }

  #observe(change: Change): void {
    if (!this.#queues.has(change.key)) return
    if (change.kind === 'entry-added') this.#ready.set(change.key, true)
    else if (change.kind === 'key-removed' || change.kind === 'group-destroyed') {
      this.#ready.set(change.key, this.#ready.get(change.key) ?? false)
    }
  }

  #enqueue(wait: Wait): void {
    for (const key of wait.keys) {
      const queue = this.#queues.get(key)
      if (queue === undefined) this.#queues.set(key, new Set([wait]))
      else queue.add(wait)
    }
  }

  #dequeue(wait: Wait): void {
    for (const key of wait.keys) {
      const queue = this.#queues.get(key)
      queue?.delete(wait)
      if (queue?.size === 0) this.#queues.delete(key)
    }
  }
}

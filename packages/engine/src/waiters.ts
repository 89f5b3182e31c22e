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
 * for everybody, and so does a stream with entries that appears there in one piece (renamed, copied, moved, swapped, restored); a
 * key or group that vanishes, or becomes a string, only for group readers, who get the error; entries that were given
 * back only for claiming readers. A plain read of a key that vanishes goes on waiting. Nothing is ever served empty:
 * whoever comes too late waits on.
 *
 * A claiming reader (XREADGROUP … CLAIM) also tries again when a pending entry becomes old enough for it. When that is
 * changes with deliveries and claims: it is asked for anew when one of them can make it come sooner.
 */
import type { Change, CrossChange } from './change.ts'
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
  /** Of a claiming reader: when an entry becomes old enough for it (`nextClaimableMs`), or `undefined`. Must not throw. */
  readonly claimableMs?: (nowMs: number) => number | undefined
}

/** For whom a key is ready: each for those after it as well. */
type Readiness = 'all' | 'group-readers' | 'claimers'
const reach: Record<Readiness, number> = { all: 3, 'group-readers': 2, claimers: 1 }

export class Waiters {
  readonly #queues = new Map<string, Set<Wait>>()
  readonly #deadlines = new Deadlines<Wait>()
  readonly #ready = new Map<string, Readiness>()
  /** When claiming readers are to try again. */
  readonly #claims = new Deadlines<Wait>()
  /** Of each claiming reader, when it was last asked for that time. */
  readonly #settledMs = new Map<Wait, number>()
  /** Claiming readers whose time for that may have come nearer. */
  readonly #unsettled = new Set<Wait>()
  readonly #waiting = new Set<Wait>()
  readonly #database: Database
  readonly #unsubscribe: () => void

  constructor(database: Database) {
    const observe = (change: Change | CrossChange): void => this.#observe(change)
    const ends = [database.subscribe(observe), database.subscribeCross(observe)]
    this.#database = database
    this.#unsubscribe = () => ends.forEach((end) => end())
  }

  get size(): number {
    return this.#waiting.size
  }

  /** When `expire` is to be called next: the earliest deadline of a wait, or the earliest time to claim something. */
  nextDeadlineMs(nowMs: number): number | undefined {
    this.#settleClaims(nowMs)
    const deadlineMs = this.#deadlines.next()
    const claimMs = this.#claims.next()
    return deadlineMs === undefined || claimMs === undefined ? (deadlineMs ?? claimMs) : Math.min(deadlineMs, claimMs)
  }

  /** Waits at the tail of its keys' queues. The caller has just tried and found nothing. */
  add(wait: Wait): void {
    this.#waiting.add(wait)
    this.#enqueue(wait)
    if (wait.deadlineMs !== undefined) this.#deadlines.set(wait, wait.deadlineMs)
    if (wait.claimableMs !== undefined) this.#unsettled.add(wait)
  }

  /** Ends a wait and tells nobody. Returns false when it had ended before. */
  cancel(wait: Wait): boolean {
    if (!this.#waiting.delete(wait)) return false
    this.#dequeue(wait)
    this.#deadlines.delete(wait)
    this.#claims.delete(wait)
    this.#unsettled.delete(wait)
    this.#settledMs.delete(wait)
    return true
  }

  /** Lets those try again whose keys became ready since the last time. */
  serve(nowMs: number): void {
    // A try can make keys ready itself (one that it finds expired), but each of them once: every round removes a key.
    for (let next = this.#ready.entries().next(); next.done !== true; next = this.#ready.entries().next()) {
      const [key, readiness] = next.value
      this.#ready.delete(key)
      const present = [...(this.#queues.get(key) ?? [])]
      for (const wait of present) if (concerns(readiness, wait)) this.#retry(wait, nowMs)
    }
  }

  /** Lets those try again who can claim something by now, and ends the waits whose time is over. */
  expire(nowMs: number): void {
    this.#settleClaims(nowMs)
    const claimers: Wait[] = []
    for (let wait = this.#claims.take(nowMs); wait !== undefined; wait = this.#claims.take(nowMs)) claimers.push(wait)
    for (const wait of claimers) this.#retry(wait, nowMs)
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
      if (wait.claimableMs !== undefined) this.#unsettled.add(wait)
    }
  }

  #settleClaims(nowMs: number): void {
    for (const wait of this.#unsettled) {
      const claimMs = wait.claimableMs!(nowMs)
      if (claimMs === undefined) this.#claims.delete(wait)
      else this.#claims.set(wait, claimMs)
      this.#settledMs.set(wait, nowMs)
    }
    this.#unsettled.clear()
  }

  /** What is delivered after a reader was asked is old enough no sooner than what was pending then, if anything was. */
  #unsettleClaims(key: string, deliveredMs: number): void {
    for (const wait of this.#queues.get(key) ?? []) {
      const settledMs = this.#settledMs.get(wait)
      if (settledMs === undefined) continue
      if (deliveredMs < settledMs || this.#claims.get(wait) === undefined) this.#unsettled.add(wait)
    }
  }

  #observe(change: Change | CrossChange): void {
    if (this.#queues.size === 0) return
    switch (change.kind) {
      case 'entry-added':
        this.#setReady(change.key, 'all')
        return
      case 'key-removed':
      case 'string-set':
      case 'group-destroyed':
        this.#setReady(change.key, 'group-readers')
        return
      case 'nacked':
        this.#setReady(change.key, 'claimers')
        return
      case 'delivered':
      case 'claimed':
        if (this.#settledMs.size > 0) this.#unsettleClaims(change.key, change.atMs)
        return
      default:
        this.#observeKeys(change)
    }
  }

  /** What came, or went, in one piece. */
  #observeKeys(change: Change | CrossChange): void {
    switch (change.kind) {
      case 'key-renamed':
        this.#look(change.key)
        this.#look(change.to)
        return
      case 'key-restored':
      case 'key-moved':
        this.#look(change.key)
        return
      case 'key-copied':
        this.#look(change.toKey)
        return
      case 'flushed':
      case 'databases-swapped':
        for (const key of this.#queues.keys()) this.#look(key)
        return
      default:
    }
  }

  #look(key: string): void {
    const value = this.#database.peek(key)
    this.#setReady(key, value?.type === 'stream' && value.length > 0 ? 'all' : 'group-readers')
  }

  #setReady(key: string, readiness: Readiness): void {
    if (!this.#queues.has(key)) return
    const before = this.#ready.get(key)
    if (before === undefined || reach[readiness] > reach[before]) this.#ready.set(key, readiness)
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

function concerns(readiness: Readiness, wait: Wait): boolean {
  if (readiness === 'all') return true
  return readiness === 'group-readers' ? wait.isGroupRead : wait.claimableMs !== undefined
}

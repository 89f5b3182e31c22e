/**
 * The one answer that is followed, and how: behind the last entry that is known, again after every reconnect,
 * again after a gap, and from the first entry when the stream was rewritten or the text is not what it should be.
 */
import { idMs, type AnswerLog } from './answer-log.ts'
import type { Connection } from './connection.ts'
import { prove } from './proof.ts'
import { decodeBatch, decodeError, type WireError } from './wire.ts'

/** In a row without an entry in between; then the answer is shown as unreadable. */
const REPEATS_MAX = 5
const REPEAT_MS = 1000
/** An entry of the last seconds came live; older ones were read from the log. */
const LIVE_MS = 2500

export interface FollowedEvents {
  readonly changed: () => void
  readonly closed: (log: AnswerLog) => void
}

export class Followed {
  readonly #connection: Connection
  readonly #events: FollowedEvents
  #log: AnswerLog | undefined
  #repeats = 0
  #asking = false
  #waiting = false
  #reread = false

  constructor(connection: Connection, events: FollowedEvents) {
    this.#connection = connection
    this.#events = events
  }

  get log(): AnswerLog | undefined {
    return this.#log
  }

  open(log: AnswerLog | undefined): void {
    const before = this.#log
    if (before !== undefined && !before.closed) {
      before.caughtUp = false
      void this.#connection.call('unfollow', { answer: before.answer })
    }
    this.#log = log
    this.#repeats = 0
    this.#reread = false
    this.resume()
  }

  /** Follows behind the last known entry. */
  resume(): void {
    const log = this.#log
    if (log === undefined || log.closed) return
    log.caughtUp = false
    log.trouble = undefined
    void this.#follow(log)
  }

  async #follow(log: AnswerLog): Promise<void> {
    this.#asking = true
    const after = log.lastId === undefined ? {} : { after: log.lastId }
    const reply = await this.#connection.call('follow', { answer: log.answer, ...after })
    this.#asking = false
    if (this.#log !== log || reply.ok || reply.error.code === 'OFFLINE') return
    if (reply.error.code === 'NOT_FOUND') this.trouble(reply.error)
    else this.#again(reply.error)
  }

  /** At once, then later and later, and not for ever. What arrives meanwhile asks for nothing more. */
  #again(error: WireError): void {
    if (this.#waiting || this.#asking) return
    const log = this.#log
    if (this.#repeats >= REPEATS_MAX) {
      this.trouble(error)
      return
    }
    this.#waiting = true
    setTimeout(() => {
      this.#waiting = false
      if (this.#log === log) this.resume()
    }, REPEAT_MS * this.#repeats)
    this.#repeats += 1
  }

  trouble(error: WireError): void {
    if (this.#log === undefined) return
    this.#log.trouble = error
    this.#events.changed()
  }

  ended(payload: unknown): void {
    const { answer, error } = payload as { answer?: unknown; error?: unknown }
    const log = this.#log
    if (log === undefined || log.closed || answer !== log.answer) return
    const reason = decodeError(error)
    if (reason.code === 'NOT_FOUND') this.trouble(reason)
    else this.#again(reason)
  }

  take(payload: unknown): void {
    const log = this.#log
    const batch = decodeBatch(payload)
    if (log === undefined || log.closed || batch.answer !== log.answer) return
    for (const entry of batch.entries) {
      const applied = log.apply(entry, Date.now() - idMs(entry.id) < LIVE_MS)
      if (applied === 'applied') this.#repeats = 0
      if (applied === 'gap') {
        this.#again({ code: 'GAP', message: 'An entry of its stream is missing.' })
        return
      }
      if (applied === 'diverged') {
        this.#beginAnew()
        return
      }
    }
    log.caughtUp = batch.caughtUp
    log.trouble = undefined
    if (log.closed) void this.#finish(log)
    this.#events.changed()
  }

  #beginAnew(): void {
    if (this.#log === undefined) return
    this.#log.reset()
    this.#again({ code: 'DIVERGED', message: 'Its stream was rewritten while it was read.' })
  }

  async #finish(log: AnswerLog): Promise<void> {
    this.#events.closed(log)
    if (log.expected === undefined) return
    const proof = await prove(log.text, log.expected)
    if (proof === 'differs' && !this.#reread && this.#log === log) {
      this.#reread = true
      log.reset()
      this.resume()
      return
    }
    log.proof = proof
    this.#events.changed()
  }
}

/**
 * The follows of one socket: at most so many, one for each key, none outlives the socket.
 *
 *   open(key) ──► opening ──first read──► open ──run()──► closed answer, failure, end(key) or endAll()
 *
 * Opening a key that is open ends the older follow first.
 */
import type { Relay } from '@millrace/relay'
import { Follow, type FollowRequest, type Sink } from './follow.ts'
import { WireFailure } from './wire.ts'

export interface OpenFollow {
  /** Never rejects: a failure that nobody asked for goes to `onFailure`. */
  run(sink: Sink, onFailure: (error: unknown) => void): Promise<void>
}

export class Follows {
  readonly #relay: Relay
  readonly #countMax: number
  readonly #open = new Map<string, AbortController>()
  #ended = false

  constructor(relay: Relay, countMax: number) {
    this.#relay = relay
    this.#countMax = countMax
  }

  get count(): number {
    return this.#open.size
  }

  /** Rejects with `TOO_MANY_FOLLOWS` or as the relay's first read does. */
  async open(key: string, request: FollowRequest): Promise<OpenFollow> {
    if (this.#ended) throw new WireFailure('UNAVAILABLE', 'The connection is closed.')
    this.end(key)
    if (this.#open.size >= this.#countMax) {
      throw new WireFailure('TOO_MANY_FOLLOWS', `At most ${this.#countMax} follows on one connection.`)
    }
    const controller = new AbortController()
    this.#open.set(key, controller)
    const follow = new Follow(this.#relay, request, controller.signal)
    try {
      await follow.opened()
    } catch (error) {
      this.#forget(key, controller)
      throw error
    }
    return { run: (sink, onFailure) => this.#run(key, controller, () => follow.run(sink), onFailure) }
  }

  end(key: string): void {
    this.#open.get(key)?.abort(new WireFailure('BAD_REQUEST', 'This follow was ended or replaced by another.'))
    this.#open.delete(key)
  }

  endAll(): void {
    this.#ended = true
    for (const key of this.#open.keys()) this.end(key)
  }

  async #run(
    key: string,
    controller: AbortController,
    run: () => Promise<void>,
    onFailure: (error: unknown) => void,
  ): Promise<void> {
    try {
      await run()
    } catch (error) {
      if (!controller.signal.aborted) onFailure(error)
    } finally {
      this.#forget(key, controller)
    }
  }

  #forget(key: string, controller: AbortController): void {
    if (this.#open.get(key) === controller) this.#open.delete(key)
  }
}

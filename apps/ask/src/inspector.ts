/**
 * What the page's inspector shows: the streams behind an answer, as they are now.
 *
 *   relay.inspect(owner, answer) ─┐
 *   relay.inspectQuestions()     ─┴─► one picture, with a word for each consumer: live or dead
 *
 * A consumer gives a sign of life well within the lease; one that was silent for longer has lost its work.
 */
import type { ConsumerInfo } from 'millrace'
import type { QuestionsInfo, Relay } from '@millrace/relay'

export interface InspectorOptions {
  readonly backendLabel: string
  readonly leaseMs: number
}

export class Inspector {
  readonly #relay: Relay
  readonly #options: InspectorOptions

  constructor(relay: Relay, options: InspectorOptions) {
    this.#relay = relay
    this.#options = options
  }

  /** Rejects with the relay's `NOT_FOUND` for an answer that is not the owner's. */
  async inspect(owner: string, answer: string | undefined): Promise<object> {
    const [stream, questions] = await Promise.all([
      answer === undefined ? undefined : this.#relay.inspect(owner, answer),
      this.#relay.inspectQuestions(),
    ])
    return {
      nowMs: Date.now(),
      backend: { label: this.#options.backendLabel, memoryBytes: questions.backendMemoryBytes },
      ...(stream === undefined ? {} : { stream }),
      questions: this.#questions(questions),
    }
  }

  #questions({ stream, length, group, pending }: QuestionsInfo): object {
    return {
      stream,
      length,
      group: {
        name: group?.name,
        pending: group?.pending ?? 0,
        lag: group?.lag,
        lastDeliveredId: group?.lastDeliveredId ?? '0-0',
      },
      consumers: (group?.consumers ?? []).map((consumer) => this.#consumer(consumer)),
      pending,
    }
  }

  #consumer({ name, pending, idleMs }: ConsumerInfo): object {
    return { name, pending, idleMs, state: idleMs > this.#options.leaseMs ? 'dead' : 'live' }
  }
}

/**
 * The questions: jobs in one stream, worked on by one consumer group.
 *
 *   <prefix>_QUESTIONS   1795391639213-1  answer 7f3a…
 *                        1795391701555-0  answer 7f3a…  instead 1795391639213-1    handed on by a closing server
 *
 * A job holds no question and no owner, only where they are. More than one job for an answer does no harm: the
 * answer's own log decides who begins it.
 */
import type { Backend, EntryId } from 'millrace'
import { isAnswerId } from './answer-keys.ts'
import type { QuestionsInfo } from './relay.ts'

export const WORKERS = 'workers'
const PENDING_SHOWN = 100

export interface Job {
  readonly id: EntryId
  readonly answer: string
  /** The job that this one replaces. */
  readonly instead: string | undefined
}

export class Questions {
  readonly stream: string
  readonly #backend: Backend

  constructor(backend: Backend, stream: string) {
    this.#backend = backend
    this.stream = stream
  }

  async add(answer: string, instead?: string): Promise<void> {
    const fields = instead === undefined ? ['answer', answer] : ['answer', answer, 'instead', instead]
    await this.#backend.add(this.stream, fields)
  }

  /** True while a worker holds the job, or could be given it again. */
  async isPending(job: string): Promise<boolean> {
    const found = await this.#backend.pending(this.stream, WORKERS, { from: job, to: job, count: 1 })
    return found.length > 0
  }

  async inspect(): Promise<QuestionsInfo> {
    const info = await this.#backend.inspect(this.stream)
    const group = info?.groups.find((candidate) => candidate.name === WORKERS)
    const pending = group === undefined ? [] : await this.#pending()
    const { length = 0, backendMemoryBytes } = info ?? {}
    return { stream: this.stream, length, group, pending, backendMemoryBytes }
  }

  async #pending(): Promise<QuestionsInfo['pending']> {
    return await this.#backend.pending(this.stream, WORKERS, { count: PENDING_SHOWN })
  }
}

/** Undefined when the entry is no job of ours. */
export function jobFrom(id: EntryId, value: Readonly<Record<string, string>>): Job | undefined {
  const { answer, instead } = value
  return answer === undefined || !isAnswerId(answer) ? undefined : { id, answer, instead }
}

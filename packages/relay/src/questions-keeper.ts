/**
 * Keeps the questions' stream small: what is finished goes, what isn't stays, and so do the consumers.
 *
 *   job  job  job  job │ job  job  job  job
 *   ✓    ✓    ✓    ✓   │ ●    ✓    ●    ·          ✓ acknowledged  ● pending  · not delivered
 *                      └ everything before the first job that any group has not finished is trimmed
 *
 * A consumer without pending jobs that nobody has heard of for an hour is the remains of a server, and is removed.
 */
import { type Backend, type EntryId, type GroupInfo, StreamError } from 'millrace'
import { compareIds, idBehind } from './entry-id.ts'
import { WORKERS } from './questions.ts'

const INTERVAL_MS = 5000
const CONSUMER_IDLE_MS_MAX = 3_600_000

export class QuestionsKeeper {
  readonly #backend: Backend
  readonly #stream: string
  readonly #onError: (error: unknown) => void
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined

  constructor(backend: Backend, stream: string, onError: (error: unknown) => void) {
    this.#backend = backend
    this.#stream = stream
    this.#onError = onError
    this.#timer = setInterval(() => void (this.#running ??= this.#run()), INTERVAL_MS)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  /** Never rejects: the next run does what this one couldn't. */
  async #run(): Promise<void> {
    try {
      await trimFinished(this.#backend, this.#stream)
      await removeLostConsumers(this.#backend, this.#stream)
    } catch (error) {
      this.#onError(error)
    } finally {
      this.#running = undefined
    }
  }
}

/** Trims what every group has finished; resolves how many jobs went. */
export async function trimFinished(backend: Backend, stream: string): Promise<number> {
  // In this order: a job that is delivered after the look at the group lies behind its last delivered ID.
  const info = await backend.inspect(stream)
  if (info === undefined || info.length === 0 || info.groups.length === 0) return 0
  let minId: EntryId | undefined
  for (const group of info.groups) {
    const first = await firstUnfinished(backend, stream, group)
    if (minId === undefined || compareIds(first, minId) < 0) minId = first
  }
  return await backend.trim(stream, { minId: minId! })
}

async function firstUnfinished(backend: Backend, stream: string, group: GroupInfo): Promise<EntryId> {
  const behind = idBehind(group.lastDeliveredId)
  const [pending] = await backend.pending(stream, group.name, { count: 1 })
  return pending !== undefined && compareIds(pending.id, behind) < 0 ? pending.id : behind
}

export async function removeLostConsumers(
  backend: Backend,
  stream: string,
  idleMsMax: number = CONSUMER_IDLE_MS_MAX,
): Promise<void> {
  const info = await backend.inspect(stream)
  const group = info?.groups.find((candidate) => candidate.name === WORKERS)
  for (const { name, pending, idleMs } of group?.consumers ?? []) {
    if (pending > 0 || idleMs <= idleMsMax) continue
    try {
      await backend.deleteConsumer(stream, WORKERS, name)
    } catch (error) {
      // It came back to life in between, and keeps its jobs.
      if (!(error instanceof StreamError && error.code === 'CONSUMER_BUSY')) throw error
    }
  }
}

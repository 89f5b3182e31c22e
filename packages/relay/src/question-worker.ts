/**
 * This server's worker on the questions, and the keeper of their stream.
 *
 *   working ──close(graceMs)──► takes no more ──answers done, or graceMs──► hands on the rest ──► closed
 *
 * Times: a renewal each third of the lease, a look for lost jobs each quarter (with jitter, 1 s at most), so that a
 * dead server's answer begins again about one and a half leases after its last sign of life.
 */
import { type Backend, fields, Millrace, type Worker, type WorkerEvent } from 'millrace'
import type { LanguageModel } from './generate.ts'
import { JobHandler, type JobHandlerParts } from './job-handler.ts'
import { pause } from './pause.ts'
import { jobFrom, WORKERS } from './questions.ts'
import { QuestionsKeeper } from './questions-keeper.ts'
import type { Settings } from './settings.ts'

const SWEEP_MS_MAX = 1000
/** Handing on takes a few round trips; after this time the leases end by themselves. */
const HAND_ON_MS = 5000

export class QuestionWorker {
  readonly #handler: JobHandler
  readonly #worker: Worker<Record<string, string>>
  readonly #keeper: QuestionsKeeper

  constructor(backend: Backend, parts: JobHandlerParts & Settings, model: LanguageModel) {
    const { questions, server, concurrency, leaseMs, onError } = parts
    this.#handler = new JobHandler(parts, model)
    this.#keeper = new QuestionsKeeper(backend, questions.stream, onError)
    this.#worker = new Millrace(backend)
      .stream(questions.stream, { codec: fields })
      .group(WORKERS)
      .worker(
        async ({ id, value }, { signal }) => {
          const job = jobFrom(id, value)
          // Somebody else's entry: nothing to do, and acknowledged so that it doesn't come again.
          if (job === undefined) onError(new Error(`Entry ${id} of '${questions.stream}' is no job`))
          else await this.#handler.handle(job, signal)
        },
        {
          consumer: server,
          concurrency,
          leaseMs,
          sweepMs: Math.min(SWEEP_MS_MAX, Math.ceil(leaseMs / 4)),
          // A job is begun again by whoever finds it: its answer tells how far it came.
          retry: { wait: 'pending', maxAttempts: Infinity },
          onEvent: (event) => report(event, onError),
        },
      )
  }

  async close(graceMs: number): Promise<void> {
    const drained = new AbortController()
    const stopped = this.#worker
      .stop({ graceMs: graceMs + HAND_ON_MS })
      .finally(() => drained.abort(new Error('All answers are finished')))
    await Promise.race([stopped, pause(graceMs, drained.signal).catch(() => undefined)]) // Aborted: nothing to hand on.
    this.#handler.handOn()
    await stopped
    await this.#keeper.close()
  }
}

function report(event: WorkerEvent, onError: (error: unknown) => void): void {
  if (event.type === 'error') onError(event.error)
  if (event.type === 'deleted')
    onError(new Error(`Jobs were deleted before they were finished: ${event.ids.join(' ')}`))
}

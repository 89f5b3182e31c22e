/** One server's worker on the questions. */
import { type Backend, type DeliveredEntry, StreamError } from 'millrace'
import type { LanguageModel } from './generate.ts'
import { JobHandler, type JobHandlerParts } from './job-handler.ts'
import { pause } from './pause.ts'
import { jobFrom, WORKERS } from './questions.ts'
import { QuestionsKeeper } from './questions-keeper.ts'
import type { Settings } from './settings.ts'

export class QuestionWorker {
  readonly #backend: Backend
  readonly #parts: JobHandlerParts & Settings
  readonly #handler: JobHandler
  readonly #keeper: QuestionsKeeper
  readonly #stop = new AbortController()
  readonly #running = new Map<string, Promise<void>>()
  readonly #loops: Promise<void>[]

  constructor(backend: Backend, parts: JobHandlerParts & Settings, model: LanguageModel) {
    this.#backend = backend
    this.#parts = parts
    this.#handler = new JobHandler(parts, model)
    this.#keeper = new QuestionsKeeper(backend, parts.questions.stream, parts.onError)
    this.#loops = [this.#forever(() => this.#readNew()), this.#forever(() => this.#claimLost())]
  }

  async close(graceMs: number): Promise<void> {
    this.#stop.abort(new Error('closing'))
    await Promise.all(this.#loops)
    const grace = new AbortController()
    const drained = Promise.all(this.#running.values()).then(() => grace.abort(new Error('drained')))
    await pause(graceMs, grace.signal).catch(() => undefined)
    this.#handler.handOn()
    await drained
    await this.#keeper.close()
  }

  async #forever(step: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await step()
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof StreamError && error.code === 'GROUP_NOT_FOUND') await this.#create()
        else this.#parts.onError(error)
        await pause(200, signal).catch(() => undefined)
      }
    }
  }

  async #create(): Promise<void> {
    await this.#backend
      .createGroup(this.#parts.questions.stream, WORKERS)
      .catch((error: unknown) => this.#parts.onError(error))
  }

  async #readNew(): Promise<void> {
    const { signal } = this.#stop
    const { stream } = this.#parts.questions
    const free = this.#parts.concurrency - this.#running.size
    if (free <= 0) return await pause(20, signal)
    const reader = { group: WORKERS, consumer: this.#parts.server }
    const found = await this.#backend.readGroup(reader, new Map([[stream, '>']]), {
      count: free,
      blockMs: 1000,
      signal,
    })
    for (const entry of found.get(stream) ?? []) this.#start(entry)
  }

  async #claimLost(): Promise<void> {
    const { server, leaseMs, concurrency, questions } = this.#parts
    await pause(Math.min(1000, leaseMs / 4), this.#stop.signal)
    const count = concurrency - this.#running.size
    if (count <= 0) return
    const found = await this.#backend.claim(questions.stream, WORKERS, server, { minIdleMs: leaseMs, count })
    for (const entry of found.entries) if (!this.#running.has(entry.id)) this.#start(entry)
  }

  #start(entry: DeliveredEntry): void {
    const running = this.#handle(entry).finally(() => this.#running.delete(entry.id))
    this.#running.set(entry.id, running)
  }

  async #handle(entry: DeliveredEntry): Promise<void> {
    const { server, questions } = this.#parts
    const lease = new AbortController()
    const over = new AbortController()
    const beating = this.#beat(entry, lease, over.signal)
    try {
      const job = jobFrom(entry)
      if (job !== undefined) await this.#handler.handle(job, lease.signal)
      await this.#backend.settle(questions.stream, WORKERS, server, [entry.id])
    } catch (error) {
      this.#parts.onError(error)
    } finally {
      over.abort(new Error('over'))
      await beating
    }
  }

  async #beat(entry: DeliveredEntry, lease: AbortController, over: AbortSignal): Promise<void> {
    const { server, leaseMs, questions } = this.#parts
    let aliveMs = Date.now()
    for (;;) {
      await pause(leaseMs / 4, over).catch(() => undefined)
      if (over.aborted) return
      try {
        const kept = await this.#backend.claim(questions.stream, WORKERS, server, {
          minIdleMs: 0,
          ids: [entry.id],
          ifOwner: server,
          justId: true,
        })
        if (kept.entries.length === 0) return lease.abort(new Error('The lease is lost'))
        aliveMs = Date.now()
      } catch {
        if (Date.now() - aliveMs > leaseMs) return lease.abort(new Error('The lease is lost'))
      }
    }
  }
}

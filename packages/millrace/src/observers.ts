/** Those in this process who want to hear what workers and caretakers tell, beside the listener that each was given. */
import type { CareEvent } from './care-event.ts'
import type { WorkerEvent } from './worker/worker-event.ts'

export type Observer = (event: WorkerEvent | CareEvent, stream: string, group: string | undefined) => void

export class Observers {
  readonly #all = new Set<Observer>()

  /** Returns what ends it. */
  add(observer: Observer): () => void {
    this.#all.add(observer)
    return () => void this.#all.delete(observer)
  }

  /** Hot: mostly there is nobody. */
  tell(event: WorkerEvent | CareEvent, stream: string, group?: string): void {
    if (this.#all.size === 0) return
    for (const observer of this.#all) observer(event, stream, group)
  }
}

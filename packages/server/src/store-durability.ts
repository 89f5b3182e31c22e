/**
 * The engine's `Store` as the durability of a server.
 *
 *   Server.start({ directory }) ──openStore──► Store.open ──events──► the server's log, LOADING's progress
 */
import { Store, type ColdEvent, type FsyncPolicy, type StoreEvent } from '@millrace/engine'
import type { Durability, DurabilityInfo, DurabilityStart } from './durability.ts'

export async function openStore(start: DurabilityStart): Promise<Durability> {
  const { directory, env, fsync, count, memoryBytes, collect, onProgress, log } = start
  const onEvent = (event: StoreEvent): void => {
    if (event.kind === 'loading') onProgress(event.progress)
    else log(lineOf(event))
  }
  const cold = {
    memoryBytes,
    onEvent: (event: ColdEvent) => log(coldLineOf(event)),
    ...(collect === undefined ? {} : { collect }),
  }
  return new StoreDurability(
    await Store.open(directory, {
      env,
      fsync,
      syncsInPlace: true,
      commitMs: COMMIT_MS,
      databases: { count },
      cold,
      onEvent,
    }),
  )
}

/** What nobody waits for (a key that expires) is written after so long. */
const COMMIT_MS = 100

class StoreDurability implements Durability {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get databases(): Store['databases'] {
    return this.#store.databases
  }

  get cold(): Store['cold'] {
    return this.#store.cold
  }

  commit(): number {
    return this.#store.commit()
  }

  get safeSeq(): number {
    return this.#store.safeSeq
  }

  get onChange(): () => void {
    return this.#store.onChange
  }

  set onChange(listener: () => void) {
    this.#store.onChange = listener
  }

  get refusal(): Store['refusal'] {
    return this.#store.refusal
  }

  get fsync(): FsyncPolicy {
    return this.#store.fsync
  }

  set fsync(policy: FsyncPolicy) {
    this.#store.fsync = policy
  }

  get isSyncing(): boolean {
    return this.#store.journal.isSyncing
  }

  get isDurable(): boolean {
    const { journal } = this.#store
    return journal.durableSeq === journal.seq
  }

  async flush(): Promise<void> {
    await this.#store.journal.flush()
  }

  async snapshot(): Promise<void> {
    await this.#store.snapshot()
  }

  info(): DurabilityInfo {
    const { journal, refusal, snapshotInfo, bytes, baseBytes } = this.#store
    return {
      snapshot: snapshotInfo,
      journal: {
        bytes,
        baseBytes,
        unsyncedBytes: journal.unsyncedBytes,
        isSyncing: journal.isSyncing,
        lastWriteFailed: refusal !== undefined,
      },
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
  }
}

function lineOf(event: Exclude<StoreEvent, { readonly kind: 'loading' }>): string {
  switch (event.kind) {
    case 'torn': {
      const { path, offset, bytes } = event.tail
      return `${path} ends in ${bytes} bytes, from ${offset} on, that were on their way when the server ended: they are left out`
    }
    case 'moved':
      return `The journal goes on in segment ${event.segment}, and nothing is lost`
    case 'resumed':
      return 'The journal is written again'
    default:
      return `${whatFailed[event.kind]}: ${event.error.message}`
  }
}

const whatFailed = {
  'disk-full': 'The disk is full',
  'write-failed': 'The journal could not be written',
  'sync-failed': 'The journal could not be made durable',
  'segment-failed': 'The next segment of the journal could not be made',
  'snapshot-failed': 'A snapshot could not be written',
  'file-missing': 'A file was taken from the directory that is open',
  'slot-failed': 'How far the journal is durable could not be noted',
} as const

function coldLineOf(event: ColdEvent): string {
  switch (event.kind) {
    case 'spill-failed':
      return `What is beyond maxmemory stays in memory, as the disk does not take it: ${textOf(event.error)}`
    case 'spill-resumed':
      return 'The disk takes what is beyond maxmemory again'
    case 'file-left':
      return `${event.path} is not needed any more and could not be removed: ${textOf(event.error)}`
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * Makes a worker's groups, and makes them again where they were when they are gone.
 *
 *   at first                  ──► at `from`
 *   group gone                ──► at the last ID known to be delivered: never `$` (a loss), never blindly 0 (all of it again)
 *   stream gone, or gone back ──► at 0-0: what is there now was never delivered
 *
 * Known is the higher of what this worker was given and where the group stood when it was last looked at.
 */
import type { Backend, EntryId, StreamInfo } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { isBelow } from './id-order.ts'
import type { Line } from './line.ts'
import type { DataLossSuspected, WorkerEvent } from './worker-event.ts'

const BEGINNING = '0-0' as EntryId

export interface GroupKeeperSite {
  readonly backend: Backend
  readonly group: string
  readonly from: EntryId | '$'
  readonly onEvent: (event: WorkerEvent) => void
}

export class GroupKeeper {
  readonly #site: GroupKeeperSite

  constructor(site: GroupKeeperSite) {
    this.#site = site
  }

  /** Sees to it that the line's group exists. */
  async ensure(line: Line): Promise<void> {
    if (line.knownId === undefined) await this.#create(line)
    else await this.#restore(line, line.knownId)
  }

  /** Notes how far the group is, and tells if the stream has gone back. */
  async look(line: Line): Promise<void> {
    if (line.isWaiting) return await this.ensure(line)
    const { backend } = this.#site
    const { knownId } = line
    const info = await backend.inspect(line.stream)
    const group = this.#groupOf(info)
    // Gone: the next read says so, and `ensure` is called.
    if (info === undefined || group === undefined) return
    // Fewer entries than it has had: lost, even if newer ones have come since.
    const hasFewer = info.entriesAdded < (line.entriesAdded ?? 0)
    line.entriesAdded = info.entriesAdded
    if (knownId !== undefined && (hasFewer || isBelow(info.lastId, knownId))) {
      line.restartAt(group.lastDeliveredId)
      this.#tell(line, { reason: 'stream-went-back', lastKnownId: knownId, info, resumedAfter: group.lastDeliveredId })
    } else {
      line.deliveredId = group.lastDeliveredId
    }
  }

  async #create(line: Line): Promise<void> {
    const { backend, onEvent } = this.#site
    const from = line.isRetry ? BEGINNING : this.#site.from
    const isNew = await this.#make(line, from)
    if (line.isWaiting) return
    if (isNew && !line.isRetry) onEvent({ type: 'group-created' })
    const info = await backend.inspect(line.stream)
    line.deliveredId = this.#groupOf(info)?.lastDeliveredId ?? (from === '$' ? BEGINNING : from)
  }

  /**
   * Returns whether the group was made. A full memory refuses that before it looks: a group that is there serves all the same, and
   * that of the retries can wait, so that a worker that begins then makes room.
   */
  async #make(line: Line, from: EntryId | '$'): Promise<boolean> {
    const { backend, group } = this.#site
    try {
      const isNew = await backend.createGroup(line.stream, group, { from })
      line.isWaiting = false
      return isNew
    } catch (error) {
      if (!(error instanceof StreamError && error.code === 'OUT_OF_MEMORY')) throw error
      const isThere = this.#groupOf(await backend.inspect(line.stream)) !== undefined
      if (!isThere && !line.isRetry) throw error
      line.isWaiting = !isThere
      return false
    }
  }

  async #restore(line: Line, knownId: EntryId): Promise<void> {
    const { backend, group, onEvent } = this.#site
    const info = await backend.inspect(line.stream)
    if (this.#groupOf(info) !== undefined) return await this.look(line)
    const hasGoneBack = info === undefined || isBelow(info.lastId, knownId)
    const from = hasGoneBack ? BEGINNING : knownId
    // What is in hand is in no group now: its handlers may finish, nobody else will be given it.
    for (const lease of line.leases.all()) lease.isGone = true
    const isNew = await backend.createGroup(line.stream, group, { from })
    if (isNew && !line.isRetry) onEvent({ type: 'group-created' })
    line.restartAt(from)
    if (line.isRetry && knownId === BEGINNING) return
    const reason = info === undefined ? 'stream-missing' : hasGoneBack ? 'stream-went-back' : 'group-missing'
    this.#tell(line, { reason, lastKnownId: knownId, info, resumedAfter: from })
  }

  #tell(
    line: Line,
    what: Pick<DataLossSuspected, 'reason' | 'lastKnownId' | 'resumedAfter'> & {
      readonly info: StreamInfo | undefined
    },
  ): void {
    const { info, ...known } = what
    this.#site.onEvent({ type: 'data-loss-suspected', stream: line.stream, streamLastId: info?.lastId, ...known })
  }

  #groupOf(info: StreamInfo | undefined): StreamInfo['groups'][number] | undefined {
    return info?.groups.find(({ name }) => name === this.#site.group)
  }
}

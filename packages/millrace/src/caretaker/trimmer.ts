/**
 * Trims a stream by its retention (retention.ts), and the streams of its groups' retries.
 *
 *   inspect ──► limits: finished entries beyond them go ──► budget: the oldest go, finished or not, counted at {stream}:lost
 */
import type { Backend, EntryId, GroupInfo, StreamInfo, Trim } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import { compareIds, timeOfId } from '../entry-id-order.ts'
import type { Retention, RetentionLimits } from '../retention.ts'
import { siblingKey } from '../sibling-key.ts'

/** At its budget a stream goes a little below it, so that not every entry is a trim. */
const BUDGET_SHARE = 0.9

export class Trimmer {
  readonly #backend: Backend
  readonly #stream: string
  readonly #tell: (event: CareEvent) => void
  readonly #pinned = new Set<string>()
  #isFull = false

  constructor(backend: Backend, stream: string, tell: (event: CareEvent) => void) {
    this.#backend = backend
    this.#stream = stream
    this.#tell = tell
  }

  /** At a budget that refuses adds, when it was last looked at. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** `nowMs` is the backend's. */
  async run(retention: Retention, nowMs: number): Promise<void> {
    const info = await this.#backend.inspect(this.#stream)
    if (info === undefined) {
      this.#isFull = false
      return
    }
    // What a group's retries have finished is of no use to anybody, whatever the stream keeps.
    for (const { name } of info.groups)
      await this.#backend.trim(siblingKey(this.#stream, `retry:${name}`), { acked: true })
    if (retention === 'none') return
    const limits: RetentionLimits = retention === 'acked' ? {} : retention
    for (const trim of trimsOf(limits, info, nowMs)) await this.#backend.trim(this.#stream, trim)
    if (limits.memoryBudgetBytes !== undefined) await this.#keepBudget(limits.memoryBudgetBytes, limits.onBudget)
  }

  /** For processes that do not trim but must know whether they may add. */
  async lookAtBudget(retention: Retention): Promise<void> {
    if (typeof retention === 'string' || retention.memoryBudgetBytes === undefined || retention.onBudget !== 'refuse')
      return
    const info = await this.#backend.inspect(this.#stream)
    this.#isFull = info !== undefined && info.memoryBytes > retention.memoryBudgetBytes
  }

  /** Names the groups whose oldest unfinished entry is older than `pinnedAfterMs`. */
  async findPinned(pinnedAfterMs: number, nowMs: number): Promise<void> {
    const info = await this.#backend.inspect(this.#stream)
    for (const group of info?.groups ?? []) {
      const oldest = await this.#oldestUnfinished(group)
      const oldestMs = oldest === undefined ? 0 : nowMs - timeOfId(oldest)
      if (oldestMs <= pinnedAfterMs) this.#pinned.delete(group.name)
      else if (!this.#pinned.has(group.name)) {
        this.#pinned.add(group.name)
        this.#tell({ type: 'retention-pinned', stream: this.#stream, group: group.name, oldestMs })
      }
    }
  }

  async #oldestUnfinished(group: GroupInfo): Promise<EntryId | undefined> {
    if (group.pending > 0) {
      const [first] = await this.#backend.pending(this.#stream, group.name, { count: 1 })
      if (first !== undefined) return first.id
    }
    return (await this.#backend.range(this.#stream, { from: `(${group.lastDeliveredId}`, count: 1 }))[0]?.id
  }

  async #keepBudget(budgetBytes: number, onBudget: RetentionLimits['onBudget']): Promise<void> {
    const info = await this.#backend.inspect(this.#stream)
    const isOver = info !== undefined && info.memoryBytes > budgetBytes
    this.#isFull = isOver && onBudget === 'refuse'
    if (!isOver || onBudget === 'refuse') return
    const maxLen = Math.floor((info.length * budgetBytes * BUDGET_SHARE) / info.memoryBytes)
    if (info.groups.length > 0) await this.#backend.trim(this.#stream, { maxLen, acked: true })
    const count = await this.#backend.trim(this.#stream, { maxLen })
    if (count === 0 || info.groups.length === 0) return
    this.#tell({ type: 'trimmed-unfinished', stream: this.#stream, count })
    await this.#backend.step({ do: [{ kind: 'increment', key: siblingKey(this.#stream, 'lost'), by: count }] })
  }
}

/** What goes by the limits: with groups only what all of them have finished. */
function trimsOf(limits: RetentionLimits, info: StreamInfo, nowMs: number): Trim[] {
  const { maxLen, maxAgeMs, maxBytes } = limits
  const acked = info.groups.length > 0 ? { acked: true } : {}
  const trims: Trim[] = []
  if (maxLen !== undefined && info.length > maxLen) trims.push({ maxLen, ...acked })
  if (maxAgeMs !== undefined && nowMs > maxAgeMs && info.firstId !== undefined) {
    const minId = `${Math.floor(nowMs - maxAgeMs)}-0` as EntryId
    if (compareIds(info.firstId, minId) < 0) trims.push({ minId, ...acked })
  }
  if (maxBytes !== undefined && info.memoryBytes > maxBytes) {
    trims.push({ maxLen: Math.floor((info.length * maxBytes) / info.memoryBytes), ...acked })
  }
  const hasLimit = maxLen !== undefined || maxAgeMs !== undefined || maxBytes !== undefined
  if (!hasLimit && info.groups.length > 0 && info.length > 0) trims.push({ acked: true })
  return trims
}

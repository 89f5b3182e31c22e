/**
 * What ACL rules have refused, and failed log-ins: the newest first, equal ones within a minute counted as one.
 */
export type AclReason = 'command' | 'key' | 'channel' | 'auth'

export interface AclLogEntry {
  readonly reason: AclReason
  readonly context: 'toplevel' | 'multi'
  /** The command, the key or the channel. */
  readonly object: string
  readonly userName: string
}

interface Logged extends AclLogEntry {
  count: number
  lastMs: number
  clientInfo: string
}

const GROUP_MS_MAX = 60_000
/** How far back an equal entry is looked for. */
const LOOK_BACK_MAX = 10

export class AclLog {
  #entries: Logged[] = []

  get entries(): readonly Readonly<Logged>[] {
    return this.#entries
  }

  add(entry: AclLogEntry, clientInfo: string, nowMs: number, lengthMax: number): void {
    const at = this.#entries.slice(0, LOOK_BACK_MAX).findIndex((known) => isSame(known, entry, nowMs))
    const logged = at < 0 ? { ...entry, count: 0, lastMs: nowMs, clientInfo } : this.#entries.splice(at, 1)[0]!
    logged.count++
    logged.lastMs = nowMs
    logged.clientInfo = clientInfo
    this.#entries.unshift(logged)
    if (this.#entries.length > lengthMax) this.#entries.length = lengthMax
  }

  reset(): void {
    this.#entries = []
  }
}

function isSame(known: Logged, entry: AclLogEntry, nowMs: number): boolean {
  return (
    known.reason === entry.reason &&
    known.context === entry.context &&
    known.object === entry.object &&
    known.userName === entry.userName &&
    nowMs - known.lastMs <= GROUP_MS_MAX
  )
}

/**
 * The seam between the toolkit and what stores the streams.
 *
 *   stream handle, worker, relay ──► Backend ──► embedded engine
 *                                           └──► Redis, Valkey, Dragonfly, Redis Cluster (ioredis)
 *
 * It speaks Redis Streams, never jobs, in 18 verbs. Everything above it is written once.
 * `describeBackend` (millrace/conformance) is the one suite that every implementation passes.
 *
 * Common to all verbs: a bad argument rejects with `BAD_ARGUMENT` or `BAD_ID` and changes nothing;
 * a closed backend rejects with `CLOSED`; a verb on a key that is no stream rejects with `WRONG_TYPE`.
 * Stream, group and consumer names are text (UTF-8 on the wire). Values are bytes: text goes in as
 * UTF-8, and comes out as bytes.
 */

declare const brand: unique symbol

/** An entry's ID as Redis prints it, `<ms>-<seq>`, both unsigned 64-bit decimals. Never take it apart with `Number`. */
export type EntryId = string & { readonly [brand]: 'EntryId' }

/** A field name or a value on the way in. */
export type FieldValue = string | Uint8Array

/** One entry: `fields` is flat, name, value, name, value, …, in the order in which they were added, duplicates kept. */
export interface Entry {
  readonly id: EntryId
  readonly fields: readonly Uint8Array[]
}

/** An entry that a group delivered. `fields` is undefined when the entry was deleted from the stream meanwhile. */
export interface DeliveredEntry {
  readonly id: EntryId
  readonly fields: readonly Uint8Array[] | undefined
}

/** How XTRIM and XADD trim: by one of `maxLen` and `minId`, or by `acked` alone. `approximate` is Redis's `~`: whole nodes only. */
export interface Trim {
  readonly maxLen?: number
  readonly minId?: EntryId
  readonly approximate?: boolean
  /** Only with `approximate`: at most so many entries in one call. Default: the server's own limit. */
  readonly limit?: number
  /**
   * Of what the rule would take, only what every group has finished: read and acknowledged, it and all before it. Checked in
   * the same step as the cut. Alone, without `maxLen` and `minId`: all that is finished. Without groups nothing is finished, and
   * nothing goes. Only for `trim`.
   */
  readonly acked?: boolean
}

/** When an append counts as kept. Each level includes those before it. */
export type Durability =
  /** The backend has it in memory, or as its own configuration says. The default. */
  | 'memory'
  /** On stable storage of the backend (WAITAOF; embedded: synced). `UNSUPPORTED` where that cannot be known. */
  | 'fsync'
  /** So many replicas have it (WAIT), within `timeoutMs` (default 5,000). */
  | { readonly replicas: number; readonly timeoutMs?: number }

/**
 * Appends a message once, however often it is sent: within the window the same key gets the first one's ID, and adds nothing. Kept
 * as a string `{stream}:once:<key>` beside the stream, about 120 bytes a key (decision 024).
 */
export interface Once {
  /** Chosen by the sender: the message's own name. At most 512 bytes. */
  readonly key: string
  /** How long the key is remembered, in milliseconds. Default 86,400,000: a day. */
  readonly windowMs?: number
}

export interface AddOptions {
  /** `*` (default), `<ms>-*`, or an explicit ID. */
  readonly id?: string
  /** NOMKSTREAM: resolve `undefined` instead of creating the stream. */
  readonly noMkStream?: boolean
  /**
   * Append only if the stream's last generated ID is this one (`0-0`: the stream is missing or has never
   * had an entry); else reject with `LAST_ID_MISMATCH` and change nothing. Checked and appended in one atomic step.
   */
  readonly ifLastId?: EntryId
  readonly trim?: Trim
  /** Sets the stream's time to live in the same step, in milliseconds. */
  readonly expireMs?: number
  /** Append at most once, in one step with the look. Only with `id` `*`, and without `ifLastId`. */
  readonly once?: Once
  /**
   * Resolve only when the entry is kept so. `NOT_DURABLE`: that was not reached in time; the entry is there, and may be lost.
   * Default `memory`.
   */
  readonly durability?: Durability
}

/** What `addMany` does with each entry, or with the stream in the same step. */
export type AddManyOptions = Pick<AddOptions, 'trim' | 'expireMs'>

export interface RangeOptions {
  /** `-` (default), an ID, `(`ID for exclusive, or only the milliseconds. Always the lower end, also with `reverse`. */
  readonly from?: string
  /** `+` (default), as `from`. */
  readonly to?: string
  /** At most so many entries, above 0. Default: all; ask for pages. */
  readonly count?: number
  /** Newest first (XREVRANGE). */
  readonly reverse?: boolean
}

/** Where a read begins: after an ID, `$` (only what is added from now on), `+` (the last entry, then what follows). */
export type ReadPosition = EntryId | '$' | '+'

/** Where a group read begins: `>` (never delivered to anybody), or this consumer's own pending entries after an ID. */
export type GroupPosition = EntryId | '>'

export interface ReadOptions {
  /** At most so many entries per stream, above 0. Default 100. */
  readonly count?: number
  /** Wait so long for an entry: absent = do not wait, at most 2^31-1; 0 is refused (no wait is without an end). */
  readonly blockMs?: number
  /** Ends the wait; the promise rejects with the signal's reason. What was not returned was not consumed. */
  readonly signal?: AbortSignal
}

export interface GroupReadOptions extends ReadOptions {
  /** NOACK: delivered entries do not become pending. */
  readonly noAck?: boolean
}

/** What a read found: only streams with entries appear; empty on a time-out. */
export type ReadResult<E = Entry> = ReadonlyMap<string, readonly E[]>

export interface GroupOptions {
  /** The group's last-delivered ID: `0-0` (default: from the beginning), `$` (from now on) or an ID. */
  readonly from?: EntryId | '$'
  /** Create the stream when it is missing. Default true. */
  readonly mkStream?: boolean
}

export interface ClaimOptions {
  /** Only entries that have been idle so long, in milliseconds. */
  readonly minIdleMs: number
  /** Claim just these (XCLAIM). Absent: scan the group's pending list (XAUTOCLAIM). */
  readonly ids?: readonly EntryId[]
  /** With a scan: where it begins. Default `0-0`. */
  readonly from?: EntryId
  /** With a scan: at most so many entries. Default 100. */
  readonly count?: number
  /** With `ids`: claim only what this consumer owns now, checked in the same step. The lease heartbeat: owner = claimer. */
  readonly ifOwner?: string
  /** Do not fetch the fields and do not raise the delivery count (JUSTID). `fields` is then undefined. */
  readonly justId?: boolean
  /** With `ids`: the idle time to set, in milliseconds. Default 0. A large value hands the entry back to others at once. */
  readonly idleMs?: number
  /** With `ids` and `justId`: the delivery count goes down by one, not below 0: this delivery did not happen (XCLAIM RETRYCOUNT). */
  readonly uncount?: boolean
}

export interface ClaimedEntry extends DeliveredEntry {
  /** How often the entry was delivered, this time included. */
  readonly deliveries: number
}

export interface ClaimResult {
  readonly entries: readonly ClaimedEntry[]
  /** Pending entries that were gone from the stream: they were removed from the pending list. Data lost before it was acknowledged. */
  readonly deleted: readonly EntryId[]
  /** Where the next scan begins; `0-0` when this one reached the end (always, with `ids`). */
  readonly next: EntryId
}

export interface PendingOptions {
  readonly from?: string
  readonly to?: string
  /** Default 100. */
  readonly count?: number
  readonly consumer?: string
  readonly minIdleMs?: number
}

export interface PendingEntry {
  readonly id: EntryId
  readonly consumer: string
  readonly idleMs: number
  readonly deliveries: number
}

export interface ConsumerInfo {
  readonly name: string
  readonly pending: number
  /** Since the consumer last tried to read or claim. */
  readonly idleMs: number
}

export interface GroupInfo {
  readonly name: string
  readonly lastDeliveredId: EntryId
  /** Undefined where the server cannot tell. */
  readonly entriesRead: number | undefined
  /** Entries not yet delivered to the group; undefined where the server cannot tell. */
  readonly lag: number | undefined
  readonly pending: number
  readonly consumers: readonly ConsumerInfo[]
}

export interface StreamInfo {
  readonly length: number
  readonly lastId: EntryId
  readonly firstId: EntryId | undefined
  readonly maxDeletedId: EntryId
  readonly entriesAdded: number
  /** Bytes of memory as the backend reports them (MEMORY USAGE). */
  readonly memoryBytes: number
  /** Bytes of all data that the backend holds, this stream included; on a Cluster, that the stream's node holds. Undefined where the server does not tell. */
  readonly backendMemoryBytes: number | undefined
  /** Milliseconds until the stream expires; undefined: it does not. */
  readonly ttlMs: number | undefined
  readonly groups: readonly GroupInfo[]
}

/** What must hold for a step. */
export type Condition =
  /** The consumer owns all of these pending entries now. */
  | {
      readonly kind: 'owns'
      readonly stream: string
      readonly group: string
      readonly consumer: string
      readonly ids: readonly EntryId[]
    }
  /** The stream has the entry. */
  | { readonly kind: 'entry'; readonly stream: string; readonly id: EntryId }
  /** The string at `key` is one of these, byte for byte; `undefined` stands for no such key. */
  | { readonly kind: 'value'; readonly key: string; readonly oneOf: readonly (FieldValue | undefined)[] }

/** One thing that a step does, and what `results` holds of it. */
export type Action =
  /** XADD with `*`: the new ID. */
  | { readonly kind: 'append'; readonly stream: string; readonly fields: readonly FieldValue[]; readonly trim?: Trim }
  /** XACK, whoever owns them: how many were acknowledged. Put an `owns` before it. */
  | { readonly kind: 'acknowledge'; readonly stream: string; readonly group: string; readonly ids: readonly EntryId[] }
  /** XDEL: how many were there. */
  | { readonly kind: 'delete'; readonly stream: string; readonly ids: readonly EntryId[] }
  /** SET, with PX: undefined. Without `expireMs` the key stays for ever. */
  | { readonly kind: 'set'; readonly key: string; readonly value: FieldValue; readonly expireMs?: number }
  /** INCRBY: the new number. `expireMs` is set when the key was not there. `by` defaults to 1; both are whole numbers. */
  | { readonly kind: 'increment'; readonly key: string; readonly by?: number; readonly expireMs?: number }
  /** DEL of a string: 1 or 0. */
  | { readonly kind: 'remove'; readonly key: string }
  /** GET: bytes, or undefined. */
  | { readonly kind: 'get'; readonly key: string }
  /** TIME: the backend's clock in milliseconds since 1970. */
  | { readonly kind: 'time' }

/**
 * One atomic step on keys that all live in one slot. Conditions are checked first, all of them; then the actions happen in
 * their order, and nothing comes between. At most 1,000 conditions and actions.
 */
export interface Step {
  readonly if?: readonly Condition[]
  readonly do: readonly Action[]
}

export type StepResult =
  | { readonly isTaken: true; readonly results: readonly (EntryId | number | Uint8Array | undefined)[] }
  /** `failed`: the place of the first condition that did not hold. Nothing happened. */
  | { readonly isTaken: false; readonly failed: number }

/** 18 verbs. One more is a decision (docs/decisions; 018 is why there is `addMany`, 022 why there is `step`). */
export interface Backend {
  /** What it is, for people: 'embedded', 'redis 7.0.15', 'redis cluster (3 nodes)'. */
  readonly label: string
  readonly kind: 'embedded' | 'redis' | 'cluster'

  /** XADD. Resolves the new ID; `undefined` only with `noMkStream` on a missing stream. */
  add(stream: string, fields: readonly FieldValue[], options?: AddOptions): Promise<EntryId | undefined>
  /**
   * XADD of many entries in their order, under IDs of the clock; resolves those. All arguments are checked before anything
   * is appended. Embedded it is one step, and appends all or nothing (`IDS_EXHAUSTED` alone leaves what still got an ID).
   * On a server the entries are sent at once, each a command of its own: others can come between them, and when one is
   * refused or lost, it rejects with the first such error after all have been answered, and the others are there.
   */
  addMany(stream: string, entries: readonly (readonly FieldValue[])[], options?: AddManyOptions): Promise<EntryId[]>
  /** XRANGE, XREVRANGE. A missing stream is empty. */
  range(stream: string, options?: RangeOptions): Promise<readonly Entry[]>
  /** XREAD over one or many streams; on a Cluster they may live on any nodes. */
  read(positions: ReadonlyMap<string, ReadPosition>, options?: ReadOptions): Promise<ReadResult>
  /** XTRIM. Resolves how many entries went. */
  trim(stream: string, trim: Trim): Promise<number>
  /** XDEL. Resolves how many of the IDs were there. */
  delete(stream: string, ids: readonly EntryId[]): Promise<number>
  /** PEXPIRE; 0 removes the stream now. Resolves false when the stream is missing. */
  expire(stream: string, afterMs: number): Promise<boolean>
  /** XINFO STREAM, GROUPS and CONSUMERS, MEMORY USAGE and PTTL in one picture; `undefined` for a missing stream. */
  inspect(stream: string): Promise<StreamInfo | undefined>

  /** XGROUP CREATE. Resolves false when the group was there already (it is left as it is). `STREAM_NOT_FOUND` with `mkStream: false`. */
  createGroup(stream: string, group: string, options?: GroupOptions): Promise<boolean>
  /** XGROUP SETID. */
  setGroup(stream: string, group: string, from: EntryId | '$'): Promise<void>
  /** XGROUP DESTROY. Resolves false when there was no such group (or stream). */
  destroyGroup(stream: string, group: string): Promise<boolean>
  /** XGROUP DELCONSUMER, but never with loss: `CONSUMER_BUSY` while it owns pending entries, checked in the same step. Resolves false when there was no such consumer. */
  deleteConsumer(stream: string, group: string, consumer: string): Promise<boolean>
  /** XREADGROUP. With an ID instead of `>` it reads the consumer's own pending entries and never waits. */
  readGroup(
    reader: { readonly group: string; readonly consumer: string },
    positions: ReadonlyMap<string, GroupPosition>,
    options?: GroupReadOptions,
  ): Promise<ReadResult<DeliveredEntry>>
  /** XACK, but only what `consumer` owns now, in one step. Resolves the IDs that were acknowledged. */
  settle(stream: string, group: string, consumer: string, ids: readonly EntryId[]): Promise<readonly EntryId[]>
  /** XCLAIM, XAUTOCLAIM. The consumer is created when needed. */
  claim(stream: string, group: string, consumer: string, options: ClaimOptions): Promise<ClaimResult>
  /** XPENDING, extended form, in ID order. */
  pending(stream: string, group: string, options?: PendingOptions): Promise<readonly PendingEntry[]>

  /**
   * Takes one atomic step (a script on a server). All or nothing: a key of another type (`WRONG_TYPE`), a missing group
   * (`GROUP_NOT_FOUND`), a string that is no number for `increment` (`BAD_ARGUMENT`) and a full memory (`OUT_OF_MEMORY`) are
   * found before anything is changed. `BAD_ARGUMENT` also for keys of different slots of a Cluster, and for no action at all.
   */
  step(step: Step): Promise<StepResult>

  /** Ends waiting reads with `CLOSED` and releases every connection and timer. Idempotent. */
  close(): Promise<void>
}

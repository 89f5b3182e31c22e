/**
 * The relay: questions in, answers as durable streams out. (Interface; the class that implements it is in this file.)
 */
import type { Backend, EntryId, GroupInfo, PendingEntry } from 'millrace'
import type { AnswerEntry, AnswerSummary } from './entry.ts'
import type { LanguageModel } from './generate.ts'

export interface RelayOptions {
  /** This process's name: the consumer's name in the questions' group, unique among running servers. */
  readonly server: string
  /** Default 'OPENAI_STREAM': an answer's stream is `<prefix>:<answer id>`. */
  readonly prefix?: string
  /** How long an answer is kept after its last entry, in milliseconds. Default 24 h. */
  readonly retentionMs?: number
  /** Questions a session may ask in one minute, and have unfinished at once. Defaults 10 and 3. */
  readonly perMinuteMax?: number
  readonly unfinishedMax?: number
  /** Answers one process works on at once. Default 16. */
  readonly concurrency?: number
  /** Without a sign of life for so long a producer is dead, in milliseconds. Default 4000. */
  readonly leaseMs?: number
  /** Attempts before an answer fails with `too_many_attempts` or its last failure. Default 3. */
  readonly attemptsMax?: number
  /** Deltas are joined for so long before they become one entry, in milliseconds. Default 20. */
  readonly lingerMs?: number
}

export interface AskRequest {
  /** Chosen by the client, at most 64 characters of [A-Za-z0-9_-]. The same one again gives the same answer: a double submit asks once. */
  readonly requestId: string
  readonly topic: string
  readonly question: string
}

export interface QuestionsInfo {
  readonly stream: string
  readonly length: number
  readonly group: GroupInfo | undefined
  readonly pending: readonly PendingEntry[]
}

export interface AnswerInfo {
  readonly stream: string
  readonly length: number
  readonly memoryBytes: number
  readonly ttlMs: number | undefined
  readonly lastId: EntryId
  /** Readers of this answer in this process. */
  readonly watching: number
}

/** One batch of a follow: entries in order, none missing, none twice. */
export interface FollowBatch {
  readonly entries: readonly AnswerEntry[]
  /** True when nothing was waiting behind this batch as it was read: the reader is live. */
  readonly caughtUp: boolean
}

/** What relay calls reject with. `NOT_FOUND` covers missing, expired and somebody else's. */
export type RelayErrorCode = 'NOT_FOUND' | 'BAD_REQUEST' | 'TOO_MANY_QUESTIONS' | 'TOO_MANY_AT_ONCE' | 'CLOSED'

export interface Relay {
  /** Records the question and resolves the answer's id. `created` is false for a repeated requestId. */
  ask(owner: string, request: AskRequest): Promise<{ readonly answer: string; readonly created: boolean }>
  /**
   * All entries after `after` (default: from the first), then live, until the answer is closed (the last batch holds
   * its `end`, `error` or `stopped`) or the signal aborts (the iteration ends with the signal's reason).
   */
  follow(
    owner: string,
    answer: string,
    options: { readonly after?: EntryId; readonly signal: AbortSignal },
  ): AsyncIterable<FollowBatch>
  /** Ends the answer wherever it is produced and keeps the part. `stopped` is false when it was closed already. */
  stop(owner: string, answer: string): Promise<{ readonly stopped: boolean }>
  /** The owner's answers, newest first, at most `count` (default 50). */
  list(owner: string, count?: number): Promise<readonly AnswerSummary[]>
  inspect(owner: string, answer: string): Promise<AnswerInfo>
  inspectQuestions(): Promise<QuestionsInfo>
  /** Starts taking questions in this process. */
  work(model: LanguageModel): void
  /** Takes no more questions, lets running answers finish for `graceMs` (default 10 s), hands back the rest, ends followers with `CLOSED`. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

/** Implemented by the relay package. */
export declare function createRelay(backend: Backend, options: RelayOptions): Relay

/**
 * The relay as its callers see it: questions in, answers as durable streams out. `createRelay` makes one.
 */
import type { EntryId, GroupInfo, PendingEntry } from 'millrace'
import type { AnswerSummary } from './entry.ts'
import type { FollowBatch } from './follower.ts'
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
  /** Told of what went wrong without a caller to tell: an unforeseen failure of a model or a job. For the log; never for people. */
  readonly onError?: (error: unknown) => void
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
  /** Bytes of all data in the backend (on a Cluster: in the node of this stream); undefined where nobody tells. */
  readonly backendMemoryBytes: number | undefined
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

export interface Relay {
  /** Records the question and resolves the answer's id. `created` is false for a repeated requestId. */
  ask(owner: string, request: AskRequest): Promise<{ readonly answer: string; readonly created: boolean }>
  /**
   * All entries after `after` (default: from the first), then live, until the answer is closed (the last batch holds
   * its `end`, `error` or `stopped`) or the signal aborts (the iteration ends with the signal's reason).
   * `NOT_FOUND`: missing, expired (also while following) or not the owner's. `BAD_REQUEST`: `after` is no entry of this
   * answer, or the store has lost entries that were read: drop the text and follow from the first entry.
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

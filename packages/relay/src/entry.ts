/**
 * The vocabulary of an answer's stream. One answer is one stream; every reader rebuilds the same text
 * from the log alone; nothing is signalled inside the text.
 *
 *   seq   0         1      2      3            4          5      6
 *   type  question  start  delta  delta  ✂     restarted  delta  end
 *   epoch 0         1      1      1            2          2      2
 *
 * `question` is written by ask(), everything else by the answer's one producer, which appends only behind
 * its own last entry (`ifLastId`): whoever finds another entry there is fenced. `stopped` may be written by
 * any server. The first `end`, `error` or `stopped` closes the answer; nothing follows it.
 *
 * In the stream each property is a field of that name, numbers as decimals, lists as JSON, so that
 * `redis-cli XRANGE` shows what happened:
 *
 *   1795391639213-0  type delta  seq 2  epoch 1  text "A consumer group "
 *
 * Three fields stay in the log and are given to no reader: `owner` of the question, `job` and `by` of `start` and
 * `restarted` (the job that is worked on, and a random mark by which a producer knows its own entry).
 */
import type { EntryId } from 'millrace'

export interface Source {
  readonly title: string
  /** A page of ours (`/handbook/…`) or an https address. */
  readonly href: string
}

export interface Usage {
  readonly inputTokens?: number
  readonly outputTokens?: number
}

/** Why an answer failed, or why an attempt was given up. A closed list; docs/wire.md has a sentence for each. */
export type FailureCode =
  | 'auth'
  | 'rate_limit'
  | 'context_too_long'
  | 'content_filter'
  | 'timeout_connect'
  | 'timeout_first_token'
  | 'timeout_idle'
  | 'timeout_total'
  | 'provider_5xx'
  | 'provider_unreachable'
  | 'bad_request'
  | 'cut'
  | 'too_many_attempts'
  | 'internal'

/** What happened; position and time are in `AnswerEntry`. */
export type AnswerBody =
  | { readonly type: 'question'; readonly topic: string; readonly question: string }
  | { readonly type: 'start'; readonly server: string; readonly model: string }
  | { readonly type: 'delta'; readonly text: string }
  | {
      readonly type: 'restarted'
      readonly server: string
      readonly model: string
      /** How many UTF-16 code units of the text so far stay; 0: begin again. */
      readonly keep: number
      /** `server_lost`: the producer died; else the failure that ended the attempt before. */
      readonly reason: 'server_lost' | 'server_stopping' | FailureCode
      /** The last entry of the attempt before. */
      readonly after: EntryId
      /** Milliseconds between that entry and this one. */
      readonly gapMs: number
    }
  | {
      readonly type: 'end'
      readonly finish: 'stop' | 'length' | 'other'
      /** Length of the whole text in UTF-16 code units, and its SHA-256 (of the UTF-8 bytes, hexadecimal). */
      readonly chars: number
      readonly sha256: string
      readonly sources: readonly Source[]
      readonly usage: Usage
    }
  | { readonly type: 'error'; readonly code: FailureCode; readonly message: string; readonly retryAfterMs?: number }
  | { readonly type: 'stopped'; readonly chars: number }

export type AnswerEntry = AnswerBody & {
  /** The entry's ID in the answer's stream: the offset of every wire format. Its milliseconds are the server's time. */
  readonly id: EntryId
  /** 0, 1, 2, … without gaps within one answer. */
  readonly seq: number
  /** The attempt, from 1; 0 for the question. */
  readonly epoch: number
}

export type AnswerState = 'waiting' | 'streaming' | 'done' | 'failed' | 'stopped'

export interface AnswerSummary {
  readonly answer: string
  readonly topic: string
  readonly question: string
  readonly askedAtMs: number
  readonly state: AnswerState
}

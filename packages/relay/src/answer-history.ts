/** What an answer's log says so far: all that a producer must know to begin it, to go on, or to leave it alone. */
import type { AnswerLog } from './answer-log.ts'
import type { AnswerEntry } from './entry.ts'
import { BEFORE_ALL, isEntryId } from './entry-id.ts'
import { nextText } from './text.ts'

export interface AnswerHistory {
  readonly topic: string
  readonly question: string
  readonly text: string
  readonly last: AnswerEntry
  /** The job that the last attempt worked on, `0-0` if the log doesn't say; undefined: nobody has begun. */
  readonly job: string | undefined
  /** Attempts so far, without those that a closing server handed on. */
  readonly attempts: number
}

/** Reads the whole log; undefined when there is none (never asked, or expired). */
export async function readHistory(log: AnswerLog): Promise<AnswerHistory | undefined> {
  let topic = ''
  let question = ''
  let text = ''
  let job: string | undefined
  let attempts = 0
  let last: AnswerEntry | undefined
  for await (const { entry, logOnly } of log.all()) {
    if (entry.type === 'question') ({ topic, question } = entry)
    if (entry.type === 'start' || (entry.type === 'restarted' && entry.reason !== 'server_stopping')) attempts++
    if (entry.type === 'start' || entry.type === 'restarted') job = isEntryId(logOnly.job) ? logOnly.job : BEFORE_ALL
    text = nextText(text, entry)
    last = entry
  }
  return last === undefined ? undefined : { topic, question, text, last, job, attempts }
}

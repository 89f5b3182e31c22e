/**
 * Stopping an answer from anywhere: `stopped` is appended behind the last entry, whoever wrote that.
 *
 *   read to the end ─► closed already ─► false
 *                   └► append `stopped` behind the last entry ─► true
 *                        └► the producer was faster ─► read on, again (50 times at most)
 *
 * The producer finds the entry where its next one belonged, or sees it in its log, and aborts the model.
 */
import { StreamError } from 'millrace'
import { type AnswerLog, PAGE_ENTRIES } from './answer-log.ts'
import type { AnswerEntry } from './entry.ts'
import { BEFORE_ALL } from './entry-id.ts'
import { pause } from './pause.ts'
import { notFound } from './relay-error.ts'
import { isClosing, nextText } from './text.ts'

const TRIES = 50

/** True when this call closed the answer. */
export async function stopAnswer(log: AnswerLog): Promise<boolean> {
  let text = ''
  let last: AnswerEntry | undefined
  let inDoubt = false
  for (let tries = 0; tries < TRIES; tries++) {
    for (let page = [] as AnswerEntry[], isFull = true; isFull; isFull = page.length === PAGE_ENTRIES) {
      page = await log.page(last?.id ?? BEFORE_ALL)
      for (const entry of page) text = nextText(text, entry)
      last = page.at(-1) ?? last
    }
    if (last === undefined) throw notFound()
    if (isClosing(last)) return inDoubt && last.type === 'stopped'
    try {
      const body = { type: 'stopped', chars: text.length } as const
      await log.append({ body, seq: last.seq + 1, epoch: last.epoch }, last.id)
      return true
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      if (error.code === 'OUTCOME_UNKNOWN') inDoubt = true
      else if (error.code !== 'LAST_ID_MISMATCH') throw error
    }
    // Out of step with a producer that appends at the same rhythm.
    await pause(Math.random() * Math.min(20, tries * 2))
  }
  throw new StreamError('UNAVAILABLE', `The answer grew faster than it could be stopped, ${TRIES} times`)
}

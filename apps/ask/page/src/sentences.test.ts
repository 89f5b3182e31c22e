/** Interruptions and failures in sentences that people understand. */
import { describe, expect, it } from 'vitest'
import type { Interruption } from './answer-log.ts'
import { failureSentence, messageTellsMore, interruptionSentence, refusalSentence } from './sentences.ts'

const lost: Interruption = {
  id: '9-0',
  reason: 'server_lost',
  after: '1795391639177-0',
  gapMs: 1400,
  keep: 120,
  epoch: 2,
  sameServer: false,
}

describe('sentences', () => {
  it('tells who took over and how it goes on', () => {
    expect(interruptionSentence(lost)).toBe(
      'The server that was answering stopped at entry 1795391639177-0. Another took over after 1.4 s and goes on.',
    )
    expect(interruptionSentence({ ...lost, keep: 0, sameServer: true })).toMatch(
      /It came back after 1\.4 s and begins again\.$/,
    )
  })

  it('tells of a new attempt after a failure', () => {
    expect(interruptionSentence({ ...lost, reason: 'cut', keep: 0, epoch: 3 })).toBe(
      'The connection to the model was cut at entry 1795391639177-0. Attempt 3 started after 1.4 s and begins again.',
    )
    expect(interruptionSentence({ ...lost, reason: 'new_reason' })).toMatch(/^The attempt before failed/)
  })

  it('has a sentence for every code, known or not', () => {
    expect(failureSentence('auth')).toContain('key')
    expect(failureSentence('constructor')).toBe('The answer failed.')
    expect(refusalSentence({ code: 'TOO_MANY_QUESTIONS', message: 'At most 10.' })).toBe('At most 10.')
  })
})

it('adds the words of the server only where ours do not say it already', () => {
  expect(messageTellsMore('auth')).toBe(false)
  expect(messageTellsMore('bad_request')).toBe(true)
  expect(messageTellsMore('from a newer server')).toBe(true)
})

import type { EntryId } from 'millrace'
import { describe, expect, it } from 'vitest'
import type { AnswerBody, AnswerEntry } from './entry.ts'
import { AnswerText, stateOf, textOf } from './text.ts'

const server = { server: 's1', model: 'm' }
const restarted = (keep: number): AnswerBody => ({
  type: 'restarted',
  ...server,
  keep,
  reason: 'server_lost',
  after: '1-0' as EntryId,
  gapMs: 5,
})

function log(...bodies: AnswerBody[]): AnswerEntry[] {
  return bodies.map((body, seq) => ({ ...body, seq, epoch: 1, id: `${seq + 1}-0` as EntryId }))
}

describe('the text of an answer', () => {
  const question: AnswerBody = { type: 'question', topic: 't', question: 'q' }
  const start: AnswerBody = { type: 'start', ...server }
  const delta = (text: string): AnswerBody => ({ type: 'delta', text })

  it('is its deltas in order', () => {
    expect(textOf(log(question, start, delta('A co'), delta('nsumer')))).toBe('A consumer')
  })

  it('begins again after a restart that keeps nothing', () => {
    expect(textOf(log(question, start, delta('A co'), restarted(0), delta('B')))).toBe('B')
  })

  it('goes on behind what a restart keeps, counted in UTF-16 code units', () => {
    expect(textOf(log(question, start, delta('😀😀x'), restarted(4), delta('y')))).toBe('😀😀y')
  })

  it('drops what it has already and refuses what does not follow', () => {
    const entries = log(question, start, delta('a'), delta('b'), { type: 'stopped', chars: 2 })
    const answer = new AnswerText()
    expect(entries.slice(0, 3).map((entry) => answer.apply(entry))).toEqual(['applied', 'applied', 'applied'])
    expect(answer.apply(entries[1]!)).toBe('repeated')
    expect(answer.apply(entries[4]!)).toBe('gap')
    expect([answer.text, answer.last?.id, answer.state]).toEqual(['a', '3-0', 'streaming'])
  })

  it('tells the state from the last entry', () => {
    expect(log(question, start, restarted(0), { type: 'stopped', chars: 0 }).map(stateOf)).toEqual([
      'waiting',
      'streaming',
      'streaming',
      'stopped',
    ])
  })
})

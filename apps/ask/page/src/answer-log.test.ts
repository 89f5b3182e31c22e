/** An answer's text, state and figures from its entries; repeats, gaps and rewritten streams. */
import { describe, expect, it } from 'vitest'
import { AnswerLog, compareIds, ROWS_MAX } from './answer-log.ts'
import { decodeEntry, type Entry } from './wire.ts'

const START = 1_795_391_639_000

function entry(seq: number, body: object, ms = START + seq * 100): Entry {
  return decodeEntry({ id: `${ms}-0`, seq, epoch: 1, ...body })!
}

const question = entry(0, { type: 'question', topic: 'Redis', question: 'Why?' })
const start = entry(1, { type: 'start', server: 'a', model: 'm' })
const delta = (seq: number, text: string): Entry => entry(seq, { type: 'delta', text })

function logOf(...entries: readonly Entry[]): AnswerLog {
  const log = new AnswerLog('x')
  for (const each of entries) log.apply(each, true)
  return log
}

describe('AnswerLog', () => {
  it('joins deltas', () => {
    const log = logOf(question, start, delta(2, 'one '), delta(3, 'two'))
    expect(log.view(START)).toMatchObject({ question: 'Why?', text: 'one two', state: 'streaming', entries: 4 })
  })

  it('measures the first words and the total by the stream’s own clock', () => {
    const end = entry(3, { type: 'end', finish: 'stop', chars: 3, sha256: '', sources: [], usage: { outputTokens: 7 } })
    const view = logOf(question, start, delta(2, 'one'), end).view(START)
    expect(view).toMatchObject({ firstMs: 200, totalMs: 300, state: 'done', tokens: 7, tokensCounted: true })
  })

  it('ignores what it has, and refuses what leaves a hole', () => {
    const log = logOf(question, start, delta(2, 'one '))
    expect(log.apply(delta(2, 'one '), true)).toBe('repeated')
    expect(log.apply(start, true)).toBe('repeated')
    expect(log.apply(delta(4, 'three'), true)).toBe('gap')
    expect(log.text).toBe('one ')
    expect(log.apply(delta(3, 'two '), true)).toBe('applied')
    expect(log.apply(delta(4, 'three'), true)).toBe('applied')
    expect(log.text).toBe('one two three')
  })

  it('notices a stream that was rewritten behind its back', () => {
    const log = logOf(question, start, delta(2, 'one '))
    expect(log.apply(entry(2, { type: 'delta', text: 'other' }, START + 900), true)).toBe('diverged')
    expect(log.apply(entry(3, { type: 'delta', text: 'other' }, START), true)).toBe('diverged')
    log.reset()
    expect(log.view(START)).toMatchObject({ text: '', entries: 0, state: 'waiting', cuts: 1 })
  })

  it('cuts back to what stays when an attempt was interrupted', () => {
    const restarted = (seq: number, keep: number, server: string): Entry =>
      entry(seq, {
        type: 'restarted',
        keep,
        server,
        model: 'm',
        reason: 'server_lost',
        after: '5-0',
        gapMs: 1400,
        epoch: 2,
      })
    const log = logOf(question, start, delta(2, 'one two'), restarted(3, 4, 'b'))
    expect(log.view(START)).toMatchObject({ text: 'one ', cuts: 1 })
    log.apply(delta(4, '2'), true)
    log.apply(restarted(5, 5, 'b'), true)
    const view = log.view(START)
    expect(view).toMatchObject({ text: 'one 2', cuts: 1 })
    expect(view.interruptions.map((each) => each.sameServer)).toEqual([false, true])
  })

  it('gives an entry of an unknown type its place and nothing else', () => {
    const log = logOf(question, start, entry(2, { type: 'thinking', text: 'hm' }), delta(3, 'one'))
    expect(log.view(START)).toMatchObject({ text: 'one', entries: 4 })
    expect(log.view(START).rows[2]).toMatchObject({ type: 'thinking', text: '' })
  })

  it('takes nothing after its end', () => {
    const log = logOf(question, start, delta(2, 'one'), entry(3, { type: 'stopped', chars: 3 }))
    expect(log.apply(delta(4, 'two'), true)).toBe('repeated')
    expect(log.view(START)).toMatchObject({ text: 'one', state: 'stopped' })
  })

  it('keeps a bounded number of rows', () => {
    const log = logOf(question, start)
    for (let seq = 2; seq < 2000; seq++) log.apply(delta(seq, 'x'), false)
    const { rows, entries } = log.view(START)
    expect(entries).toBe(2000)
    expect(rows).toHaveLength(ROWS_MAX)
    expect(rows.at(-1)).toMatchObject({ seq: 1999, bytes: 1 })
  })
})

describe('compareIds', () => {
  it('compares 64-bit pairs exactly', () => {
    expect(compareIds('18446744073709551615-0', '18446744073709551614-9')).toBe(1)
    expect(compareIds('5-9', '5-10')).toBe(-1)
    expect(compareIds('5-1', '5-1')).toBe(0)
  })
})

/** Whatever comes over the wire, decoding it neither throws nor lets a wrong shape through. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBatch, decodeEntry, decodeError, decodeHello, decodeInspection, decodeList } from './wire.ts'

describe('decoders', () => {
  it('take any JSON without throwing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        decodeEntry(value)
        decodeError(value)
        decodeHello(value)
        decodeList({ answers: [value] })
        decodeInspection({ stream: value, questions: { group: value, consumers: [value], pending: value } })
        expect(decodeBatch({ answer: 'a', entries: [value, { id: '1-0', seq: 0 }] }).entries.length).toBeGreaterThan(0)
      }),
      { numRuns: 300 },
    )
  })

  it('refuse an entry without a place', () => {
    expect(decodeEntry({ type: 'delta', text: 'x', seq: 1 })).toBeUndefined()
    expect(decodeEntry({ type: 'delta', text: 'x', id: '1-0', seq: -1 })).toBeUndefined()
    expect(decodeEntry({ type: 'delta', text: 'x', id: 'one', seq: 1 })).toBeUndefined()
  })

  it('keep an error’s wait', () => {
    const error = { type: 'error', id: '1-0', seq: 1, epoch: 1, code: 'rate_limit', message: 'm', retryAfterMs: 5 }
    expect(decodeEntry(error)).toEqual(error)
  })
})

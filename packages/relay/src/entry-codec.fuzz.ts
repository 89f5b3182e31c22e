/** Any entry of the vocabulary survives the way into a stream and back; anything else is refused by name. */
import * as fc from 'fast-check'
import type { Entry, EntryId } from 'millrace'
import { expect, it } from 'vitest'
import type { AnswerBody } from './entry.ts'
import { decodeEntry, decodeLogOnly, encodeEntry, hasFields } from './entry-codec.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31)

const text = fc.string({ unit: 'grapheme', maxLength: 200 })
const count = fc.nat()
const failure = fc.constantFrom('auth', 'rate_limit', 'timeout_idle', 'provider_5xx', 'cut', 'internal')
const id = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map(([ms, seq]) => `${ms}-${seq}` as EntryId)

const body = fc.oneof(
  fc.record({ type: fc.constant('question'), topic: text, question: text }),
  fc.record({ type: fc.constant('start'), server: text, model: text }),
  fc.record({ type: fc.constant('delta'), text }),
  fc.record({
    type: fc.constant('restarted'),
    server: text,
    model: text,
    keep: count,
    reason: fc.oneof(fc.constantFrom('server_lost', 'server_stopping'), failure),
    after: id,
    gapMs: count,
  }),
  fc.record({
    type: fc.constant('end'),
    finish: fc.constantFrom('stop', 'length', 'other'),
    chars: count,
    sha256: text,
    sources: fc.array(fc.record({ title: text, href: text })),
    usage: fc.record({ inputTokens: count, outputTokens: count }, { requiredKeys: [] }),
  }),
  fc.record(
    { type: fc.constant('error'), code: failure, message: text, retryAfterMs: count },
    { requiredKeys: ['type', 'code', 'message'] },
  ),
  fc.record({ type: fc.constant('stopped'), chars: count }),
) as fc.Arbitrary<AnswerBody>

function stored(entryId: EntryId, fields: readonly string[]): Entry {
  return { id: entryId, fields: fields.map((field) => Buffer.from(field)) }
}

it(`gives back what was encoded (seed ${seed})`, () => {
  const place = fc.record({ seq: count, epoch: count })
  const logOnly = fc.record({ owner: text, job: text, by: text }, { requiredKeys: [] })
  fc.assert(
    fc.property(body, place, id, logOnly, (given, { seq, epoch }, entryId, hidden) => {
      const fields = encodeEntry(given, { seq, epoch }, hidden)
      const entry = stored(entryId, fields)
      expect(decodeEntry(entry)).toEqual({ ...given, seq, epoch, id: entryId })
      expect(decodeLogOnly(entry)).toEqual(hidden)
      expect(hasFields(entry, fields)).toBe(true)
    }),
    { seed, numRuns: RUNS },
  )
})

it(`decodes or refuses any fields, and never fails otherwise (seed ${seed})`, () => {
  const name = fc.constantFrom('type', 'seq', 'epoch', 'text', 'chars', 'sources', 'usage', 'keep', 'x')
  const value = fc.oneof(text, fc.constantFrom('delta', 'end', '1', '-1', '1e9', '[]', '{}', '[null]', '[{}]', 'null'))
  const fields = fc.array(fc.tuple(name, value)).map((pairs) => pairs.flat())
  fc.assert(
    fc.property(fields, (given) => {
      try {
        decodeEntry(stored('5-1' as EntryId, given))
      } catch (error) {
        expect(error).toMatchObject({ code: 'BACKEND_ERROR', message: expect.stringContaining('Entry 5-1') as string })
      }
    }),
    { seed, numRuns: RUNS },
  )
})

it('names the entry, the field, what was expected and what came', () => {
  const entry = stored('5-1' as EntryId, ['type', 'delta', 'seq', 'two', 'epoch', '1', 'text', 'a'])
  expect(() => decodeEntry(entry)).toThrow(
    "Entry 5-1 is no entry of an answer: seq: expected a whole number, got 'two'",
  )
})

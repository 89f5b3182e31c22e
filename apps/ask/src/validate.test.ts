import { expect, it } from 'vitest'
import { describe as describeValue, isEntryId, parse, payloads } from './validate.ts'
import { WireFailure } from './wire.ts'

const schemas = payloads(['Redis'])

function failure(schema: Parameters<typeof parse>[0], input: unknown): string {
  try {
    parse(schema, input)
  } catch (error) {
    if (error instanceof WireFailure) return `${error.code} ${error.message}`
    throw error
  }
  return 'none'
}

it('keeps what is stated and drops the rest', () => {
  const input = { requestId: 'a', topic: 'Redis', question: 'q', model: 'gpt', system: 'obey', stream: 'k' }
  expect(parse(schemas.ask, input)).toEqual({ requestId: 'a', topic: 'Redis', question: 'q' })
})

it('is not misled by prototypes', () => {
  const input: unknown = JSON.parse('{"__proto__":{"requestId":"a","topic":"Redis","question":"q"}}')
  expect(failure(schemas.ask, input)).toContain('`requestId`: expected')
  expect(failure(schemas.ask, JSON.parse('{"constructor":{"prototype":{"x":1}}}'))).toContain('`requestId`')
  expect(({} as Record<string, unknown>)['x']).toBeUndefined()
})

it('never shows what came, only its kind and size', () => {
  expect(failure(schemas.ask, { requestId: 'private words', topic: 'Redis', question: 'q' })).toContain(
    'came text of 13 characters',
  )
  expect(failure(schemas.follow, Buffer.from('abc'))).toContain('came nothing')
  expect(describeValue(new Uint8Array(3))).toBe('3 bytes of binary data')
  expect(describeValue(null)).toBe('null')
})

it('takes exact 64-bit offsets and nothing else', () => {
  expect(isEntryId('18446744073709551615-18446744073709551615')).toBe(true)
  for (const bad of [
    '18446744073709551616-0',
    '0-18446744073709551616',
    '1',
    '1-',
    '-1',
    '+',
    '$',
    '1-1 ',
    ' 1-1',
    '١-١',
  ]) {
    expect(isEntryId(bad), bad).toBe(false)
  }
})

it('refuses a question by its bytes, not by its characters', () => {
  const ask = (question: string): string => failure(schemas.askQuestion, { topic: 'Redis', topicQuestion: question })
  expect(ask('€'.repeat(5461))).toBe('none')
  expect(ask('€'.repeat(5462))).toBe('TOO_LARGE `topicQuestion`: expected at most 16384 bytes, came 16386')
})

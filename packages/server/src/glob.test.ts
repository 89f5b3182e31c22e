import { expect, it } from 'vitest'
import { Glob, globMatch } from './glob.ts'

it.each([
  ['', '', true],
  ['*', '', false],
  ['*', 'a', true],
  ['a*', 'a', true],
  ['a*b', 'ab', true],
  ['a*b', 'acbcb', true],
  ['a*b', 'acbc', false],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['h[ae]llo', 'hello', true],
  ['h[ae]llo', 'hillo', false],
  ['h[^ae]llo', 'hillo', true],
  ['h[^ae]llo', 'hallo', false],
  ['[c-a]', 'b', true],
  ['[a-]', ']', true],
  ['[\\]]', ']', true],
  ['[]', 'a', false],
  ['[^]', 'a', true],
  ['[abc', 'b', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['a\\', 'a\\', true],
  ['\xff*', '\xff\x00', true],
])('%j takes %j: %j', (pattern, text, isTaken) => {
  expect(new Glob(pattern).matches(text)).toBe(isTaken)
})

it('takes both cases of a letter when asked to, in classes and ranges too', () => {
  const ignoresCase = true
  expect(globMatch('MaxMem*', 'maxMEMory', { ignoresCase })).toBe(true)
  expect(globMatch('[A-C]x', 'bX', { ignoresCase })).toBe(true)
  expect(globMatch('[^b]', 'B', { ignoresCase })).toBe(false)
  expect(globMatch('MaxMem*', 'maxmemory')).toBe(false)
})

/** How often a step was tried cannot be seen from outside: a run that is not linear would not end within the time limit. */
it('ends at once for patterns that are made to take long', { timeout: 5000 }, () => {
  const text = 'a'.repeat(100_000)
  expect(globMatch(`${'a*'.repeat(10_000)}b`, text)).toBe(false)
  expect(globMatch('['.repeat(100_000), text)).toBe(false)
  expect(globMatch('*'.repeat(100_000), text)).toBe(true)
  expect(globMatch(`${'*a'.repeat(50_000)}`, text)).toBe(true)
  expect(globMatch('[^'.repeat(50_000), text)).toBe(false)
})

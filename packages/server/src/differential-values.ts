/**
 * The words of the stream grammar: keys, groups, consumers, IDs, counts, idle times and fields, hostile ones among them.
 */
import type { Random } from './differential-random.ts'

const U64_MAX = '18446744073709551615'
/** After it `5-*` fails. */
const LAST_OF_5 = `5-${U64_MAX}`
const hostileIds = [
  '-',
  '+',
  '$',
  '>',
  '*',
  '(5-1',
  '(3',
  '(',
  '(-',
  '(+',
  `(${U64_MAX}-${U64_MAX}`,
  '(0-0',
  '(0',
  'abc',
  '1-',
  '-5',
  '+5',
  ' 6',
  '6 ',
  '05-1',
  '7-+1',
  '1-1-1',
  '1e3',
  '5-*',
  '5-**',
  '0-*',
  '*-1',
  '',
  '0',
  '0-0',
  U64_MAX,
  `${U64_MAX}-${U64_MAX}`,
  `${U64_MAX}-*`,
  '18446744073709551616',
  '0-18446744073709551616',
  LAST_OF_5,
  '\0',
  '1'.repeat(130),
]
export const hostileCounts = [
  '0',
  '-1',
  '-5',
  'x',
  '',
  '+10',
  '007',
  '-0',
  '1.5',
  '1e3',
  ' 1',
  '4294967296',
  '1152921504606846976',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  U64_MAX,
]

export const key = (random: Random): string =>
  random.weighted([
    [60, 's'],
    [18, 't'],
    [8, 'u'],
    [6, 'v'],
    [6, 'f'],
    [5, 'w'],
    [3, 'none'],
  ])
export const group = (random: Random): string =>
  random.weighted([
    [70, 'g'],
    [27, 'h'],
    [3, ''],
  ])
export const consumer = (random: Random): string =>
  random.weighted([
    [50, 'alice'],
    [30, 'bob'],
    [19, 'carol'],
    [1, ''],
  ])

export function id(random: Random): string {
  if (random.chance(0.12)) return random.pick(hostileIds)
  const ms = random.below(12)
  return random.chance(0.2) ? String(ms) : `${ms}-${random.below(4)}`
}

export function count(random: Random): string {
  return random.chance(0.2) ? random.pick(hostileCounts) : String(random.below(6))
}

/** Idle times that no clock decides: nothing, everything, or more than a test lasts. */
export function idle(random: Random): string {
  return random.weighted([
    [70, '0'],
    [15, '10000000'],
    [5, '-1'],
    [10, random.pick(hostileCounts)],
  ])
}

export function fields(random: Random): string[] {
  const made: string[] = []
  const pairs = random.weighted([
    [70, 1],
    [20, 2],
    [10, 5],
  ])
  for (let i = 0; i < pairs; i++) {
    made.push(random.pick(['f', 'f', 'name', '', '\xff\0\r\n', '12']))
    made.push(
      random.weighted([
        [50, String(random.below(200))],
        [20, 'value'],
        [10, ''],
        [5, '-4095'],
        [10, 'x'.repeat(random.below(130))],
        [3, 'x'.repeat(4200)],
        [2, '9223372036854775807'],
      ]),
    )
  }
  if (random.chance(0.02)) made.pop()
  return made
}

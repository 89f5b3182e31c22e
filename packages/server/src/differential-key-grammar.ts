/**
 * Random commands about keys and strings for the differential suite: few keys, so that they meet; odd numbers, options in any
 * order, now and then an argument too many or too few.
 *
 * Left out is what two servers need not have in common: encodings, what is dumped, the order of SCAN, RANDOMKEY, memory, and times that pass
 * while the suite runs.
 */
import type { Args } from './differential-grammar.ts'
import type { Random, Weighted } from './differential-random.ts'

const keys = ['a', 'b', 'c', 'stream', '', 'k\0\xff']
const values = [
  '',
  '0',
  '1',
  '-1',
  '10',
  '007',
  'abc',
  '9223372036854775807',
  '-9223372036854775808',
  '3.5',
  '1e3',
  'x'.repeat(60),
]
const numbers = (
  '0|1|-1|2|5|10|100|+5| 6|05|1e2||abc|4294967296|-2147483649|9223372036854775807|9223372036854775808|' +
  '-9223372036854775808|9223372036854775|9223372036854776'
).split('|')
// A year and more from now, relative or absolute, or long ago: nothing expires while the suite runs.
const times = [
  '40000000',
  '99999999999',
  '2000000000',
  '4000000000000',
  '0',
  '-1',
  '-5',
  'abc',
  '',
  '9223372036854775808',
]
// Beyond 2^53 ms. Without conditions: how far they are apart is decided by what is rounded.
const hugeTimes = ['9223370000000', '9007199254740993', '9223370000000000000', '9223372036854775807']
// Of SET no time that has passed: Redis keeps the key until it looks at it.
const setTimes = [
  '40000000',
  '99999999999',
  '0',
  '-1',
  'abc',
  '9223370000000',
  '9223370000000000000',
  '9223372036854775807',
]
const floats = [
  '1.5',
  '-0.1',
  '1e5',
  '0',
  '-0',
  'inf',
  'nan',
  '3.0e-5',
  '1e4000',
  '0x10',
  '.5',
  '5.',
  '1 ',
  '',
  '0.00000000000000001',
]
const ranges = ['0', '-1', '1', '3', '-3', '100', '-100', '9223372036854775807', '-9223372036854775808', 'abc']
// What redis-server 7.0 dumps of 'hello', of 10, and of a stream of one entry; and what is no such thing.
const payloads = [
  '000568656c6c6f0a006372df766534200a',
  '00c00a0a006e9f57450eae63bb',
  '130110000000000000000100000000000000011d1d0000000a0001010001010181660200010201000100018176020401ff0101010101000001' +
    '000a00ff55ab626ac035db',
  '00c00a0a006e9f57450eae63bc',
  '',
].map((hex) => Buffer.from(hex, 'hex').toString('latin1'))
const databases = ['0', '1', '1', '2', '15', '16', '-1', 'abc', '99999999999']

export class KeyGrammar {
  readonly #random: Random
  readonly #commands: Weighted<() => string[]>

  constructor(random: Random) {
    this.#random = random
    this.#commands = [...this.#strings(), ...this.#numbers(), ...this.#keys(), ...this.#expiries()]
  }

  next(): Args {
    const random = this.#random
    const args = random.weighted(this.#commands)()
    if (random.chance(0.01)) args.push(random.pick(numbers))
    if (random.chance(0.01)) args.pop()
    if (random.chance(0.1)) args[0] = args[0]?.toLowerCase() ?? 'ping'
    return args.length === 0 ? ['PING'] : args
  }

  #key(): string {
    return this.#random.pick(keys)
  }

  #some(): string[] {
    return Array.from({ length: 1 + this.#random.below(3) }, () => this.#key())
  }

  #pairs(): string[] {
    return this.#some().flatMap((key) => (this.#random.chance(0.03) ? [key] : [key, this.#random.pick(values)]))
  }

  /** Options in any order, some of them twice, some that contradict each other. */
  #options(from: readonly (() => string[])[]): string[] {
    const random = this.#random
    const count = random.chance(0.4) ? 0 : 1 + random.below(3)
    return Array.from({ length: count }, () => random.pick(from)()).flat()
  }

  #strings(): Weighted<() => string[]> {
    const random = this.#random
    const time = (word: string) => (): string[] =>
      random.chance(0.05) ? [word] : [word, random.pick(word.endsWith('AT') ? ['4000000000000'] : setTimes)]
    const word = (text: string) => (): string[] => [random.chance(0.1) ? text.toLowerCase() : text]
    const timed = ['EX', 'PX', 'EXAT', 'PXAT'].map(time)
    const setOptions = [...['NX', 'XX', 'GET', 'KEEPTTL', 'PERSIST'].map(word), ...timed]
    const getexOptions = [word('PERSIST'), word('KEEPTTL'), ...timed]
    const value = (): string => random.pick(values)
    return [
      [8, () => ['SET', this.#key(), value()]],
      [8, () => ['SET', this.#key(), value(), ...this.#options(setOptions)]],
      [6, () => ['GET', this.#key()]],
      [2, () => ['GETEX', this.#key(), ...this.#options(getexOptions)]],
      [2, () => ['GETDEL', this.#key()]],
      [2, () => ['GETSET', this.#key(), value()]],
      [2, () => ['SETNX', this.#key(), value()]],
      [2, () => ['SETEX', this.#key(), random.pick(setTimes), value()]],
      [2, () => ['PSETEX', this.#key(), random.pick(setTimes), value()]],
      [2, () => ['MGET', ...this.#some()]],
      [2, () => ['MSET', ...this.#pairs()]],
      [2, () => ['MSETNX', ...this.#pairs()]],
      [2, () => ['STRLEN', this.#key()]],
      [2, () => ['APPEND', this.#key(), value()]],
      [2, () => ['SETRANGE', this.#key(), random.pick(['0', '3', '70', '-1', 'abc', '536870912']), value()]],
      [3, () => [random.pick(['GETRANGE', 'SUBSTR']), this.#key(), random.pick(ranges), random.pick(ranges)]],
      [3, () => ['XADD', random.chance(0.8) ? 'stream' : this.#key(), `${random.below(9)}-1`, 'f', 'v']],
    ]
  }

  #numbers(): Weighted<() => string[]> {
    const random = this.#random
    return [
      [3, () => [random.pick(['INCR', 'DECR']), this.#key()]],
      [3, () => [random.pick(['INCRBY', 'DECRBY']), this.#key(), random.pick(numbers)]],
      [3, () => ['INCRBYFLOAT', this.#key(), random.pick(floats)]],
    ]
  }

  #keys(): Weighted<() => string[]> {
    const random = this.#random
    const database = (): string => random.pick(databases)
    const copyOptions = [(): string[] => ['REPLACE'], (): string[] => ['DB', database()], (): string[] => ['FOO']]
    const restoreOptions = ['REPLACE', 'REPLACE', 'ABSTTL', 'IDLETIME 1', 'FREQ 256', 'FREQ 1'].map(
      (option) => (): string[] => option.split(' '),
    )
    return [
      [3, () => [random.pick(['DEL', 'UNLINK', 'EXISTS', 'TOUCH']), ...this.#some()]],
      [2, () => ['TYPE', this.#key()]],
      [3, () => [random.pick(['RENAME', 'RENAMENX']), this.#key(), this.#key()]],
      [3, () => ['COPY', this.#key(), this.#key(), ...this.#options(copyOptions)]],
      [2, () => ['MOVE', this.#key(), database()]],
      [
        3,
        () => [
          'RESTORE',
          this.#key(),
          random.pick(['0', ...times]),
          random.pick(payloads),
          ...this.#options(restoreOptions),
        ],
      ],
      [1, () => ['SWAPDB', database(), database()]],
      [1, () => ['SELECT', random.pick(['0', '0', '1', '2', '16', 'abc'])]],
      [2, () => ['DBSIZE']],
      [2, () => ['KEYS', random.pick(['*', 'a', '?', '[ab]', '[^a]*', 's*m', '\\a', 'nothing'])]],
      [
        1,
        () => [
          'SCAN',
          '0',
          'COUNT',
          '100',
          ...this.#options([() => ['MATCH', '?'], () => ['TYPE', 'stream'], () => ['FOO']]),
        ],
      ],
      [
        1,
        () => [
          'SCAN',
          random.pick(['abc', '-', '18446744073709551616', '0x1', '+0', '']),
          'COUNT',
          random.pick(['100', '0', 'x']),
        ],
      ],
      [
        0.3,
        () => [random.pick(['FLUSHDB', 'FLUSHALL']), ...this.#options([() => [random.pick(['ASYNC', 'SYNC', 'FOO'])]])],
      ],
      [1, () => ['OBJECT', random.pick(['FREQ', 'FOO']), 'stream']],
    ]
  }

  #expiries(): Weighted<() => string[]> {
    const random = this.#random
    const word = (text: string) => (): string[] => [text]
    const sure = ['NX', 'XX', 'FOO'].map(word)
    // The same time from now is later than before only if a millisecond has passed, which is another one for each server.
    const all = [...sure, word('GT'), word('LT')]
    const fromNow = ['EXPIRE', 'PEXPIRE']
    const at = ['EXPIREAT', 'PEXPIREAT']
    const names = [...fromNow, ...at]
    return [
      [2, () => [random.pick(fromNow), this.#key(), random.pick(times), ...this.#options(sure)]],
      [2, () => [random.pick(at), this.#key(), random.pick(times), ...this.#options(all)]],
      [1, () => [random.pick(names), this.#key(), random.pick(hugeTimes)]],
      [4, () => [random.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), this.#key()]],
      [2, () => ['PERSIST', this.#key()]],
    ]
  }
}

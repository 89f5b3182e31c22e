/** Bytes to replies: each case whole, cut at every byte, and byte by byte; the limits; what ReplyWriter writes. */
import { describe, expect, it } from 'vitest'
import type { ReplyLimits } from './limits.ts'
import { ProtocolError } from './protocol-error.ts'
import { ReplyReader } from './reply-reader.ts'
import type { ReplyValue } from './reply-value.ts'
import { ReplyWriter } from './reply-writer.ts'

interface Outcome {
  readonly values: unknown[]
  readonly frames: string[]
  readonly error?: string
}

function read(chunks: readonly Buffer[], limits: Partial<ReplyLimits> = {}): Outcome {
  const reader = new ReplyReader(limits)
  const values: unknown[] = []
  const frames: string[] = []
  try {
    for (const chunk of chunks) {
      reader.feed(Buffer.from(chunk))
      while (reader.next()) {
        frames.push(reader.frame().toString('latin1'))
        values.push(plain(reader.value()))
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { values, frames, error: error.message }
  }
  return { values, frames }
}

/** A value in short: texts, numbers and lists, with a word where these would be the same. */
function plain(value: ReplyValue): unknown {
  switch (value.kind) {
    case 'simple':
      return `+${value.text}`
    case 'error':
      return `-${value.line}`
    case 'bulk':
      return value.bytes.toString('latin1')
    case 'null':
      return value.isArray ? 'null array' : null
    case 'integer':
    case 'boolean':
    case 'big':
      return value.value
    case 'double':
      return { double: value.value, text: value.text }
    case 'verbatim':
      return { [value.format]: value.bytes.toString('latin1') }
    case 'array':
      return value.items.map(plain)
    case 'set':
    case 'push':
      return { [value.kind]: value.items.map(plain) }
    case 'map':
      return { map: value.entries.map(([key, item]) => [plain(key), plain(item)]) }
    case 'attributed':
      return { attributes: plain(value.attributes), value: plain(value.value) }
  }
}

function expectHowever(frames: readonly string[], values: readonly unknown[]): void {
  const bytes = Buffer.from(frames.join(''), 'latin1')
  const expected = { values, frames }
  expect(read([bytes])).toEqual(expected)
  for (let at = 1; at < bytes.length; at++) {
    expect(read([bytes.subarray(0, at), bytes.subarray(at)]), `cut at ${at}`).toEqual(expected)
  }
  expect(read(Array.from(bytes, (byte) => Buffer.from([byte]))), 'byte by byte').toEqual(expected)
}

/** The same error whole and byte by byte. */
function expectError(text: string, error: string, limits: Partial<ReplyLimits> = {}): void {
  const bytes = Buffer.from(text, 'latin1')
  expect(read([bytes], limits).error, JSON.stringify(text)).toBe(error)
  expect(
    read(
      Array.from(bytes, (byte) => Buffer.from([byte])),
      limits,
    ).error,
    JSON.stringify(text),
  ).toBe(error)
}

describe('ReplyReader', () => {
  it('reads the replies of RESP2', () => {
    expectHowever(['+OK\r\n', '-ERR no\r\n', ':5\r\n', ':-7\r\n'], ['+OK', '-ERR no', 5, -7])
    expectHowever(['$3\r\na\r\n\r\n', '$0\r\n\r\n', '$-1\r\n', '*-1\r\n'], ['a\r\n', '', null, 'null array'])
    expectHowever(['*0\r\n', '*2\r\n*1\r\n:1\r\n*0\r\n', '+\r\n'], [[], [[1], []], '+'])
    expectHowever([':9007199254740993\r\n', ':-9223372036854775808\r\n'], [9007199254740993n, -(2n ** 63n)])
    expectHowever(
      ['*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n'],
      [
        [
          [
            's',
            [
              ['1-0', ['f', 'v']],
              ['2-0', 'null array'],
            ],
          ],
        ],
      ],
    )
  })

  it('reads the replies of RESP3', () => {
    expectHowever(
      ['_\r\n', '#t\r\n', '#f\r\n', '(12345678901234567890\r\n'],
      [null, true, false, 12345678901234567890n],
    )
    expectHowever(
      [',1.5\r\n', ',inf\r\n', ',-inf\r\n', ',1e+20\r\n'],
      [
        { double: 1.5, text: '1.5' },
        { double: Infinity, text: 'inf' },
        { double: -Infinity, text: '-inf' },
        { double: 1e20, text: '1e+20' },
      ],
    )
    expectHowever(['!5\r\nERR x\r\n', '=6\r\ntxt:ab\r\n', '=4\r\nmkd:\r\n'], ['-ERR x', { txt: 'ab' }, { mkd: '' }])
    expectHowever(
      ['%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n', '~2\r\n:1\r\n:2\r\n', '>2\r\n+message\r\n+m\r\n', '%0\r\n', '~0\r\n'],
      [
        {
          map: [
            ['+a', 1],
            ['+b', [null]],
          ],
        },
        { set: [1, 2] },
        { push: ['+message', '+m'] },
        { map: [] },
        { set: [] },
      ],
    )
  })

  it('reads attributes, before a reply and within one', () => {
    expectHowever(
      ['|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n', '*2\r\n|1\r\n+x\r\n*1\r\n:1\r\n:2\r\n:3\r\n', '|0\r\n+OK\r\n'],
      [
        { attributes: { map: [['+ttl', 3]] }, value: 'a' },
        [{ attributes: { map: [['+x', [1]]] }, value: 2 }, 3],
        { attributes: { map: [] }, value: '+OK' },
      ],
    )
  })

  it('refuses what is no reply', () => {
    expectError('PING\r\n', 'not a reply: "PING"')
    expectError(':\r\n', 'not a reply: ":"')
    expectError(':1a\r\n', 'not a reply: ":1a"')
    expectError('#x\r\n', 'not a reply: "#x"')
    expectError('_x\r\n', 'not a reply: "_x"')
    expectError(',x\r\n', 'not a reply: ",x"')
    expectError('(1.5\r\n', 'not a reply: "(1.5"')
    expectError('$1\r\nab\r\n', 'expected CRLF after a bulk string in a reply')
    expectError('+a\rb', 'expected LF after CR in a reply')
    for (const head of ['$x', '$-2', '$', '!-1', '=3', '=-1'])
      expectError(`${head}\r\n`, 'invalid bulk length in a reply')
    for (const head of ['*x', '*-2', '*?', '%-1', '~-1', '>-1', '|-1', '%']) {
      expectError(`${head}\r\n`, 'invalid length of an aggregate in a reply')
    }
  })

  it('has limits on a bulk string, a line, the elements and the whole', () => {
    expect(read([Buffer.from('$10\r\n')], { bulkBytesMax: 10 }).error).toBeUndefined()
    expectError('$11\r\n', 'invalid bulk length in a reply', { bulkBytesMax: 10 })
    expect(read([Buffer.from(`+${'a'.repeat(9)}`)], { lineBytesMax: 10 }).error).toBeUndefined()
    expectError(`+${'a'.repeat(10)}`, 'too long a line in a reply', { lineBytesMax: 10 })
    expect(read([Buffer.from('*10\r\n%5\r\n')], { elementsMax: 10 }).error).toBeUndefined()
    expectError('*11\r\n', 'invalid length of an aggregate in a reply', { elementsMax: 10 })
    expectError('*3\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n', 'too large a reply', { replyBytesMax: 20 })
    expect(read([Buffer.from('*2\r\n$2\r\nab\r\n$2\r\nab\r\n')], { replyBytesMax: 20 }).values).toEqual([['ab', 'ab']])
  })

  it('reads 32 levels of nesting and refuses the 33rd', () => {
    const nested = (depth: number): string => `${'*1\r\n'.repeat(depth)}:1\r\n`
    expect(read([Buffer.from(nested(32))]).error).toBeUndefined()
    expectError(nested(33), 'a reply is nested too deeply')
    expectError('|0\r\n'.repeat(33), 'a reply is nested too deeply')
    expect(() => new ReplyReader({ depthMax: 33 })).toThrow('depthMax is 32 at most')
  })

  it('gives each reply of a long pipeline, however it is cut', () => {
    const frames = Array.from({ length: 3000 }, (_, i) => `*2\r\n:${i}\r\n$5\r\n${String(i).padStart(5, '0')}\r\n`)
    const bytes = Buffer.from(frames.join(''))
    for (const size of [7, 1000, 16_384]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      )
      expect(read(chunks).frames).toEqual(frames)
    }
  })

  it('reserves nothing of what is declared', () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 1000 }, () => new ReplyReader())
    for (const reader of readers) {
      reader.feed(Buffer.from('*2147483647\r\n$536870912\r\nabc'))
      expect(reader.next()).toBe(false)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024)
  })
})

describe('ReplyWriter', () => {
  function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
    const reply = new ReplyWriter()
    reply.protocol = protocol
    write(reply)
    return reply.written().toString('latin1')
  }

  it('writes what RESP2 and RESP3 share', () => {
    const write = (reply: ReplyWriter): void => {
      reply.ok()
      reply.simple('PONG')
      reply.error('ERR a\r\nb')
      reply.integer(0)
      reply.integer(1_234_567_890_123)
      reply.integer(-5)
      reply.integer(-(2n ** 63n))
      reply.bulk(Buffer.from('é'))
      reply.bulkText('\xff')
      reply.array(2)
      reply.raw(':1\r\n')
    }
    const expected =
      '+OK\r\n+PONG\r\n-ERR a  b\r\n:0\r\n:1234567890123\r\n:-5\r\n:-9223372036854775808\r\n' +
      '$2\r\n\xc3\xa9\r\n$1\r\n\xff\r\n*2\r\n:1\r\n'
    expect(written(2, write)).toBe(expected)
    expect(written(3, write)).toBe(expected)
  })

  it('writes in RESP2 what Redis makes of the types of RESP3', () => {
    const write = (reply: ReplyWriter): void => {
      reply.null()
      reply.nullArray()
      reply.map(1)
      reply.set(1)
      reply.push(1)
      reply.boolean(true)
      reply.boolean(false)
      reply.double('1.5')
      reply.verbatim('txt', 'ab')
    }
    expect(written(2, write)).toBe('$-1\r\n*-1\r\n*2\r\n*1\r\n*1\r\n:1\r\n:0\r\n$3\r\n1.5\r\n$2\r\nab\r\n')
    expect(written(3, write)).toBe('_\r\n_\r\n%1\r\n~1\r\n>1\r\n#t\r\n#f\r\n,1.5\r\n=6\r\ntxt:ab\r\n')
  })

  it('writes every number as its decimal', () => {
    const numbers = [0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2 ** 53 - 1, -1, -(2 ** 53 - 1)]
    const text = written(2, (reply) => numbers.forEach((number) => reply.integer(number)))
    expect(text).toBe(numbers.map((number) => `:${number}\r\n`).join(''))
  })

  it('takes back what was written after a mark', () => {
    const text = written(2, (reply) => {
      reply.ok()
      const mark = reply.mark()
      reply.bulkText('x'.repeat(100_000))
      reply.rewind(mark)
      reply.integer(1)
    })
    expect(text).toBe('+OK\r\n:1\r\n')
  })

  it('grows with its replies, and gives back a large buffer, or one that is still read, when they are sent', () => {
    const reply = new ReplyWriter()
    reply.bulk(Buffer.alloc(1_000_000))
    expect(reply.length).toBe(1_000_012)
    reply.sent(true)
    expect(reply.length).toBe(0)
    expect(reply.bytes.length).toBeLessThan(100_000)
    reply.ok()
    const own = reply.bytes
    reply.sent(true)
    expect(reply.bytes === own).toBe(true)
    reply.ok()
    reply.sent(false)
    expect(reply.bytes === own).toBe(false)
  })

  it('writes what ReplyReader reads', () => {
    const text = written(3, (reply) => {
      reply.map(2)
      reply.bulkText('a')
      reply.array(1)
      reply.null()
      reply.bulkText('b')
      reply.double('3')
    })
    expect(read([Buffer.from(text)]).values).toEqual([
      {
        map: [
          ['a', [null]],
          ['b', { double: 3, text: '3' }],
        ],
      },
    ])
  })
})

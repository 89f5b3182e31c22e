/** Bytes to requests: each case whole, cut at every byte, and byte by byte; the limits; the errors of a real redis-server. */
import { createConnection } from 'node:net'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestLimits } from './limits.ts'
import { ProtocolError } from './protocol-error.ts'
import { RequestParser } from './request-parser.ts'

type Outcome = (string[] | { error: string })[]

/** What comes of chunks: the requests, and the error that ended them. */
function parse(chunks: readonly Buffer[], limits: Partial<RequestLimits> = {}, isAuthenticated = true): Outcome {
  const parser = new RequestParser(limits)
  parser.isAuthenticated = isAuthenticated
  const outcome: Outcome = []
  try {
    for (const chunk of chunks) {
      parser.feed(Buffer.from(chunk))
      while (parser.next()) {
        const { request } = parser
        outcome.push(Array.from({ length: request.count }, (_, i) => request.text(i)))
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    outcome.push({ error: error.message })
  }
  return outcome
}

/** The same bytes whole, cut in two at every place, and byte by byte: the outcome must be the same. */
function expectHowever(text: string, expected: Outcome): void {
  const bytes = Buffer.from(text, 'latin1')
  expect(parse([bytes]), `${JSON.stringify(text)} whole`).toEqual(expected)
  for (let at = 1; at < bytes.length; at++) {
    expect(parse([bytes.subarray(0, at), bytes.subarray(at)]), `${JSON.stringify(text)} cut at ${at}`).toEqual(expected)
  }
  const single = Array.from(bytes, (byte) => Buffer.from([byte]))
  expect(parse(single), `${JSON.stringify(text)} byte by byte`).toEqual(expected)
}

function encode(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

const long = 'x'.repeat(120)
const many = Array.from({ length: 40 }, (_, i) => String(i))

describe('RequestParser', () => {
  it('reads arrays of bulk strings', () => {
    expectHowever(encode('PING'), [['PING']])
    expectHowever(encode('XADD', 's', '*', 'f', 'v') + encode('XLEN', 's'), [
      ['XADD', 's', '*', 'f', 'v'],
      ['XLEN', 's'],
    ])
    expectHowever(encode('', '', ''), [['', '', '']])
    expectHowever(encode('a\r\nb', '\0', '\xff*1\r\n$1'), [['a\r\nb', '\0', '\xff*1\r\n$1']])
    expectHowever(encode('SET', 'k', long), [['SET', 'k', long]])
    expectHowever(encode(...many), [many])
  })

  it('reads inline requests', () => {
    expectHowever('PING\r\nPING\n', [['PING'], ['PING']])
    expectHowever('  SET\tkey   value  \r\n', [['SET', 'key', 'value']])
    expectHowever('SET "a b\\x41\\n\\r\\t\\b\\a\\"\\q" \'it\\\'s \\n\' ""\r\n', [
      ['SET', 'a bA\n\r\t\b\x07"q', "it's \\n", ''],
    ])
    expectHowever('ECHO "\\x4"\r\n', [['ECHO', 'x4']])
    expectHowever(`ECHO "a"\r\n${encode('ECHO', 'b')}ECHO 'c'\r\n`, [
      ['ECHO', 'a'],
      ['ECHO', 'b'],
      ['ECHO', 'c'],
    ])
    expectHowever('PING a\r\r\nPING a\rb\r\n', [
      ['PING', 'a'],
      ['PING', 'a', 'b'],
    ])
    expectHowever('%1\r\n', [['%1']])
    expectHowever('\xe9 \xff\r\n', [['\xe9', '\xff']])
  })

  it('takes a vertical tab for a blank before a word and for a part of it within, as Redis', () => {
    expectHowever(' \v\fPING a\vb "c"\v\r\n', [['PING', 'a\vb', 'c']])
  })

  it('gives nothing for empty requests, wherever they come between others', () => {
    for (const empty of [
      '*0\r\n',
      '*-1\r\n',
      '*-9223372036854775808\r\n',
      '\r\n',
      '\n',
      ' \r\n',
      '\n\n\r\n',
      '\t\r\n',
    ]) {
      expectHowever(
        `${empty}${encode('A', 'b')}${empty}${empty}C d\r\n${empty}E "f"\r\n${empty}${encode('G')}${empty}`,
        [['A', 'b'], ['C', 'd'], ['E', 'f'], ['G']],
      )
    }
  })

  it('refuses an empty request inside another', () => {
    const refused = [{ error: "expected '$', got '*'" }]
    expectHowever('*2\r\n*0\r\n', refused)
    expectHowever('*2\r\n$1\r\na\r\n*-1\r\n', refused)
    expectHowever('*1\r\n\r\n', [{ error: "expected '$', got '\r'" }])
    expectHowever('*2\r\n$1\r\na\r\n\r\n', [{ error: "expected '$', got '\r'" }])
  })

  it('refuses what begins as no text does, a TLS handshake or a NUL', () => {
    expect(parse([Buffer.from('160301020001', 'hex')])).toEqual([{ error: "expected '*' or text, got the byte 22" }])
    expect(parse([Buffer.from('\0PING\r\n')])).toEqual([{ error: "expected '*' or text, got the byte 0" }])
    expect(parse([Buffer.from([0x80, 0x01])])).toEqual([])
    expectHowever('PING \0 a\r\n', [{ error: 'a NUL in an inline request' }])
  })

  it('refuses other bytes than CR LF after an argument', () => {
    const error = 'expected CRLF after an argument'
    expectHowever('*1\r\n$4\r\nPINGxx', [{ error }])
    expectHowever('*1\r\n$4\r\nPING\r\r', [{ error }])
    expectHowever('*1\r\n$3\r\nPING\r\n', [{ error }])
    // As Redis, which looks for the CR of a length line only.
    expectHowever('*1\rx$4\r\nPING\r\n', [['PING']])
  })

  it('keeps a whole request where it lies, and a split one however much follows', () => {
    const parser = new RequestParser()
    const chunk = Buffer.from(encode('ECHO', 'abc'))
    parser.feed(chunk)
    expect(parser.next()).toBe(true)
    expect(parser.request.view(1).buffer).toBe(chunk.buffer)
    expect(parser.next()).toBe(false)
    expect(parser.waitingBytes).toBe(0)
    parser.feed(chunk.subarray(0, 20))
    expect(parser.next()).toBe(false)
    expect(parser.waitingBytes).toBe(20)
    parser.feed(Buffer.from(chunk.subarray(20).toString() + encode('ECHO', 'd'.repeat(100_000))))
    expect(parser.next()).toBe(true)
    expect(parser.request.text(1)).toBe('abc')
    expect(parser.next()).toBe(true)
    expect(parser.request.length(1)).toBe(100_000)
  })
})

describe('the limits of a request', () => {
  it('are those of an argument', () => {
    const limits = { bulkBytesMax: 128 }
    const error = 'invalid bulk length'
    expect(parse([Buffer.from(encode('x'.repeat(128)))], limits)).toEqual([['x'.repeat(128)]])
    expect(parse([Buffer.from('*1\r\n$129\r\n')], limits)).toEqual([{ error }])
    expect(parse([Buffer.from('*1\r\n$67108864\r\n')])).toEqual([])
    expect(parse([Buffer.from('*1\r\n$67108865\r\n')])).toEqual([{ error }])
  })

  it('are those of the number of arguments', () => {
    const error = 'invalid multibulk length'
    expect(parse([Buffer.from(encode('a', 'b'))], { argumentsMax: 2 })).toEqual([['a', 'b']])
    expect(parse([Buffer.from('*3\r\n')], { argumentsMax: 2 })).toEqual([{ error }])
    expect(parse([Buffer.from('*1048576\r\n')])).toEqual([])
    expect(parse([Buffer.from('*1048577\r\n')])).toEqual([{ error }])
  })

  it('are those of a line', () => {
    const limits = { lineBytesMax: 100 }
    const at = (text: string, length: number): Buffer => Buffer.from(text.padEnd(length, '1'))
    expect(parse([at('a', 100)], limits)).toEqual([])
    expect(parse([at('a', 101)], limits)).toEqual([{ error: 'too big inline request' }])
    expect(parse([at('*', 100)], limits)).toEqual([])
    expect(parse([at('*', 101)], limits)).toEqual([{ error: 'too big mbulk count string' }])
    expect(parse([Buffer.from('*1\r\n'), at('$', 100)], limits)).toEqual([])
    expect(parse([Buffer.from('*1\r\n'), at('$', 101)], limits)).toEqual([{ error: 'too big bulk count string' }])
  })

  it('are those of the whole request', () => {
    const request = Buffer.from(encode('a'.repeat(50), 'b'.repeat(50)))
    const halves = [request.subarray(0, 80), request.subarray(80)]
    expect(parse(halves, { requestBytesMax: request.length })).toEqual([['a'.repeat(50), 'b'.repeat(50)]])
    expect(parse(halves, { requestBytesMax: request.length - 1 })).toEqual([{ error: 'too big request' }])
  })

  it('are tighter before authentication', () => {
    const ten = Array.from({ length: 10 }, () => 'a')
    expect(parse([Buffer.from(encode(...ten))], {}, false)).toEqual([ten])
    expect(parse([Buffer.from('*11\r\n')], {}, false)).toEqual([{ error: 'unauthenticated multibulk length' }])
    expect(parse([Buffer.from('*1\r\n$16384\r\n')], {}, false)).toEqual([])
    expect(parse([Buffer.from('*1\r\n$16385\r\n')], {}, false)).toEqual([{ error: 'unauthenticated bulk length' }])
  })

  it('reserve nothing of what is declared', () => {
    const parsers = Array.from({ length: 1000 }, () => new RequestParser())
    const before = process.memoryUsage()
    for (const parser of parsers) {
      parser.feed(Buffer.from('*1048576\r\n$67108864\r\nabc'))
      expect(parser.next()).toBe(false)
    }
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20 * 1024 * 1024)
  })

  it('copies an argument of 64 MiB that comes in chunks of 64 KiB a few times, not with every chunk', () => {
    const parser = new RequestParser()
    const bytes = 64 * 1024 * 1024
    const chunk = Buffer.alloc(65_536, 'x')
    const buffers = new Set<Buffer>()
    parser.feed(Buffer.from(`*2\r\n$4\r\nECHO\r\n$${bytes}\r\n`))
    expect(parser.next()).toBe(false)
    for (let at = 0; at < bytes; at += chunk.length) {
      parser.feed(chunk)
      expect(parser.next()).toBe(false)
      buffers.add(parser.request.bytes)
    }
    parser.feed(Buffer.from('\r\n'))
    expect(parser.next()).toBe(true)
    expect(parser.request.length(1)).toBe(bytes)
    // Each twice as large as the one before it.
    expect(buffers.size).toBeLessThan(14)
  })
})

describe('the memory of a parser', () => {
  it('is given back after a large request, also when the next one has begun', () => {
    const parser = new RequestParser()
    const text = encode('ECHO', 'x'.repeat(1_000_000))
    parser.feed(Buffer.from(text.slice(0, 500_000)))
    expect(parser.next()).toBe(false)
    parser.keep()
    parser.feed(Buffer.from(`${text.slice(500_000)}*2\r\n$4\r\nEC`))
    expect(parser.next()).toBe(true)
    expect(parser.request.length(1)).toBe(1_000_000)
    expect(parser.next()).toBe(false)
    parser.keep()
    expect(parser.request.bytes.length).toBeLessThan(100_000)
    parser.feed(Buffer.from('HO\r\n$1\r\na\r\n'))
    expect(parser.next()).toBe(true)
    expect([parser.request.text(0), parser.request.text(1)]).toEqual(['ECHO', 'a'])
  })

  it('is given back after a request of very many arguments, also when the next one has begun', () => {
    for (const rest of ['', '*2\r\n$4\r\nECHO\r\n']) {
      const parser = new RequestParser()
      parser.feed(Buffer.from(encode(...Array.from({ length: 50_000 }, () => 'a')) + rest))
      expect(parser.next()).toBe(true)
      expect(parser.request.count).toBe(50_000)
      expect(parser.next()).toBe(false)
      parser.keep()
      expect(parser.request.columnBytes).toBeLessThan(1000)
      parser.feed(Buffer.from(rest === '' ? 'PING a\r\n' : '$1\r\na\r\n'))
      expect(parser.next()).toBe(true)
      expect(parser.request.text(1)).toBe('a')
    }
  })
})

describe('the errors of a real redis-server', () => {
  let redis: RedisServer
  beforeAll(async () => (redis = await startRedis()))
  afterAll(() => redis.stop())

  /** All that the server answers to bytes after which nothing more comes. */
  async function answer(bytes: Buffer): Promise<string> {
    return await new Promise((resolve, reject) => {
      const socket = createConnection({ port: redis.port, host: '127.0.0.1' }, () => socket.end(bytes))
      const chunks: Buffer[] = []
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.once('error', reject)
      socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    })
  }

  it('are ours, byte for byte', async () => {
    const texts = [
      '*2147483648\r\n',
      '*01\r\n',
      '*+1\r\n',
      '*-0\r\n',
      '* 1\r\n',
      '*\r\n',
      '*a\r\n',
      '*99999999999999999999999\r\n',
      '*9223372036854775808\r\n',
      '*-9223372036854775809\r\n',
      '*1\r\n*1\r\n',
      '*1\r\n:1\r\n',
      '*1\r\n\r\n',
      '*1\r\n\xff\r\n',
      '*1\r\n$-1\r\n',
      '*1\r\n$536870913\r\n',
      '*1\r\n$01\r\n',
      '*1\r\n$\r\n',
      '*1\r\n$a\r\n',
      '*1\r\n$4 \r\n',
      '*1\r\n$9223372036854775808\r\n',
      '*2\r\n$1\r\na\r\n$-2\r\n',
      'SET "a\r\n',
      "PING 'a'b\r\n",
      'PING "a"b\r\n',
      'PING "a\\"\r\n',
      'a'.repeat(65_537),
      `*${'1'.repeat(65_536)}`,
      `*1\r\n$${'1'.repeat(65_540)}`,
      `*1\r\n${'x'.repeat(65_541)}`,
    ]
    for (const text of texts) {
      const outcome = parse([Buffer.from(text, 'latin1')]).at(-1)
      const ours = outcome !== undefined && 'error' in outcome ? outcome.error : `no error, ${JSON.stringify(outcome)}`
      const line = `-ERR Protocol error: ${ours.replaceAll(/[\r\n]/g, ' ')}\r\n`
      expect(await answer(Buffer.from(text, 'latin1')), JSON.stringify(text.slice(0, 60))).toBe(line)
    }
  })
})

/**
 * The same bytes, requests or not, to two servers on fresh connections, and all that each answers until it closes.
 *
 *   bytes, then our end of the connection ──► what was whole is run ──► replies ──► the server closes ──► compared
 *
 * Ending our half makes the end certain without a wait: a server closes when it has run and answered what it read.
 */
import { createConnection } from 'node:net'
import { ProtocolError, ReplyReader, RequestParser } from '@millrace/protocol'
import { allowedTranscripts, type Transcript } from './differential-allowed.ts'
import { ReplyComparer } from './differential-replies.ts'
import { encode, encodeAll } from './differential-wire.ts'
import type { Grammar } from './differential-grammar.ts'
import type { Random } from './differential-random.ts'

/** No small request keeps a server busy for longer: this is a hang. */
const ANSWER_MS_MAX = 5000
/** A server that closes while bytes wait unread resets the connection, which may lose replies: less than one read of Redis. */
const BYTES_MAX = 12_000

const HELLO_3 = encode(['HELLO', '3'])

/** Everything a server sends until it closes; in RESP3 after the reply to HELLO, which goes ahead of the bytes. */
export async function transcript(port: number, bytes: Buffer, protocol: 2 | 3 = 2): Promise<string> {
  if (protocol === 2) return await answerTo(port, bytes)
  const answer = await answerTo(port, Buffer.concat([HELLO_3, bytes]))
  return answer.slice(framesOf(answer)[0]?.length ?? 0)
}

async function answerTo(port: number, bytes: Buffer): Promise<string> {
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(bytes))
    const timer = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(`No end of the connection within ${ANSWER_MS_MAX} ms: ${JSON.stringify(bytes.toString('latin1'))}`),
      )
    }, ANSWER_MS_MAX)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('error', () => socket.destroy())
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).toString('latin1'))
    })
  })
}

/**
 * The names of what explains the difference between two transcripts; 'same' when there is none but the clock, undefined
 * when nothing does. Replies are compared as those to the requests that the bytes are; what then is left, as bytes.
 */
export function verdict({ sent, ours, theirs }: Transcript, clockMsMax = 0): string | undefined {
  if (ours === theirs) return 'same'
  const hits = new Map<string, number>()
  const comparer = new ReplyComparer(hits)
  comparer.clockMsMax = clockMsMax
  const requests = requestsOf(sent)
  const other = framesOf(theirs)
  const mine = framesOf(ours).map((frame, i) => {
    const [args, answer] = [requests[i], other[i]]
    return args !== undefined && answer !== undefined && comparer.isSame(args, frame, answer) ? answer : frame
  })
  const name = hits.size === 0 ? 'same' : [...hits.keys()].join(', ')
  const left = mine.join('')
  if (left === theirs) return name
  return allowedTranscripts.find((allowed) => allowed.explains({ sent, ours: left, theirs }))?.name
}

/** The requests in these bytes, up to what cannot be one. */
function requestsOf(sent: string): string[][] {
  const parser = new RequestParser()
  const requests: string[][] = []
  try {
    parser.feed(Buffer.from(sent, 'latin1'))
    while (parser.next()) {
      requests.push(Array.from({ length: parser.request.count }, (_, i) => parser.request.text(i)))
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return requests
}

/** The replies in these bytes, and as the last one whatever is no whole reply. */
function framesOf(answer: string): string[] {
  const reader = new ReplyReader()
  const frames: string[] = []
  let length = 0
  try {
    reader.feed(Buffer.from(answer, 'latin1'))
    while (reader.next()) {
      const frame = reader.frame().toString('latin1')
      length += frame.length
      frames.push(frame)
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return length < answer.length ? [...frames, answer.slice(length)] : frames
}

/** Commands without what differs once they are damaged: waits, who was made by a make-up, and COMMAND alone, which lists all. */
function isPlain([name, second, ...rest]: readonly string[]): boolean {
  if (/^(?:xinfo|command)$/i.test(name!) || /^createconsumer$/i.test(second ?? '')) return false
  return !/^xread/i.test(name!) || ![second, ...rest].some((word) => /^block$/i.test(word ?? ''))
}

/** A few requests of the grammar, damaged in one to three places. */
export function mutated(random: Random, grammar: Grammar): Buffer {
  const commands: (readonly string[])[] = []
  while (commands.length < 1 + random.below(5)) {
    commands.push(...grammar.next().filter(isPlain))
  }
  const isInline = random.chance(0.15)
  let bytes: Buffer = isInline ? inline(commands) : encodeAll(commands)
  for (let i = random.below(3); i >= 0; i--) bytes = random.weighted(mutations)(random, bytes)
  return bytes.subarray(0, BYTES_MAX)
}

function inline(commands: readonly (readonly string[])[]): Buffer {
  const lines = commands.map((args) =>
    args.map((arg) => (/^[\w.~=*$>+-]+$/.test(arg) ? arg : `"${arg.replaceAll(/["\\\0\r\n]/g, hex)}"`)).join(' '),
  )
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
}

function hex(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}

const notable = [0, 9, 10, 13, 32, 34, 36, 39, 42, 45, 48, 49, 57, 58, 127, 128, 255]

type Mutation = (random: Random, bytes: Buffer) => Buffer
const mutations: readonly (readonly [number, Mutation])[] = [
  [30, (random, bytes) => changed(random, bytes, (byte) => byte ^ (1 << random.below(8)))],
  [20, (random, bytes) => changed(random, bytes, () => random.pick(notable))],
  [15, (random, bytes) => spliced(bytes, random.below(bytes.length + 1), { remove: 1 + random.below(4) })],
  [
    15,
    (random, bytes) => spliced(bytes, random.below(bytes.length + 1), { insert: Buffer.from([random.pick(notable)]) }),
  ],
  [20, lengthChanged],
  [5, (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1))],
  [5, repeated],
  [5, (random, bytes) => spliced(bytes, random.below(bytes.length + 1), { insert: Buffer.from(random.pick(empties)) })],
]
const empties = ['*0\r\n', '*-1\r\n', '\r\n', '$-1\r\n', '*1\r\n', '$0\r\n', '\n']

function changed(random: Random, bytes: Buffer, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes
  const copy = Buffer.from(bytes)
  const at = random.below(copy.length)
  copy[at] = change(copy[at]!)
  return copy
}

const EMPTY = Buffer.alloc(0)

interface Splice {
  readonly remove?: number
  readonly insert?: Buffer
}

function spliced(bytes: Buffer, at: number, { remove = 0, insert }: Splice): Buffer {
  return Buffer.concat([bytes.subarray(0, at), insert ?? EMPTY, bytes.subarray(at + remove)])
}

/** The number after a `*` or `$` becomes another. */
function lengthChanged(random: Random, bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const heads = [...text.matchAll(/[*$](\d+)\r\n/g)]
  if (heads.length === 0) return bytes
  const head = random.pick(heads)
  const given = Number(head[1])
  const other = random.pick([given + 1, given - 1, 0, -1, given + 10, 1_048_576, 70_000_000, 2 ** 31, 2 ** 31 - 1])
  const from = head.index + 1
  return spliced(bytes, from, { remove: head[1]!.length, insert: Buffer.from(String(other)) })
}

function repeated(random: Random, bytes: Buffer): Buffer {
  const from = random.below(bytes.length + 1)
  return spliced(bytes, from, { insert: bytes.subarray(from, from + 1 + random.below(40)) })
}

/**
 * Random streams: what the encoder writes from the arena, and a long reply in steps, is what a few plain lines make of the
 * entries as objects.
 *
 * MILLRACE_RUNS sets how many streams, MILLRACE_SEED repeats a run.
 */
import { append, Database, deleteEntries, EntryCursor, IdCell, type StreamEntry, type StreamId } from '@millrace/engine'
import { ReplyWriter, Request } from '@millrace/protocol'
import { expect, it } from 'vitest'
import { Random, seedOfRun } from '../differential-random.ts'
import { encodeEntries, encodeId } from './stream-encoder.ts'
import { FrozenRange, LongReply } from './stream-long-replies.ts'
import { nameAt } from './stream-names.ts'

const STREAMS = Number(process.env['MILLRACE_RUNS'] ?? 200)
const seed = seedOfRun()

function plain(entries: readonly StreamEntry[]): string {
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
  const parts = entries.map(({ id, fields }) => {
    const texts = fields.map((field) => bulk(Buffer.from(field).toString('latin1')))
    return `*2\r\n${bulk(`${id.ms}-${id.seq}`)}*${fields.length}\r\n${texts.join('')}`
  })
  return `*${entries.length}\r\n${parts.join('')}`
}

/** Parts that are near the lengths at which numbers get another digit, and doubles end. */
function part(random: Random): bigint {
  const edge = random.pick([
    0n,
    9n,
    10n,
    99n,
    999_999_999n,
    1_000_000_000n,
    2n ** 31n,
    2n ** 53n - 2n,
    2n ** 53n,
    2n ** 64n - 3n,
  ])
  return edge + BigInt(random.below(3))
}

function randomId(random: Random): StreamId {
  return { ms: part(random), seq: part(random) }
}

function randomFields(random: Random): Uint8Array[] {
  const names = random.pick([['a'], ['name', 'age'], ['', 'a', 'a'], [`n${random.below(40)}`]])
  return names.flatMap((name) => {
    const length = random.pick([0, 1, 3, 4, 5, 9, 10, 28, 99, 100, 191, 192, 193, 1000])
    return [Buffer.from(name), Buffer.from(Array.from({ length }, () => random.below(256)))]
  })
}

function randomStream(random: Random): Database {
  const database = new Database()
  const ids = Array.from({ length: random.below(150) + 1 }, () => randomId(random))
    .filter(({ ms, seq }) => ms > 0n || seq > 0n)
    .sort((a, b) => (a.ms === b.ms ? Number(a.seq > b.seq) - Number(a.seq < b.seq) : a.ms > b.ms ? 1 : -1))
  const taken = ids.filter((id, i) => i === 0 || id.ms !== ids[i - 1]!.ms || id.seq !== ids[i - 1]!.seq)
  for (const id of taken) append(database, { key: 's', fields: randomFields(random), id: { kind: 'exact', id } }, 0)
  deleteEntries(
    database,
    's',
    taken.filter(() => random.chance(0.2)),
    0,
  )
  return database
}

it(`writes entries from the arena as from objects, ${STREAMS} streams, seed ${seed}`, () => {
  const random = new Random(seed)
  const cursor = new EntryCursor()
  for (let i = 0; i < STREAMS; i++) {
    const stream = randomStream(random).find('s', 0)
    if (stream === undefined) continue
    const [from, to] = [randomId(random), randomId(random)]
    const count = random.chance(0.5) ? Infinity : random.below(60) + 1
    const isBackward = random.chance(0.5)
    const objects = isBackward ? stream.rangeBackward(from, to, count) : stream.range(from, to, count)
    const range = { from: IdCell.of(from), to: IdCell.of(to), isBackward }
    const reply = new ReplyWriter()
    if (isBackward) cursor.backward(stream, range.from, range.to, count)
    else cursor.forward(stream, range.from, range.to, count)
    expect(encodeEntries(reply, cursor, Math.min(count, stream.length))).toBe(objects.length)
    expect(reply.written().toString('latin1')).toBe(plain(objects))
    const long = new LongReply([{ key: undefined, range: new FrozenRange(stream, range, count) }])
    reply.rewind(0)
    while (!long.next(reply, random.below(500) + 1));
    expect(reply.written().toString('latin1')).toBe(plain(objects))
  }
})

it(`writes IDs, seed ${seed}`, () => {
  const random = new Random(seed)
  for (let i = 0; i < STREAMS * 10; i++) {
    const id = randomId(random)
    const reply = new ReplyWriter()
    encodeId(reply, IdCell.of(id))
    const text = `${id.ms}-${id.seq}`
    expect(reply.written().toString('latin1')).toBe(`$${text.length}\r\n${text}\r\n`)
  }
})

it(`writes IDs whose milliseconds move a little, seed ${seed}`, () => {
  const random = new Random(seed)
  const reply = new ReplyWriter()
  const id = new IdCell()
  for (const begin of [0, 5, 95, 990, 999, 1000, 9990, 999_500, 1_700_000_000_990, Number.MAX_SAFE_INTEGER - 40]) {
    for (let ms = begin, i = 0; i < 60 && ms >= 0 && ms <= Number.MAX_SAFE_INTEGER; i++, ms += random.below(30) - 10) {
      id.setPlain(ms, i)
      reply.rewind(0)
      encodeId(reply, id)
      const text = `${ms}-${i}`
      expect(reply.written().toString('latin1')).toBe(`$${text.length}\r\n${text}\r\n`)
    }
  }
})

it(`reads names as they are, those that share a place too, seed ${seed}`, () => {
  const random = new Random(seed)
  for (let i = 0; i < STREAMS * 100; i++) {
    const name = Array.from({ length: random.below(70) }, () => String.fromCharCode(random.below(256))).join('')
    const request = Request.of(['XLEN', random.chance(0.5) ? name : `key:${random.below(5000)}`])
    expect(nameAt(request, 1)).toBe(request.text(1))
  }
})

import { beforeEach, expect, it } from 'vitest'
import { append, deleteEntries } from '../append.ts'
import { claim } from '../claim.ts'
import { Databases } from '../databases.ts'
import { createConsumer, createGroup } from '../group-commands.ts'
import { ID_ZERO } from '../id.ts'
import { appendOnce } from '../idempotency.ts'
import { expireAt } from '../keys.ts'
import { negativeAcknowledge } from '../nack.ts'
import { readGroup } from '../read-group.ts'
import { setString } from '../strings.ts'
import { stateDigest, stateText } from './state-text.ts'

let databases: Databases

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const id = (ms: number) => ({ ms: BigInt(ms), seq: 0n })
const ref = { key: 's', group: 'g', consumer: 'c' }

beforeEach(() => {
  databases = new Databases({ nodeEntriesMax: 2 })
  const database = databases.at(0)
  for (let ms = 1; ms <= 3; ms++) append(database, { key: 's', fields: [bytes('f'), bytes(`v${ms}\xff`)] }, ms)
  createGroup(database, ref, { from: ID_ZERO }, 4)
  readGroup(database, { ...ref, positions: [{ key: 's', from: '>' }], count: 3 }, 5)
  createConsumer(database, { ...ref, consumer: 'idle' }, 6)
  negativeAcknowledge(database, ref, { mode: 'fail', ids: [id(2), id(1)] }, 7)
  deleteEntries(database, 's', [id(1)], 8)
  appendOnce(database, { key: 'p', fields: [bytes(''), bytes('x'.repeat(3000))], producer: 'web', iid: 'i' }, 9)
  setString(databases.at(3), { key: 'a "key"', value: bytes('\0') }, 10)
  expireAt(databases.at(3), 'a "key"', 2 ** 62, 10)
})

it('tells everything of every database, and nothing of the empty ones', () => {
  databases.at(5)
  expect(stateText(databases).split('\n')).toEqual([
    'database 0',
    'key "p" expires undefined',
    'stream length 1 last 9-0 deleted 0-0 added 1',
    expect.stringMatching(/^node 9-0 9-0 live 1 total 1 body \d+ names ""$/),
    expect.stringMatching(/^entry 9-0 "" 3000 bytes [0-9a-f]{32}$/),
    'producers for 100 s at most 100 added 1 duplicates 0',
    'producer "web"',
    'sent "i" 9-0',
    'key "s" expires undefined',
    'stream length 2 last 3-0 deleted 1-0 added 3',
    'node 1-0 2-0 live 1 total 2 body 40 names "f"',
    'node 3-0 3-0 live 1 total 1 body 27 names "f"',
    'entry 2-0 "f" "v2\xff"',
    'entry 3-0 "f" "v3\xff"',
    'group "g" last 3-0 read 3',
    'consumer "c" seen 5 active 5 pending 1',
    'consumer "idle" seen 6 active undefined pending 0',
    'pending 1-0 nobody count 1',
    'pending 2-0 nobody count 1',
    'pending 3-0 "c" at 5 count 1',
    'nacked 2-0',
    'nacked 1-0',
    'database 3',
    'key "a \\"key\\"" expires 4611686018427388000',
    'string "\\u0000"',
  ])
})

it('tells a difference of a single count, and so does the digest', () => {
  const [text, digest] = [stateText(databases), stateDigest(databases)]
  expect(digest).toMatch(/^[0-9a-f]{32}$/)
  claim(databases.at(0), ref, { ids: [id(3)], minIdleMs: 0, timeMs: 5, deliveries: 2, justId: true }, 5)
  expect(stateText(databases)).toBe(text.replace('at 5 count 1', 'at 5 count 2'))
  expect(stateDigest(databases)).not.toBe(digest)
  claim(databases.at(0), ref, { ids: [id(3)], minIdleMs: 0, timeMs: 5, deliveries: 1, justId: true }, 5)
  expect(stateDigest(databases)).toBe(digest)
})

it('tells whether the IDs of producers are still looked after', () => {
  databases.at(0).idempotentKeys.delete('p')
  expect(stateText(databases)).toContain('producers forgotten by the database')
})

import { expect, it } from 'vitest'
import { append, deleteEntries, setLastId } from './append.ts'
import { Databases } from './databases.ts'
import { valueLines } from './disk/state-text.ts'
import { removeKey } from './keys.ts'
import { setString } from './strings.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const id = (ms: number): { ms: bigint; seq: bigint } => ({ ms: BigInt(ms), seq: 0n })

function streamOf(databases: Databases, count: number): void {
  for (let ms = 1; ms <= count; ms++) {
    append(databases.at(0), { key: 's', id: { kind: 'exact', id: id(ms) }, fields: [bytes('f'), bytes('v')] }, ms)
  }
}

it('has the databases with keys, and how many of these expire', () => {
  const databases = new Databases()
  setString(databases.at(3), { key: 'a', value: bytes('1') }, 0)
  setString(databases.at(3), { key: 'b', value: bytes('2'), expiresAtMs: 50 }, 0)
  databases.at(5)
  const frozen = databases.freeze()
  setString(databases.at(5), { key: 'late', value: bytes('3') }, 0)
  removeKey(databases.at(3), 'a', 0)
  expect(frozen.databases.map(({ index, keyCount, expiringKeyCount }) => [index, keyCount, expiringKeyCount])).toEqual([
    [3, 2, 1],
  ])
  expect(frozen.databases[0]!.take(0)).toMatchObject({ key: 'a', expiresAtMs: undefined })
  expect(frozen.databases[0]!.take(1)).toMatchObject({ key: 'b', expiresAtMs: 50 })
})

it('is made one at a time, and again when it was released', () => {
  const databases = new Databases()
  const frozen = databases.freeze()
  expect(() => databases.freeze()).toThrow('one freeze at a time')
  frozen.release()
  frozen.release()
  expect(databases.freeze().databases).toEqual([])
})

it('gives each key once, and none after its release', () => {
  const databases = new Databases()
  streamOf(databases, 2)
  const frozen = databases.freeze()
  const database = frozen.databases[0]!
  database.take(0)
  expect(() => database.take(0)).toThrow('a key of a picture is taken once')
  frozen.release()
  const other = databases.freeze()
  other.release()
  expect(() => other.databases[0]!.take(0)).toThrow('a picture is read before it is released')
})

it('shows where a node ended although its last IDs may come again since', () => {
  const databases = new Databases()
  streamOf(databases, 3)
  deleteEntries(databases.at(0), 's', [id(3)], 5)
  // As if it had been trimmed.
  setLastId(databases.at(0), { key: 's', lastId: id(3), entriesAdded: 3, maxDeletedId: id(1) }, 5)
  const frozen = databases.freeze()
  const before = [...valueLines(databases.at(0).peek('s')!)]
  setLastId(databases.at(0), { key: 's', lastId: id(2) }, 5)
  expect([...valueLines(databases.at(0).peek('s')!)]).not.toEqual(before)
  expect([...valueLines(frozen.databases[0]!.take(0).value)]).toEqual(before)
})

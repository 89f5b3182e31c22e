/** Every row of the security tables has its test, and every test its row. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { securityTable } from './table.ts'

const rows = securityTable.flatMap((section) => section.rows)

/** The names of the tests of a file. */
function namesIn(file: string): string[] {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8')
  return [...text.matchAll(/^it\(\s*[`']([^`']+)/gm)].map((match) => match[1]!)
}

function idOf(name: string): string {
  return name.slice(0, name.indexOf(': '))
}

it('has a test for every row, in the file that it names', () => {
  const missing = rows.filter(({ id, file }) => !namesIn(file).some((name) => idOf(name) === id))
  expect(missing.map(({ id }) => id)).toEqual([])
})

it('has a row for every test', () => {
  const known = new Set(rows.map(({ id, file }) => `${file} ${id}`))
  const files = readdirSync(import.meta.dirname).filter(
    (file) => /\.(test|fuzz)\.ts$/.test(file) && file !== 'table.test.ts',
  )
  const unknown = files
    .flatMap((file) => namesIn(file).map((name) => `${file} ${idOf(name)}`))
    .filter((name) => !known.has(name))
  expect(unknown).toEqual([])
})

it('has each row once', () => {
  const ids = rows.map(({ id }) => id)
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([])
})

it('has the rows that were found when the tables were made, and whatever came since', () => {
  // 13 probes of the protocol and 12 further threats, 27 known holes in their groups, 3 fuzzers.
  expect(rows.length).toBeGreaterThanOrEqual(50)
})

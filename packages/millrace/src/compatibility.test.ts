/**
 * docs/compatibility.md is printed from the conformance suite and the known differences. To print it anew:
 *
 *   UPDATE_DOCS=1 npx vitest run packages/millrace/src/compatibility.test.ts
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { conformanceCases } from './conformance/conformance.ts'
import { knownDifferences } from './differences.ts'

const file = join(import.meta.dirname, '../../../docs/compatibility.md')
const columns = ['embedded', 'redis', 'cluster'] as const
const titles = { embedded: 'the embedded engine', redis: 'redis-server', cluster: 'a Redis Cluster of three nodes' }

function print(): string {
  const cases = Object.values(conformanceCases).flat()
  const differing = cases.filter((one) => columns.some((column) => knownDifferences[column][one.name] !== undefined))
  const lines = [
    '# Compatibility',
    '',
    `Printed from the conformance suite, ${cases.length} cases that say what a backend does. Each runs against each backend;`,
    'a difference is data with its reason, and the tests check that it is still there.',
    'Redis here is 7.0.15, the version the tests run against.',
    '',
    '## Differences',
    '',
  ]
  for (const one of differing) {
    lines.push(`- A backend ${one.name}. Not so:`)
    for (const column of columns) {
      const reason = knownDifferences[column][one.name]
      if (reason !== undefined) lines.push(`  - ${titles[column]}: ${reason}`)
    }
  }
  if (differing.length === 0) lines.push('None.')
  lines.push('', '## What every backend does', '')
  for (const [verb, ones] of Object.entries(conformanceCases)) {
    lines.push(`### ${verb}`, '')
    for (const one of ones) if (!differing.includes(one)) lines.push(`- ${one.name}`)
    lines.push('')
  }
  return lines.join('\n')
}

it('docs/compatibility.md says what the suite and the differences say', () => {
  const printed = print()
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, printed)
  const written = readFileSync(file, 'utf8')
  expect(written, 'print it anew: UPDATE_DOCS=1 npx vitest run packages/millrace/src/compatibility.test.ts').toBe(
    printed,
  )
})

it('no two cases have the same sentence', () => {
  const names = Object.values(conformanceCases).flatMap((cases) => cases.map((one) => one.name))
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
})

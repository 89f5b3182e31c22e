/** The programs in the READMEs run as they stand. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { endChild, startChild, waitFor } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = import.meta.dirname
// Beside the packages, so that their names resolve as they do for a program of this repository.
const folder = join(root, 'testing/dist/readme')

beforeAll(() => {
  mkdirSync(folder, { recursive: true })
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

it.each([
  ['README.md', /^\d+-\d+ \{ order: 7, total: 12.5 \}$/m],
  ['packages/millrace/README.md', /^shipping tea, attempt 1$/m],
  ['packages/relay/README.md', /^What is a stream\? $/m],
])('%s has a program that runs', async (readme, expected) => {
  const program = /```ts\n(import [\s\S]*?)```/.exec(readFileSync(join(root, readme), 'utf8'))?.[1]
  expect(program).toBeDefined()
  const file = join(folder, `${readme.replaceAll('/', '-')}.ts`)
  writeFileSync(file, program!)
  const child = startChild(
    process.execPath,
    ['--conditions=@millrace/source', '--import', 'tsx', file],
    undefined,
    folder,
  )
  let output = ''
  let errors = ''
  child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  try {
    await waitFor(() => expected.test(output) || errors !== '', { what: `${readme} to print ${String(expected)}` })
    expect(errors).toBe('')
    expect(output).toMatch(expected)
  } finally {
    await endChild(child, 'SIGKILL')
  }
})

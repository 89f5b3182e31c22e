/** Every program in docs/guide runs as it stands, and prints what the page says: the `text` block behind it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { endChild, startChild } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'

const guide = join(import.meta.dirname, 'guide')
// Beside the packages, so that their names resolve as they do for a program of this repository.
const folder = join(import.meta.dirname, '../testing/dist/guide')
const LIMIT_MS = 30_000

beforeAll(() => {
  mkdirSync(folder, { recursive: true })
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const programs = readdirSync(guide)
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => {
    const text = readFileSync(join(guide, page), 'utf8')
    const found = [...text.matchAll(/```ts\n(import [\s\S]*?)```(?:\s*prints)?\s*(?:```text\n([\s\S]*?)```)?/g)]
    return found.map((match, i) => ({ name: `${page} ${i + 1}`, program: match[1]!, expected: match[2] }))
  })

it('has programs', () => {
  expect(programs.length).toBeGreaterThan(3)
  expect(programs.filter(({ expected }) => expected === undefined).map(({ name }) => name)).toEqual([])
})

it.each(programs)(
  '$name',
  async ({ name, program, expected }) => {
    const file = join(folder, `${name.replaceAll(/[ .]/g, '-')}.ts`)
    writeFileSync(file, program)
    const args = ['--conditions=@millrace/source', '--import', 'tsx', file]
    const child = startChild(process.execPath, args, undefined, folder)
    let output = ''
    let errors = ''
    child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()))
    child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    const timer = setTimeout(() => void endChild(child, 'SIGKILL'), LIMIT_MS)
    await new Promise((resolve) => child.once('close', resolve))
    clearTimeout(timer)
    expect(errors).toBe('')
    expect(output.trimEnd()).toBe(expected!.trimEnd())
  },
  LIMIT_MS + 5000,
)

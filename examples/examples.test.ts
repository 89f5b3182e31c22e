/** The examples run as they stand, and a newcomer's fits on a screen. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endChild, startChild } from '@millrace/testing'
import { expect, it } from 'vitest'

const LIMIT_MS = 20_000

it(
  'orders.ts: a typed stream, two workers, a retry, a dead letter and a redrive in under 40 lines',
  async () => {
    const file = join(import.meta.dirname, 'orders.ts')
    expect(readFileSync(file, 'utf8').trimEnd().split('\n').length).toBeLessThan(40)
    const args = ['--conditions=@millrace/source', '--import', 'tsx', file]
    const child = startChild(process.execPath, args, undefined, import.meta.dirname)
    let output = ''
    let errors = ''
    child.stdout?.on('data', (bytes: Buffer) => (output += bytes.toString()))
    child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    const timer = setTimeout(() => void endChild(child, 'SIGKILL'), LIMIT_MS)
    await new Promise((resolve) => child.once('close', resolve))
    clearTimeout(timer)
    expect(errors).toBe('')
    const lines = output.trimEnd().split('\n')
    expect(lines.toSorted()).toEqual(
      [
        "'orders': count: Too small: expected number to be >0",
        'again: attempt 1 failed',
        'put aside: fatal',
        'redriven 1',
        'shipped 1 poster',
        'shipped 2 milk',
      ].toSorted(),
    )
    expect(lines.indexOf('shipped 1 poster')).toBeGreaterThan(lines.indexOf('redriven 1') - 2)
  },
  LIMIT_MS + 5000,
)

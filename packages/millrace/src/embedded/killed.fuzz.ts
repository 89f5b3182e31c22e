/**
 * A program on a directory, killed with a thousand appends in flight: each that had resolved is there.
 * MILLRACE_RUNS sets how often (one kill for every 100 runs: 6; 50 in a long run), MILLRACE_SEED repeats the moments.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endChild, startChild, temporaryDirectory } from '@millrace/testing'
import { expect, it } from 'vitest'
import { openDirectory } from './embedded-directory.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 600)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = Math.min(50, Math.max(1, Math.floor(RUNS / 100)))
const DOTS_MAX = 6000
const PROGRAM = join(import.meta.dirname, 'testing/adding-child.ts')

/** Runs the program until it has told of so many entries, kills it, and returns all that it has noted. */
async function notedUntilKilled(path: string, fsync: string, dots: number): Promise<string[]> {
  const flags = ['--conditions=@millrace/source', '--import', 'tsx']
  const notes = join(temporaryDirectory('notes'), 'ids')
  const child = startChild(process.execPath, [...flags, PROGRAM, path, fsync, notes])
  let errors = ''
  let count = 0
  child.stderr!.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  child.stdout!.on('data', (bytes: Buffer) => {
    count += bytes.length
    if (count >= dots) child.kill('SIGKILL')
  })
  try {
    await once(child, 'close')
  } finally {
    await endChild(child, 'SIGKILL')
  }
  expect(errors).toBe('')
  // What follows the last end of a line was cut off with the program.
  return readFileSync(notes, 'utf8').split('\n').slice(0, -1)
}

it(
  `has each entry that had resolved when its process is killed ${KILLS} times (seed ${SEED})`,
  { timeout: KILLS * 30_000 },
  async () => {
    const path = temporaryDirectory('killed')
    const noted: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      // A walk of the seed by the golden ratio: moments spread evenly.
      const dots = 1 + Math.floor((((SEED + kill) * 0.6180339887) % 1) * DOTS_MAX)
      noted.push(...(await notedUntilKilled(path, kill % 2 === 0 ? 'always' : 'everysec', dots)))
      const backend = await openDirectory({ path })
      const there = (await backend.range('s')).map(({ id }) => String(id))
      await backend.close()
      const isThere = new Set(there)
      expect(noted.filter((id) => !isThere.has(id))).toEqual([])
      expect(there.length).toBeGreaterThanOrEqual(noted.length)
    }
    expect(noted.length).toBeGreaterThan(KILLS)
  },
)

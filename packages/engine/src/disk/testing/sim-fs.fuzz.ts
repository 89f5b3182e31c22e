/**
 * The simulated disk against the real one: the same random operations on both, in a temporary directory there, must give
 * the same results and errors, and leave the same names and contents.
 *
 * MILLRACE_RUNS sets how many sequences, MILLRACE_SEED repeats a run.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Seeded } from '../../seeded.ts'
import type { Fs, OpenFile, OpenMode } from '../files.ts'
import { nodeFs } from '../node-files.ts'
import { SimFs } from './sim-fs.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 30)
const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = 150
const NAMES = ['a', 'b', 'c', 'd', 'd/a', 'd/b', 'd/e', 'a/b', 'd/e/a', 'x/y/z']
const MODES: readonly OpenMode[] = ['read', 'create', 'update']

/** Does one step at random; what it gives, or the error's code and system call. */
async function step(fs: Fs, top: string, files: OpenFile[], random: Seeded): Promise<unknown> {
  const path = join(top, random.pick(NAMES))
  const other = join(path, '..', random.pick(['a', 'b', 'c', 'e']))
  const file = files.length === 0 ? undefined : files[random.below(files.length)]
  const size = random.below(3) === 0 ? random.below(5000) : random.below(40)
  const position = random.below(4) === 0 ? random.below(9000) : random.below(1200)
  const bytes = Uint8Array.from({ length: size }, () => random.below(256))
  const which = random.below(14)
  try {
    if (which === 0) return void fs.makeDirectory(path)
    if (which === 1) return fs.list(join(path, '..'))
    if (which === 2) return void fs.rename(path, other)
    if (which === 3) return void fs.remove(path)
    if (which === 4) return await fs.syncDirectory(path)
    if (which === 5) return void fs.syncDirectoryNow(path)
    if (which < 8) return void files.push(fs.open(path, random.pick(MODES)))
    if (file === undefined) return undefined
    if (which === 8) return void file.truncate(position)
    if (which === 9) return void file.syncNow()
    if (which === 10) return random.below(3) > 0 ? await file.sync() : closed(files, file)
    if (which === 11) return [file.read(bytes, position), bytes]
    // A directory's size is the file system's own affair; that it is one shows in the reading.
    if (which === 12) return [file.read(new Uint8Array(1), 0), file.size()]
    return file.write(bytes, position)
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    return `${code} ${syscall}`
  }
}

/** The descriptor's number may be another file's afterwards: closed files are used in the simulation alone. */
function closed(files: OpenFile[], file: OpenFile): void {
  file.close()
  file.close()
  files.splice(files.indexOf(file), 1)
}

function contents(fs: Fs, path: string): unknown {
  let names: string[]
  try {
    names = fs.list(path)
  } catch {
    // No directory: a file.
    const file = fs.open(path, 'read')
    const bytes = new Uint8Array(file.size() + 10)
    const count = file.read(bytes, 0)
    file.close()
    return Buffer.from(bytes.subarray(0, count)).toString('base64')
  }
  return Object.fromEntries(names.map((name) => [name, contents(fs, join(path, name))]))
}

async function compare(seed: number): Promise<void> {
  const top = mkdtempSync(join(tmpdir(), 'millrace-files-'))
  const simulated = new SimFs()
  const files: [OpenFile[], OpenFile[]] = [[], []]
  const random = [new Seeded(seed), new Seeded(seed)] as const
  try {
    for (let i = 0; i < STEPS; i++) {
      const real = await step(nodeFs, top, files[0], random[0])
      const ours = await step(simulated, '/', files[1], random[1])
      expect(ours, `seed ${seed}, step ${i}: ${JSON.stringify(simulated.trace.at(-1))}`).toEqual(real)
    }
    expect(contents(simulated, '/'), `seed ${seed}, the contents`).toEqual(contents(nodeFs, top))
  } finally {
    for (const file of files[0]) file.close()
    rmSync(top, { recursive: true })
  }
}

it(`does what the files of the machine do (MILLRACE_SEED=${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) await compare(SEED + run)
}, 600_000)

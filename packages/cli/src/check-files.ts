/**
 * `millrace check DIR`, or a file of Redis's format: a line for each file, and the verdict. Nothing is changed, but for the
 * directory's lock while it looks.
 *
 *   0   whole: it would be opened         1   damaged, or missing        2   that cannot be told
 */
import { existsSync, statSync } from 'node:fs'
import { checkDirectory, checkRdbFile, keysText, nodeEnv, type CheckReport, type FileReport } from '@millrace/engine'
import { Failure } from './failure.ts'
import { whileLocked } from './locked-directory.ts'
import { finish, printLine } from './terminal.ts'

const DAMAGED = 1
const UNKNOWN = 2

/** Returns the exit code. */
export async function checkFiles(path: string): Promise<number> {
  const report = await look(path)
  const nameWidth = Math.max(...report.files.map(({ name }) => name.length), 0)
  for (const file of report.files) printFile(file, nameWidth)
  const { problem, keys } = report
  if (problem === undefined) {
    const isTorn = report.files.some(({ state }) => state === 'torn')
    const torn = isTorn ? '; a crash cut short what nobody had been told was safe' : ''
    printLine(`whole: ${keysText(keys)}${torn}`)
    return 0
  }
  if (problem.code === 'NEWER_FORMAT') {
    printLine(`cannot be read: ${problem.message}`)
    return UNKNOWN
  }
  printLine(`damaged: ${problem.message}`)
  return DAMAGED
}

async function look(path: string): Promise<CheckReport> {
  if (!existsSync(path)) throw new Failure(`There is no '${path}'`, UNKNOWN)
  try {
    if (!statSync(path).isDirectory()) return await finish(path, checkRdbFile(nodeEnv.fs, path))
    return await whileLocked(path, () => finish(path, checkDirectory(nodeEnv.fs, path)))
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new Failure(error.message, UNKNOWN)
    throw error
  }
}

function printFile({ name, bytes, state, lines }: FileReport, nameWidth: number): void {
  const size = bytes === undefined ? '' : String(bytes)
  const begin = `${name.padEnd(nameWidth)}  ${size.padStart(12)}  ${state.padEnd(15)} `
  for (const [index, line] of lines.entries()) {
    printLine(index === 0 ? `${begin} ${line}` : `${' '.repeat(begin.length)} ${line}`)
  }
}

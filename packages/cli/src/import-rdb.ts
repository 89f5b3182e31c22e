/** `millrace import dump.rdb --dir D`: a file of Redis's format becomes a directory, which is complete or not there. */
import {
  applyExtras,
  countKeys,
  Databases,
  DATABASES_MAX,
  EngineError,
  EXTRAS_NAME,
  keysText,
  nodeEnv,
  RdbSource,
  readRdb,
  writeDirectory,
  type LoadProgress,
  type OpenFile,
  type RdbSummary,
} from '@millrace/engine'
import { Failure } from './failure.ts'
import { inNewDirectory } from './new-place.ts'
import { finish, printLine } from './terminal.ts'

export interface ImportOptions {
  readonly dir: string
  /** Keys of other types than streams and strings are passed over and counted. Default: the file is refused. */
  readonly skipOtherTypes?: boolean
}

export async function importRdb(path: string, { dir, skipOtherTypes = false }: ImportOptions): Promise<void> {
  const databases = new Databases({ count: DATABASES_MAX })
  const summary = await inNewDirectory(dir, async (temporary) => {
    const file = nodeEnv.fs.open(path, 'read')
    let read: RdbSummary
    try {
      read = await finish(path, reading(file, { path, databases, skipOtherTypes }))
    } catch (error) {
      throw hinted(error)
    } finally {
      file.close()
    }
    await writeDirectory(nodeEnv, temporary, databases)
    return read
  })
  printLine(`'${dir}': ${keysText(countKeys(databases))}, from ${path}`)
  for (const [type, count] of summary.skipped) printLine(`left out, of another type: ${count} ${type}`)
  if (!summary.isChecked) printLine('The file has no checksum: damage in it could not have been told')
  const count = databasesNeeded(databases)
  if (count > 16) printLine(`Database ${count - 1} has keys: a server needs --databases ${count}`)
}

interface Reading {
  readonly path: string
  readonly databases: Databases
  readonly skipOtherTypes: boolean
}

function* reading(file: OpenFile, { path, databases, skipOtherTypes }: Reading): Generator<LoadProgress, RdbSummary> {
  const bytesTotal = file.size()
  const steps = readRdb(RdbSource.ofFile(file, path), {
    databases,
    skipOtherTypes,
    onAux(name, value, database) {
      if (name === EXTRAS_NAME) applyExtras(databases, database, value)
    },
  })
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    yield { bytes: step.value, bytesTotal }
  }
}

function hinted(error: unknown): unknown {
  if (!(error instanceof EngineError) || error.code !== 'WRONG_TYPE') return error
  return new Failure(`${error.message}; --skip-other-types leaves such out, and counts them`)
}

/** How many a server has to have for all keys. */
export function databasesNeeded(databases: Databases): number {
  let count = 0
  for (const [index, { keyCount }] of databases.made()) if (keyCount > 0) count = index + 1
  return count
}

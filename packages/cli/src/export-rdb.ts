/** `millrace export dump.rdb --dir D`: what is in a directory as one file that redis-server loads. */
import { writeFileSync } from 'node:fs'
import {
  countKeys,
  Databases,
  DATABASES_MAX,
  keysText,
  loadSnapshot,
  nodeEnv,
  recovering,
  writeRdb,
  type LoadProgress,
  type WrittenRdb,
} from '@millrace/engine'
import { Failure } from './failure.ts'
import { databasesNeeded } from './import-rdb.ts'
import { whileLocked } from './locked-directory.ts'
import { inNewFile, requireNoFile, requireOutside } from './new-place.ts'
import { finish, printLine } from './terminal.ts'

export interface ExportOptions {
  readonly dir: string
  /** Writes over a file that is there. */
  readonly force?: boolean
}

export async function exportRdb(path: string, { dir, force = false }: ExportOptions): Promise<void> {
  requireOutside(dir, path)
  // Before anything takes its time.
  requireNoFile(path, force)
  await whileLocked(dir, async () => {
    const databases = new Databases({ count: DATABASES_MAX })
    const recovered = await finish(dir, recovering(nodeEnv.fs, dir, databases, loadSnapshot))
    if (recovered === undefined) throw new Failure(`'${dir}' has no data`)
    const { bytes } = await inNewFile(path, { force }, (fd) => finish(path, writing(databases, fd)))
    printLine(`${path}: ${keysText(countKeys(databases))}, ${bytes} bytes`)
    for (const { path: torn, offset, bytes: cut } of recovered.journal.torn) {
      printLine(`${torn}: ${cut} bytes from offset ${offset} on were cut short by a crash, and are left out`)
    }
    const count = databasesNeeded(databases)
    if (count > 16) printLine(`Database ${count - 1} has keys: redis-server needs 'databases ${count}'`)
  })
}

/** How large the file will be is not known: what was read tells roughly. */
function* writing(databases: Databases, fd: number): Generator<LoadProgress, WrittenRdb> {
  const frozen = databases.freeze()
  const bytesTotal = Math.max(databases.memoryBytes, 1)
  try {
    const steps = writeRdb(frozen, { nowMs: nodeEnv.nowMs(), write: (chunk) => writeFileSync(fd, chunk) })
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      yield { bytes: Math.min(step.value, bytesTotal), bytesTotal }
    }
  } finally {
    frozen.release()
  }
}

/** `millrace repair DIR --to NEW`: what can be saved of a directory, in a new one. The old one stays as it is. */
import { countKeys, keysText, nodeEnv, salvaging, writeDirectory, type Salvaged } from '@millrace/engine'
import { whileLocked } from './locked-directory.ts'
import { inNewDirectory, requireOutside } from './new-place.ts'
import { finish, printLine } from './terminal.ts'

export async function repairDirectory(directory: string, { to }: { readonly to: string }): Promise<void> {
  requireOutside(directory, to)
  await whileLocked(directory, async () => {
    const saved = await inNewDirectory(to, async (temporary) => {
      const found = await finish(directory, salvaging(nodeEnv.fs, directory))
      await writeDirectory(nodeEnv, temporary, found.databases)
      return found
    })
    tell(saved, to)
  })
  printLine(`'${directory}' is as it was`)
}

function tell({ problem, basis, snapshot, frames, leftOut, databases }: Salvaged, to: string): void {
  printLine(problem === undefined ? 'nothing is damaged' : `damaged: ${problem.message}`)
  if (basis === 'files')
    printLine('which files belong together was told by the files: the manifest, or its snapshot, is of no use')
  const begin = snapshot === undefined ? '' : `${snapshot}, and `
  printLine(`saved in '${to}': ${keysText(countKeys(databases))}; ${begin}${frames} frames of the journal`)
  for (const line of leftOut) printLine(`left out: ${line}`)
}

// npm run bench -- NAME [options]: builds, and runs bench/NAME.ts from source, its servers from what was built.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bin, ensurePackages, requireNode, root, run } from './setup.mjs'

requireNode()
ensurePackages()
const [name, ...rest] = process.argv.slice(2)
const file = join(root, 'bench', `${name}.ts`)
if (name === undefined || !existsSync(file)) {
  const names = readdirSync(join(root, 'bench')).filter((file) => /^[a-z-]+\.ts$/.test(file))
  console.error(`Which bench? One of: ${names.map((file) => file.slice(0, -3)).join(', ')}`)
  process.exit(1)
}
run(bin('tsc'), ['-b'])
const flags = ['--conditions=@millrace/source', '--import', 'tsx', '--expose-gc']
const result = spawnSync(process.execPath, [...flags, file, ...rest], { cwd: root, stdio: 'inherit' })
process.exit(result.status ?? 1)

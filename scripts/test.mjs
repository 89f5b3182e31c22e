// npm test: installs what the tests need and runs them all; `--long` runs the same code with larger counts.
// Further arguments go to Vitest: npm test -- packages/engine
import { spawnSync } from 'node:child_process'
import { bin, ensurePackages, ensureTestParts, requireNode, root } from './setup.mjs'

const long = process.argv.includes('--long')
const rest = process.argv.slice(2).filter((argument) => argument !== '--long')

requireNode()
ensurePackages()
ensureTestParts()
const { buildPage } = await import('./build.mjs')
buildPage() // the browser tests look at the page as it is shipped

const env = { ...process.env, NO_COLOR: '1', ...(long ? { MILLRACE_LONG: '1' } : {}) }
const result = spawnSync(bin('vitest'), ['run', ...rest], { cwd: root, stdio: 'inherit', env })
process.exit(result.status ?? 1)

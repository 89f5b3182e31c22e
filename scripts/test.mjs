// npm test: installs what the tests need and runs them all; `--long` runs the same code with ten times the random runs.
// MILLRACE_RUNS sets their number by hand (default 2,000), MILLRACE_SEED repeats a run by the seed that it printed.
// Further arguments go to Vitest: npm test -- packages/engine
import { spawnSync } from 'node:child_process'
import { bin, ensurePackages, ensureTestParts, requireNode, root } from './setup.mjs'

const long = process.argv.includes('--long')
const rest = process.argv.slice(2).filter((argument) => argument !== '--long')

requireNode()
ensurePackages()
const chromium = ensureTestParts()
const { buildPage } = await import('./build.mjs')
buildPage() // the browser tests look at the page as it is shipped

const env = { ...process.env, NO_COLOR: '1', CHROMIUM_PATH: chromium, ...(long ? { MILLRACE_RUNS: '20000' } : {}) }
const result = spawnSync(bin('vitest'), ['run', ...rest], { cwd: root, stdio: 'inherit', env })
process.exit(result.status ?? 1)

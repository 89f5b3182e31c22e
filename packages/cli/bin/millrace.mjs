#!/usr/bin/env node
// The program `millrace`. In the repository, which has the sources, it is built first: it may be a fresh clone, or changed.
import { existsSync } from 'node:fs'

if (existsSync(new URL('../src/program.ts', import.meta.url))) {
  const { bin, ensurePackages, requireNode, run } = await import('../../../scripts/setup.mjs')
  requireNode()
  ensurePackages()
  run(bin('tsc'), ['-b', 'packages/cli'])
}
const { run: millrace } = await import('../dist/program.js')
const code = await millrace(process.argv.slice(2))
if (code !== undefined) process.exitCode = code

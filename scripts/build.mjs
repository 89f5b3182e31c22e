// Builds every package to its dist/ and the page to apps/ask/page/dist. Does nothing twice: tsc works
// incrementally, and the page is built only when one of its sources is newer than the last build.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bin, ensurePackages, requireNode, root, run } from './setup.mjs'

export function build() {
  run(bin('tsc'), ['-b'])
  buildPage()
}

export function buildPage() {
  const page = join(root, 'apps', 'ask', 'page')
  const built = join(page, 'dist', 'index.html')
  const sources = [page, join(root, 'packages', 'relay', 'src')]
  if (existsSync(built)) {
    const newest = Math.max(statSync(join(root, 'package-lock.json')).mtimeMs, ...sources.map(newestIn))
    if (statSync(built).mtimeMs >= newest) return
  }
  console.log('Building the page …')
  run(bin('vite'), ['build', page, '--logLevel', 'warn'])
}

function newestIn(folder) {
  let newest = 0
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    if (item.name === 'dist' || item.name === 'node_modules') continue
    const path = join(folder, item.name)
    newest = Math.max(newest, item.isDirectory() ? newestIn(path) : statSync(path).mtimeMs)
  }
  return newest
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  requireNode()
  ensurePackages()
  build()
}

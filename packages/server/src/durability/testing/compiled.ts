/**
 * The server as plain JavaScript in a temporary directory: starts in a tenth of the time that it takes from source, which a
 * test that starts it hundreds of times waits for.
 *
 *   packages/{protocol,engine,server}/src ──tsc──► DIR/node_modules/@millrace/{protocol,engine,server}/
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'

const PACKAGES = join(import.meta.dirname, '../../../..')
let program: string | undefined

/** The path of kept-server.ts, compiled: once for a process. */
export function compiledServer(): string {
  program ??= compile()
  return program
}

function compile(): string {
  const directory = temporaryDirectory('compiled')
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const flags = ['--target', 'es2023', '--module', 'nodenext', '--rewriteRelativeImportExtensions', '--noCheck']
  const home = (name: string): string => join(directory, 'node_modules/@millrace', name)
  for (const name of ['protocol', 'engine', 'server']) {
    mkdirSync(home(name), { recursive: true })
    const source = join(PACKAGES, name, 'src')
    const files = [
      join(source, 'index.ts'),
      ...(name === 'server' ? [join(source, 'durability/testing/kept-server.ts')] : []),
    ]
    const places = ['--rootDir', source, '--outDir', home(name)]
    execFileSync(process.execPath, [tsc, ...flags, ...places, ...files], { cwd: directory })
    writeFileSync(join(home(name), 'package.json'), '{"type":"module","exports":"./index.js"}')
  }
  return join(home('server'), 'durability/testing/kept-server.js')
}

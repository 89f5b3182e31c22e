/**
 * Child processes and temporary directories of a test run, ended with it.
 *
 *   start ──► registered ──stop()──► ended
 *                 └──the test process exits──► killed by its own pid, directory removed
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const children = new Set<ChildProcess>()
const directories = new Set<string>()
let installed = false

/** Starts a program that dies with this process, whichever way this process ends. */
export function startChild(
  command: string,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  cwd?: string,
): ChildProcess {
  installExitHandler()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd, ...(env === undefined ? {} : { env }) })
  children.add(child)
  child.once('exit', () => children.delete(child))
  // Without a listener a missing program would end the test process; whoever awaits the start reports it.
  child.once('error', () => children.delete(child))
  return child
}

/** Sends `signal` and resolves when the process is gone; SIGKILL after five seconds. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(timer)
}

/** A directory that is removed when this process ends, or earlier by `removeDirectory`. */
export function temporaryDirectory(name: string): string {
  installExitHandler()
  const directory = mkdtempSync(join(tmpdir(), `millrace-${name}-`))
  directories.add(directory)
  return directory
}

export function removeDirectory(directory: string): void {
  directories.delete(directory)
  rmSync(directory, { recursive: true, force: true })
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

function installExitHandler(): void {
  if (installed) return
  installed = true
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  })
  // A signal ends a process without 'exit' unless somebody listens; 143 and 130 are what a shell reports for them.
  process.once('SIGTERM', () => process.exit(143))
  process.once('SIGINT', () => process.exit(130))
}

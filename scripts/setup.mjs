// What has to be on the machine before anything runs: a Node that is new enough, the npm packages,
// and for the tests redis-server and a Chromium. Installs what it may, says exactly what it may not.
// Plain JavaScript: it runs before any package is installed.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const nodeMin = [20, 19]

export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1])) return
  fail(`Node ${nodeMin.join('.')} or later is needed; this is ${process.versions.node}. See https://nodejs.org/.`)
}

/** Installs the npm packages of the lock file, unless what is installed was made from this very lock file. */
export function ensurePackages() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const lock = join(root, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  console.log('Installing packages (npm ci) …')
  run('npm', ['ci', '--no-audit', '--no-fund'])
}

/**
 * The tests' real parts. On Debian and its relatives, as root, they are installed; elsewhere it is said how.
 * Returns where Chromium is.
 */
export function ensureTestParts() {
  const missing = missingParts()
  if (missing.length === 0) return chromium()
  if (isDebian() && process.getuid?.() === 0) {
    console.log(`Installing ${missing.join(' and ')} (apt-get) …`)
    run('apt-get', ['update', '-qq'])
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
      DEBIAN_FRONTEND: 'noninteractive',
    })
    if (missingParts().length === 0) return chromium()
  }
  fail(
    [
      `The tests run against real parts, and these are missing: ${missing.join(', ')}.`,
      '  Debian, Ubuntu:  sudo apt-get install redis-server chromium strace',
      '  macOS:           brew install redis && brew install --cask chromium',
      '  elsewhere:       redis-server 7 on the PATH, and CHROMIUM_PATH=/path/to/chromium',
    ].join('\n'),
  )
}

function missingParts() {
  const missing = []
  if (find(process.env.REDIS_SERVER ?? 'redis-server') === undefined) missing.push('redis-server')
  if (chromium() === undefined) missing.push('chromium')
  // The tests of durability delay and break system calls with it.
  if (process.platform === 'linux' && find('strace') === undefined) missing.push('strace')
  return missing
}

function chromium() {
  return find(process.env.CHROMIUM_PATH ?? 'chromium')
}

export function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error !== undefined) fail(`${command} could not be started: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

/** The path of an npm package's program. */
export function bin(name) {
  return join(root, 'node_modules', '.bin', name)
}

function find(program) {
  const candidates = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false // not there, or not ours to run: look at the next folder
    }
  })
}

function isDebian() {
  try {
    return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false // no such file: not a Linux that says what it is
  }
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

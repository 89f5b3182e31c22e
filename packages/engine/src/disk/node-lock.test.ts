/** MILLRACE_RUNS sets how often a hundred processes race for one directory: 3 times by default, 20 in a long run. */
import { execFileSync, fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { hostname, uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, beforeAll, expect, it, vi } from 'vitest'
import { EngineError } from '../errors.ts'
import { commandName, readHolder, type DirectoryLock, type Holder } from './lock.ts'
import { lockDirectory, type LockOptions } from './node-lock.ts'

const RACERS = 100
const ROUNDS = Math.min(20, Math.max(3, Math.floor(Number(process.env['MILLRACE_RUNS'] ?? 2000) / 1000)))

const locks: DirectoryLock[] = []
const children = new Set<ChildProcess>()
afterEach(async () => {
  vi.useRealTimers()
  for (const lock of locks.splice(0)) await lock.release()
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

// Other processes and threads run what plain Node can start at once: a hundred of them would take long to compile it each.
let compiled = ''
beforeAll(() => {
  compiled = temporaryDirectory('lock-compiled')
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
  const options = ['--target', 'es2023', '--module', 'nodenext', '--rewriteRelativeImportExtensions', '--noCheck']
  const source = join(import.meta.dirname, 'node-lock.ts')
  execFileSync(
    process.execPath,
    [tsc, ...options, '--rootDir', dirname(import.meta.dirname), '--outDir', compiled, source],
    {
      cwd: compiled,
    },
  )
  writeFileSync(join(compiled, 'package.json'), '{"type":"module"}')
  const answer = `
    import { lockDirectory } from './disk/node-lock.js'
    let lock
    async function answer([word, directory, options]) {
      if (word === 'exit') process.exit()
      if (word === 'release') await lock.release()
      else lock = await lockDirectory(directory, options)
      return 'done'
    }`
  writeFileSync(
    join(compiled, 'racer.js'),
    `${answer}
    process.on('message', (order) => answer(order).catch((error) => error.code + ' ' + error.message).then((text) => process.send(text)))
    process.send('ready')`,
  )
  writeFileSync(
    join(compiled, 'thread.js'),
    `import { parentPort } from 'node:worker_threads'
    ${answer}
    parentPort.on('message', (order) => answer(order).catch((error) => error.code + ' ' + error.message).then((text) => parentPort.postMessage(text)))`,
  )
})

function newDirectory(): string {
  return temporaryDirectory('lock')
}

async function take(directory: string, options?: LockOptions): Promise<DirectoryLock> {
  const lock = await lockDirectory(directory, options)
  locks.push(lock)
  return lock
}

async function refusal(directory: string, options?: LockOptions): Promise<string> {
  const error: unknown = await take(directory, options).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(EngineError)
  expect((error as EngineError).code).toBe('LOCKED')
  return (error as EngineError).message
}

async function startRacer(): Promise<ChildProcess> {
  const child = fork(join(compiled, 'racer.js'), { execArgv: [] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  await once(child, 'message')
  return child
}

async function order(child: ChildProcess, ...words: readonly unknown[]): Promise<string> {
  const answer = once(child, 'message')
  child.send(words)
  return String((await answer)[0])
}

/** A record as this process would leave it, changed as given. */
async function leaveRecord(directory: string, change: Partial<Holder>, ageMs = 0): Promise<Holder> {
  const lock = await lockDirectory(directory, { abstract: false })
  const holder = readHolder(readFileSync(join(directory, 'lock'), 'utf8'))!
  await lock.release()
  const left = { ...holder, socketInode: '', ...change }
  leaveText(directory, 'lock', JSON.stringify(left), ageMs)
  return left
}

function leaveText(directory: string, name: string, text: string, ageMs: number): void {
  writeFileSync(join(directory, name), text)
  const seconds = (Date.now() - ageMs) / 1000
  utimesSync(join(directory, name), seconds, seconds)
}

it('gives a directory to one holder, and after its release to the next', async () => {
  const directory = newDirectory()
  const lock = await take(directory)
  expect(lock.isHeld()).toBe(true)
  expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
  expect(await refusal(directory)).toMatch(
    `'${directory}' is open already: by this process (${process.pid}) on '${hostname()}', since 2`,
  )
  await lock.release()
  await lock.release()
  expect(lock.isHeld()).toBe(false)
  expect(readdirSync(directory)).toEqual([])
  expect((await take(directory)).isHeld()).toBe(true)
})

it('refuses the same directory under another path, with and without abstract sockets', async () => {
  for (const abstract of [true, false]) {
    const directory = newDirectory()
    symlinkSync(directory, join(directory, 'itself'))
    await take(directory, { abstract })
    for (const path of [join(directory, 'itself'), `${directory}/./itself/`]) {
      expect(await refusal(path, { abstract })).toMatch(`this process (${process.pid})`)
    }
  }
})

it('refuses a worker thread of the process, and takes over from one that was terminated', async () => {
  for (const abstract of [true, false]) {
    const directory = newDirectory()
    const lock = await take(directory, { abstract })
    const thread = new Worker(join(compiled, 'thread.js'))
    thread.postMessage(['lock', directory, { abstract }], [])
    expect(String((await once(thread, 'message'))[0])).toMatch(/^LOCKED .*by this process/)
    await lock.release()
    thread.postMessage(['lock', directory, { abstract }], [])
    expect(String((await once(thread, 'message'))[0])).toBe('done')
    expect(await refusal(directory, { abstract })).toMatch('by this process')
    await thread.terminate()
    if (abstract) await take(directory)
  }
})

it('names the holder: its process, host, time and program', async () => {
  for (const abstract of [true, false]) {
    const directory = newDirectory()
    const child = await startRacer()
    const before = new Date().toISOString()
    expect(await order(child, 'lock', directory, { abstract })).toBe('done')
    const message = await refusal(directory, { abstract })
    const [, pid, host, since, program] = /by process (\d+) on '(.+)', since (\S+): (.+)$/.exec(message)!
    expect([Number(pid), host, program]).toEqual([
      child.pid,
      hostname(),
      `${process.execPath} ${join(compiled, 'racer.js')}`,
    ])
    expect(since! >= before && since! <= new Date().toISOString()).toBe(true)
  }
})

it('names a program without its options, which may be secrets', () => {
  expect(commandName(['node', '--import', 'x', 'serve.js', 'serve', '--requirepass', 'secret'])).toBe(
    'node x serve.js serve',
  )
  expect(commandName(['node', '--expose-gc', '-e'])).toBe('node')
})

it('opens within a second after its holder was killed', async () => {
  for (const abstract of [true, false]) {
    const directory = newDirectory()
    const child = await startRacer()
    expect(await order(child, 'lock', directory, { abstract })).toBe('done')
    const limit = performance.now() + 1000
    child.kill('SIGKILL')
    let lock: DirectoryLock | undefined
    while (lock === undefined && performance.now() < limit)
      lock = await take(directory, { abstract }).catch(() => undefined)
    expect(lock?.isHeld()).toBe(true)
    expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
  }
})

it('leaves nothing behind when its process exits without a release', async () => {
  const directory = newDirectory()
  const child = await startRacer()
  expect(await order(child, 'lock', directory)).toBe('done')
  child.send(['exit'])
  await once(child, 'exit')
  expect(readdirSync(directory)).toEqual([])
})

it(`has one owner whenever ${RACERS} processes race for it`, { timeout: 120_000 }, async () => {
  const directory = newDirectory()
  const racers = await Promise.all(Array.from({ length: RACERS }, startRacer))
  for (let round = 0; round < ROUNDS; round++) {
    // In every other round the lock file alone decides; in all but the first there is a dead holder's to begin with.
    const options = { abstract: round % 2 === 0 }
    const answers = await Promise.all(racers.map((racer) => order(racer, 'lock', directory, options)))
    const winners = racers.filter((_, i) => answers[i] === 'done')
    expect(winners.length, `round ${round}`).toBe(1)
    const winner = winners[0]!
    for (const answer of answers) {
      if (answer !== 'done')
        expect(answer).toMatch(`LOCKED The directory '${directory}' is open already: by process ${winner.pid} `)
    }
    expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
    racers[racers.indexOf(winner)] = await startRacer()
    winner.kill('SIGKILL')
    await once(winner, 'exit')
  }
})

it('takes over when the number of the holder’s process is another’s now, or nobody’s', async () => {
  const directory = newDirectory()
  await leaveRecord(directory, { pid: process.ppid, processStart: '1' })
  await (await take(directory, { abstract: false })).release()
  await leaveRecord(directory, { pid: 2 ** 22 + 1 })
  expect((await take(directory, { abstract: false })).isHeld()).toBe(true)
})

it('takes over what this machine left before it was started anew', async () => {
  const directory = newDirectory()
  await leaveRecord(directory, { boot: 'an earlier one' }, (uptime() + 5) * 1000)
  expect((await take(directory)).isHeld()).toBe(true)
})

it('believes a holder on another host for 30 seconds after its last sign of life', async () => {
  for (const other of [{ host: 'elsewhere', boot: 'another' }, { boot: 'of another host by this name' }]) {
    for (const abstract of [true, false]) {
      const directory = newDirectory()
      await leaveRecord(directory, { ...other, pid: 4711 }, 29_000)
      expect(await refusal(directory, { abstract })).toMatch(`by process 4711 on '${other.host ?? hostname()}', since `)
      expect(readdirSync(directory)).toEqual(['lock'])
      utimesSync(join(directory, 'lock'), Date.now() / 1000 - 31, Date.now() / 1000 - 31)
      expect((await take(directory, { abstract })).isHeld()).toBe(true)
    }
  }
})

it('gives a sign of life every five seconds', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const directory = newDirectory()
  const lock = await take(directory)
  const path = join(directory, 'lock')
  const text = readFileSync(path, 'utf8')
  for (let i = 0; i < 3; i++) {
    utimesSync(path, 1, 1)
    vi.advanceTimersByTime(5000)
    expect(statSync(path).mtimeMs).toBeGreaterThan(1000)
  }
  expect(readFileSync(path, 'utf8')).toBe(text)
  expect(lock.isHeld()).toBe(true)
})

it('asks the socket of a holder whose process number is one of other numbers', async () => {
  for (const isAlive of [true, false]) {
    const directory = newDirectory()
    const path = join(directory, 'lock.sock')
    await leaveRecord(directory, {})
    const server = createServer((peer) => peer.destroy()).listen(join(directory, 'first'))
    await once(server, 'listening')
    renameSync(join(directory, 'first'), path)
    const socketInode = String(statSync(path, { bigint: true }).ino)
    if (!isAlive) server.close()
    rmSync(join(directory, 'lock'))
    // Writing the record takes and releases the lock, and so removes the socket file: it is put aside meanwhile.
    renameSync(path, join(directory, 'second'))
    await leaveRecord(directory, { pid: 2 ** 22 + 1, pidNamespace: 'another', socketInode })
    renameSync(join(directory, 'second'), path)
    if (isAlive) expect(await refusal(directory)).toMatch(`by process ${2 ** 22 + 1} `)
    else expect((await take(directory)).isHeld()).toBe(true)
    server.close()
  }
})

it('leaves a socket that refuses out of account when it is not the holder’s', async () => {
  const directory = newDirectory()
  await leaveRecord(directory, { pidNamespace: 'another', socketInode: '1' }, 29_000)
  expect(await refusal(directory)).toMatch('is open already')
  utimesSync(join(directory, 'lock'), Date.now() / 1000 - 31, Date.now() / 1000 - 31)
  expect((await take(directory)).isHeld()).toBe(true)
})

it('takes a lock file that nobody can read for a holder’s, while it is fresh', async () => {
  const directory = newDirectory()
  for (const text of ['', '{"pid":', '[]', '{"pid":1,"token":"../../x"}']) {
    leaveText(directory, 'lock', text, 29_000)
    expect(await refusal(directory)).toMatch('by a process that has not said yet who it is')
    leaveText(directory, 'lock', text, 31_000)
    await (await take(directory)).release()
  }
})

it('finds the holder at the end of a row of dead ones', async () => {
  const directory = newDirectory()
  const [x, y, z] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)]
  const dead = { pid: 2 ** 22 + 1 }
  const record = await leaveRecord(directory, { ...dead, token: x })
  leaveText(directory, `lock.after-${x}`, JSON.stringify({ ...record, ...dead, token: y }), 0)
  leaveText(directory, `lock.after-${y}`, JSON.stringify({ ...record, pid: process.pid, token: z }), 0)
  expect(await refusal(directory, { abstract: false })).toMatch(`this process (${process.pid})`)
  leaveText(directory, `lock.after-${y}`, JSON.stringify({ ...record, ...dead, token: z }), 0)
  leaveText(directory, 'lock.new-left-by-a-dead-one', '', 0)
  expect((await take(directory, { abstract: false })).isHeld()).toBe(true)
  expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
})

it('refuses who was slow to take over from a dead holder, from which another has taken over meanwhile', async () => {
  const directory = newDirectory()
  await leaveRecord(directory, { pidNamespace: 'another' }, 31_000)
  const elsewhere = newDirectory()
  await leaveRecord(elsewhere, { token: 'f'.repeat(32) })
  // It has read the dead one's record when it first waits: for an answer of the socket.
  const slow = refusal(directory, { abstract: false })
  renameSync(join(elsewhere, 'lock'), join(directory, 'lock'))
  expect(await slow).toMatch(`this process (${process.pid})`)
  expect(readdirSync(directory)).toEqual(['lock'])
})

it('is not taken by who lost its lock file, and not given to a second while the first one lives', async () => {
  const directory = newDirectory()
  const lock = await take(directory, { abstract: false })
  rmSync(join(directory, 'lock'))
  expect(lock.isHeld()).toBe(false)
  expect(await refusal(directory, { abstract: false })).toMatch('is open already')
  expect(readdirSync(directory)).toEqual(['lock.sock'])
  await lock.release()
  expect((await take(directory, { abstract: false })).isHeld()).toBe(true)
})

it('removes nothing of who took over meanwhile', async () => {
  const directory = newDirectory()
  const lock = await take(directory, { abstract: false })
  await leaveSuccessor(directory)
  expect(lock.isHeld()).toBe(false)
  await lock.release()
  expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
})

/** What is left of a directory when another host has waited for the holder's sign of life in vain. */
async function leaveSuccessor(directory: string): Promise<void> {
  const elsewhere = newDirectory()
  await leaveRecord(elsewhere, { host: 'elsewhere', boot: 'another' })
  renameSync(join(elsewhere, 'lock'), join(directory, 'lock'))
  writeFileSync(join(directory, 'new'), '')
  renameSync(join(directory, 'new'), join(directory, 'lock.sock'))
}

it('holds a directory whose path is longer than a socket’s may be', async () => {
  const directory = join(newDirectory(), 'd'.repeat(120))
  mkdirSync(directory)
  const lock = await take(directory, { abstract: false })
  expect(readdirSync(directory)).toEqual(['lock', 'lock.sock'])
  rmSync(join(directory, 'lock'))
  expect(await refusal(directory, { abstract: false })).toMatch('is open already')
  await lock.release()
  rmSync(join(directory, 'lock.sock'))
  await (await take(directory)).release()
  expect(readdirSync(directory)).toEqual([])
})

it('fails with the system’s own error where there is no directory, or none that can be written', async () => {
  const directory = newDirectory()
  await expect(lockDirectory(join(directory, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  writeFileSync(join(directory, 'file'), '')
  await expect(lockDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' })
})

/**
 * One process per directory, through what the operating system has. Three things are held together, and whichever of them
 * says that somebody else has the directory is believed:
 *
 *   an abstract Unix socket    Linux: its name is the directory's device and inode; free the moment its process is gone;
 *                              not seen from another network namespace
 *   the file `lock`            who holds it, with a sign of life every five seconds: seen wherever the files are seen
 *   the socket file lock.sock  tells by answering that its holder lives, where process numbers tell nothing (containers
 *                              that share a directory)
 *
 * How the lock file changes hands without two winners: every record has a random token, and whoever finds that the holder
 * X is gone makes the file `lock.after-X`. A link is made or it exists already, so X has one successor at most; who finds
 * that one gone makes the next.
 *
 *   lock ──X is gone──► lock.after-X ──Y is gone──► lock.after-Y        the last one has the directory
 *                                                       └── renamed over `lock`; then the others are removed
 *
 * The way is walked once more from `lock` before its new end counts: whoever has been slow finds that the way does not
 * lead to its record, and begins again. Nothing is removed but by who has the directory.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import type { Server } from 'node:net'
import { hostname, tmpdir, uptime } from 'node:os'
import { join } from 'node:path'
import { EngineError } from '../errors.ts'
import {
  commandName,
  type DirectoryLock,
  type Holder,
  holderText,
  isAlive,
  lockedMessage,
  readHolder,
  type Viewer,
} from './lock.ts'
import { closeServer, listen, probe } from './lock-socket.ts'

const LOCK = 'lock'
const SOCKET = 'lock.sock'
const LIFE_SIGN_EVERY_MS = 5000
// The kernel takes 107 bytes on Linux, 103 on macOS; a longer name would be cut, and be another one.
const SOCKET_PATH_BYTES_MAX = 103
// Whoever has just won writes its record within milliseconds; the error of who lost waits for it as long as this.
const HOLDER_TRIES = 25
const HOLDER_TRY_MS = 20
const ROUNDS_MAX = 100

export interface LockOptions {
  /** Without it the lock file alone decides, as on systems that have no abstract sockets. Default: true on Linux. */
  readonly abstract?: boolean
}

/** Takes the directory for this process, or rejects with `LOCKED` and a message that names who has it. */
export async function lockDirectory(directory: string, options: LockOptions = {}): Promise<DirectoryLock> {
  const place = new Place(directory)
  try {
    if (options.abstract ?? process.platform === 'linux') await place.takeName()
    await takeLockFile(place)
    return await NodeLock.begin(place)
  } catch (error) {
    await place.close()
    throw error
  }
}

/** The directory, and who we are in it. */
class Place {
  readonly directory: string
  readonly #fd: number
  /** The directory's own: whichever way one comes to it. */
  readonly #name: string
  #self: Holder
  #abstract: Server | undefined = undefined

  constructor(directory: string) {
    this.#fd = fs.openSync(directory, 'r')
    const { dev, ino } = fs.fstatSync(this.#fd, { bigint: true })
    // Absolute, and the real one: the process may go elsewhere, and a link may be bent meanwhile.
    this.directory = fs.realpathSync(directory)
    this.#name = `millrace-${dev}-${ino}`
    this.#self = describeProcess()
  }

  get self(): Holder {
    return this.#self
  }

  /** Takes the abstract socket; where there can be none, the lock file has to do. */
  async takeName(): Promise<void> {
    const server = await listen(`\0${this.#name}`)
    if (server === 'taken') throw await lockedError(this)
    if (server === 'impossible') return
    this.#abstract = server
    this.#self = { ...this.#self, abstractName: this.#name }
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /**
   * What the kernel takes for the path of a socket in the directory: one through our own open directory where the plain
   * one is too long; where there is no such way (macOS), one among the temporary files, by the directory's own name.
   */
  socketPath(name: string): string {
    const plain = this.path(name)
    if (Buffer.byteLength(plain) <= SOCKET_PATH_BYTES_MAX) return plain
    const short = `/proc/self/fd/${this.#fd}`
    return fs.existsSync(short) ? join(short, name) : join(tmpdir(), `${this.#name}.${name}`)
  }

  async close(): Promise<void> {
    if (this.#abstract !== undefined) await closeServer(this.#abstract)
    fs.closeSync(this.#fd)
  }
}

function describeProcess(): Holder {
  return {
    token: randomBytes(16).toString('hex'),
    pid: process.pid,
    processStart: readProcess('self')?.start ?? '',
    pidNamespace: linkTarget('/proc/self/ns/pid'),
    networkNamespace: linkTarget('/proc/self/ns/net'),
    boot: (readText('/proc/sys/kernel/random/boot_id') ?? '').trim(),
    host: hostname(),
    since: new Date().toISOString(),
    abstractName: '',
    socketInode: '',
  }
}

/** The lock file's way from `lock` to its last record; see above. */
interface Found {
  readonly holder: Holder | undefined
  readonly lifeSignMs: number
  /** The name that a successor's record has. */
  readonly next: string
}

function lastRecord(place: Place): Found | undefined {
  let last: Found | undefined
  for (let name = LOCK, steps = 0; steps < ROUNDS_MAX; steps++) {
    const found = readRecord(place, name)
    if (found === undefined) break
    last = found
    name = found.next
  }
  return last
}

function readRecord(place: Place, name: string): Found | undefined {
  let fd: number
  try {
    fd = fs.openSync(place.path(name), 'r')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    const holder = readHolder(fs.readFileSync(fd, 'utf8'))
    const { mtimeNs, ino } = fs.fstatSync(fd, { bigint: true })
    const next = `${LOCK}.after-${holder?.token ?? `${ino}-${mtimeNs}`}`
    return { holder, lifeSignMs: Number(mtimeNs / 1_000_000n), next }
  } finally {
    fs.closeSync(fd)
  }
}

/** Returns when `lock`, or the end of the way from there, is our record. */
async function takeLockFile(place: Place): Promise<void> {
  const { self } = place
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const record = writeRecord(place, self)
    try {
      const last = lastRecord(place)
      if (last !== undefined && (await isAlive(last.holder, last.lifeSignMs, viewFrom(place, record.nowMs)))) {
        throw await lockedError(place)
      }
      const name = last?.next ?? LOCK
      if (!linkRecord(place, record.path, name)) continue
      if (lastRecord(place)?.holder?.token === self.token) return
      removeIfThere(place.path(name))
    } finally {
      fs.closeSync(record.fd)
      removeIfThere(record.path)
    }
  }
  throw await lockedError(place)
}

interface WrittenRecord {
  readonly path: string
  readonly fd: number
  /** What the clock says that tells when files here changed. */
  readonly nowMs: number
}

function writeRecord(place: Place, holder: Holder): WrittenRecord {
  const path = place.path(`${LOCK}.new-${holder.token}`)
  const fd = fs.openSync(path, 'w', 0o600)
  fs.writeSync(fd, holderText(holder))
  return { path, fd, nowMs: fs.fstatSync(fd).mtimeMs }
}

/** Gives a written record its name, whole or not at all; false if somebody was before us. */
function linkRecord(place: Place, from: string, name: string): boolean {
  try {
    fs.linkSync(from, place.path(name))
    return true
  } catch (error) {
    // ENOENT: whoever has the directory has tidied it up.
    if (isCode(error, 'EEXIST') || isCode(error, 'ENOENT')) return false
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].some((code) => isCode(error, code))) throw error
  }
  // A file system without links: half of the record may be seen, and is taken for a living holder for a while.
  try {
    fs.writeFileSync(place.path(name), fs.readFileSync(from), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

function viewFrom(place: Place, nowMs: number): Viewer {
  return {
    self: place.self,
    nowMs,
    bootedMs: nowMs - uptime() * 1000,
    processState,
    socketState: async (holder) => {
      const path = place.socketPath(SOCKET)
      const inode = inodeOf(path)
      const state = await probe(path)
      // One that refuses may be an earlier holder's, left there when that one died.
      return state === 'refuses' && (inode === '' || inode !== holder.socketInode) ? 'unknown' : state
    },
  }
}

function processState(holder: Holder): 'runs' | 'unknown' | 'gone' {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (isCode(error, 'ESRCH')) return 'gone'
  }
  const found = readProcess(holder.pid)
  if (found === undefined || holder.processStart === '') return 'unknown'
  return found.start === holder.processStart && !found.isDead ? 'runs' : 'gone'
}

class NodeLock implements DirectoryLock {
  readonly #place: Place
  readonly #socket: Server | undefined
  readonly #fd: number
  readonly #timer: NodeJS.Timeout
  #released: Promise<void> | undefined = undefined
  readonly #atExit = (): void => this.#removeFiles()

  private constructor(place: Place, socket: Server | undefined, fd: number) {
    this.#place = place
    this.#socket = socket
    this.#fd = fd
    this.#timer = setInterval(() => this.#giveLifeSign(), LIFE_SIGN_EVERY_MS).unref()
    process.on('exit', this.#atExit)
  }

  /** The lock file is ours: what else belongs to it is taken, and what dead holders left is removed. */
  static async begin(place: Place): Promise<NodeLock> {
    const path = place.socketPath(SOCKET)
    let socket: Server | undefined
    try {
      // Somebody is alive whose lock file was removed under it.
      if ((await probe(path)) === 'listens') throw await lockedError(place)
      socket = await listenInstead(place, path)
      const record = writeRecord(place, { ...place.self, socketInode: socket === undefined ? '' : inodeOf(path) })
      fs.renameSync(record.path, place.path(LOCK))
      for (const name of fs.readdirSync(place.directory)) {
        if (/^lock\.(?:after|new)-/.test(name)) removeIfThere(place.path(name))
      }
      return new NodeLock(place, socket, record.fd)
    } catch (error) {
      if (socket !== undefined) await closeServer(socket)
      removeOwnRecord(place)
      throw error
    }
  }

  isHeld(): boolean {
    return this.#released === undefined && lastRecord(this.#place)?.holder?.token === this.#place.self.token
  }

  release(): Promise<void> {
    this.#released ??= this.#release()
    return this.#released
  }

  async #release(): Promise<void> {
    clearInterval(this.#timer)
    process.off('exit', this.#atExit)
    if (this.#socket !== undefined) await closeServer(this.#socket)
    this.#removeFiles()
    fs.closeSync(this.#fd)
    await this.#place.close()
  }

  #removeFiles(): void {
    if (lastRecord(this.#place)?.holder?.token !== this.#place.self.token) return
    // The record goes last: nobody else makes a socket file as long as it is there.
    if (this.#socket !== undefined) removeIfThere(this.#place.socketPath(SOCKET))
    removeIfThere(this.#place.path(LOCK))
  }

  #giveLifeSign(): void {
    try {
      // A byte that is there already, written anew: it takes no space, and the time is the file system's, not ours.
      fs.writeSync(this.#fd, '\n', fs.fstatSync(this.#fd).size - 1)
    } catch {
      // The disk has failed, as its other users find out too. Without signs others may take over after a while.
    }
  }
}

/** Listens at a path that a dead holder's socket may be at. */
async function listenInstead(place: Place, path: string): Promise<Server | undefined> {
  // Node removes the file that a server was made with when the server ends: under that name no other's can be hit.
  const own = place.socketPath(`${LOCK}.new-${place.self.token}.sock`)
  const server = await listen(own)
  if (server === 'taken' || server === 'impossible') return undefined
  fs.renameSync(own, path)
  return server
}

function removeOwnRecord(place: Place): void {
  let name = LOCK
  for (let found = readRecord(place, name); found !== undefined; found = readRecord(place, name)) {
    if (found.holder?.token === place.self.token) return removeIfThere(place.path(name))
    name = found.next
  }
}

async function lockedError(place: Place): Promise<EngineError> {
  let holder: Holder | undefined
  for (let tries = 0; tries < HOLDER_TRIES; tries++) {
    holder = lastRecord(place)?.holder
    // What is left of a dead one stands there until the new one has written its own.
    if (holder !== undefined && !(isNear(holder, place.self) && processState(holder) === 'gone')) break
    holder = undefined
    await new Promise((resolve) => setTimeout(resolve, HOLDER_TRY_MS))
  }
  const words = holder !== undefined && isNear(holder, place.self) ? readText(`/proc/${holder.pid}/cmdline`) : undefined
  const command = commandName((words ?? '').split('\0').filter((word) => word !== ''))
  return new EngineError('LOCKED', lockedMessage(place.directory, holder, place.self, command))
}

/** Whether the holder's process number is one of ours. */
function isNear(holder: Holder, self: Holder): boolean {
  return holder.boot === self.boot && holder.pidNamespace === self.pidNamespace && holder.host === self.host
}

/** When a process began, and whether nothing but its exit code is left. */
function readProcess(pid: number | 'self'): { readonly start: string; readonly isDead: boolean } | undefined {
  const text = readText(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name, in parentheses, may hold anything; behind it come the state, and as the 20th the time of its start.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { start: fields[19] ?? '', isDead: fields[0] === 'Z' || fields[0] === 'X' }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined // another system, or a process that has ended or is not ours to look at
  }
}

function linkTarget(path: string): string {
  try {
    return fs.readlinkSync(path)
  } catch {
    return '' // a system without namespaces
  }
}

function inodeOf(path: string): string {
  try {
    return String(fs.lstatSync(path, { bigint: true }).ino)
  } catch {
    return '' // not there
  }
}

function removeIfThere(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}

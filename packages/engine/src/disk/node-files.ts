/** The files of the machine (files.ts), through node:fs. With node-lock.ts the one place of the package that imports it. */
import * as fs from 'node:fs'
import type { Fs, OpenFile, OpenMode } from './files.ts'
import { lockDirectory } from './node-lock.ts'

const FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', create: 'wx+', update: 'r+' }

class NodeFile implements OpenFile {
  readonly #fd: number
  #isOpen = true

  constructor(fd: number) {
    this.#fd = fd
  }

  read(into: Uint8Array, position: number): number {
    let read = 0
    while (read < into.length) {
      const count = fs.readSync(this.#fd, into, read, into.length - read, position + read)
      if (count === 0) break
      read += count
    }
    return read
  }

  write(bytes: Uint8Array, position: number): number {
    return fs.writeSync(this.#fd, bytes, 0, bytes.length, position)
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  syncNow(): void {
    fs.fdatasyncSync(this.#fd)
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size)
  }

  size(): number {
    return fs.fstatSync(this.#fd).size
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    fs.closeSync(this.#fd)
  }
}

export const nodeFs: Fs = {
  open: (path, mode) => new NodeFile(fs.openSync(path, FLAGS[mode], 0o600)),
  makeDirectory: (path) => void fs.mkdirSync(path, { recursive: true, mode: 0o700 }),
  list: (path) => fs.readdirSync(path).toSorted(),
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.unlinkSync(path),
  removeSoon(path) {
    return new Promise((resolve, reject) => {
      fs.unlink(path, (error) => (error === null ? resolve() : reject(error)))
    })
  },
  syncDirectory(path) {
    return new Promise((resolve, reject) => {
      fs.open(path, 'r', (openError, fd) => {
        if (openError !== null) return reject(openError)
        fs.fsync(fd, (error) => {
          fs.closeSync(fd)
          if (error === null) resolve()
          else reject(error)
        })
      })
    })
  },
  syncDirectoryNow(path) {
    const fd = fs.openSync(path, 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  },
  lock: (path) => lockDirectory(path),
}

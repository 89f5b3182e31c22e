/**
 * The machine's files, with a disk that a test fills, breaks, and makes wait.
 *
 *   hold() ──► syncs wait ──► release()
 *   freeBytes: so much fits; what is removed is free again        failure: writes, syncs and new files fail with it
 */
import { nodeEnv, type Env, type Fs, type OpenFile } from '@millrace/engine'
import { statSync } from 'node:fs'

export class TriedDisk {
  freeBytes = Infinity
  failure: string | undefined = undefined
  /** How often something was written to the journal. */
  journalWrites = 0
  #held: (() => void)[] | undefined = undefined
  #onHeld: () => void = () => undefined

  readonly fs: Fs = {
    ...nodeEnv.fs,
    open: (path, mode) => {
      if (mode === 'create') this.#mayFail('open')
      return this.#tried(path, nodeEnv.fs.open(path, mode))
    },
    remove: (path) => {
      const { size } = statSync(path)
      nodeEnv.fs.remove(path)
      this.freeBytes += size
    },
  }

  readonly env: Env = { ...nodeEnv, fs: this.fs }

  /** From now on syncs wait; resolves when the first does. */
  hold(): Promise<void> {
    this.#held ??= []
    return new Promise((resolve) => (this.#onHeld = resolve))
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  #tried(path: string, file: OpenFile): OpenFile {
    const isJournal = path.includes('/journal-')
    const tried: Partial<OpenFile> = {
      write: (bytes, position) => {
        this.#mayFail('write')
        const grows = Math.max(position + bytes.length - file.size(), 0)
        if (grows > this.freeBytes) throw failed('ENOSPC', 'write')
        this.freeBytes -= grows
        if (isJournal) this.journalWrites++
        return file.write(bytes, position)
      },
      sync: async () => {
        if (this.#held !== undefined) {
          this.#onHeld()
          await new Promise<void>((resolve) => void this.#held!.push(resolve))
        }
        this.#mayFail('fdatasync')
        await file.sync()
      },
    }
    return new Proxy(file, {
      get(target, name: keyof OpenFile) {
        const value: unknown = tried[name] ?? target[name]
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #mayFail(syscall: string): void {
    if (this.failure !== undefined) throw failed(this.failure, syscall)
  }
}

function failed(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${syscall}`), { code, syscall })
}

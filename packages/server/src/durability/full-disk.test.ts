/**
 * A real disk of 1 MB that is filled and freed 20 times: writes are refused while it is full, reads and acknowledgements go
 * on, writes go on by themselves when there is room again, and what was acknowledged is there after a kill in the end.
 * Mounts a tmpfs, which takes root on Linux.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory, waitFor } from '@millrace/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Wire } from '../differential-wire.ts'
import { ServerProcess, type Policy } from './testing/server-process.ts'

const TIMES = 20
const WRITES_MAX = 1000

let disk = ''
let running: ServerProcess | undefined
beforeEach(() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'This test mounts a file system of 1 MB: it needs Linux, and root (sudo npm test -- packages/server)',
    )
  }
  disk = temporaryDirectory('full')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
})
afterEach(async () => {
  await running?.kill()
  running = undefined
  if (disk !== '') execFileSync('umount', [disk])
  disk = ''
})

async function start(fsync: Policy): Promise<Wire> {
  running = await ServerProcess.start({ directory: join(disk, 'data'), fsync })
  return await running.connect()
}

/** Writes a file until no byte more fits. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  let bytes = Buffer.alloc(65_536)
  while (bytes.length > 0) {
    try {
      if (writeSync(file, bytes) === 0) break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      bytes = bytes.subarray(0, bytes.length >> 1)
    }
  }
  closeSync(file)
}

/** Appends numbered entries and keeps account of those that were acknowledged. */
class Appender {
  readonly acknowledged: string[] = []
  readonly #wire: Wire
  #number = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  async append(): Promise<string> {
    const id = `${++this.#number}-0`
    const reply = await this.#wire.ask('XADD', 's', id, 'value', 'v'.repeat(500))
    if (reply.startsWith('$')) this.acknowledged.push(id)
    return reply
  }

  async appendUntilRefused(): Promise<string> {
    for (let i = 0; i < WRITES_MAX; i++) {
      const reply = await this.append()
      if (!reply.startsWith('$')) return reply
    }
    throw new Error(`${WRITES_MAX} entries fit on a full disk`)
  }
}

for (const fsync of ['always', 'everysec'] as const) {
  it(
    `refuses writes on a full disk, reads on, and resumes by itself, ${TIMES} times (${fsync})`,
    { timeout: 120_000 },
    async () => {
      const wire = await start(fsync)
      const appender = new Appender(wire)
      await wire.ask('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
      for (let time = 0; time < TIMES; time++) {
        expect(await appender.append()).toMatch(/^\$/)
        expect(await wire.ask('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', 's', '>')).toMatch('v')
        fill(join(disk, 'filler'))
        expect(await appender.appendUntilRefused()).toMatch(
          /^-MISCONF Errors writing to the AOF file: No space left on device/,
        )
        expect(await wire.ask('XLEN', 's')).toBe(`:${appender.acknowledged.length}\r\n`)
        expect(await wire.ask('XREVRANGE', 's', '+', '-', 'COUNT', '1')).toMatch(appender.acknowledged.at(-1)!)
        expect(await wire.ask('XACK', 's', 'g', appender.acknowledged[time]!)).toBe(':1\r\n')
        rmSync(join(disk, 'filler'))
        await waitFor(async () => (await appender.append()).startsWith('$'), { what: 'writes to go on' })
      }
      await running!.kill()
      const again = await start(fsync)
      const found = (await again.ask('XRANGE', 's', '-', '+')).match(/\d+-0/g)
      expect(found).toEqual(appender.acknowledged)
      expect(await again.ask('XPENDING', 's', 'g')).toMatch(/^\*4\r\n:0\r\n/)
    },
  )
}

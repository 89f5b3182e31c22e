/**
 * What the disk itself takes to make a write durable, which is what durable writes wait for: 100 bytes and an fdatasync, at
 * the end of a file (its size is made durable, too) and in place of bytes that are there.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const TIMES = 1000
const BYTES = 100

export interface SyncTimes {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Writes a file in the directory, and leaves it there. */
export function syncTimes(directory: string, where: 'at the end' | 'in place'): SyncTimes {
  const file = openSync(join(directory, `sync-times-${where.replaceAll(' ', '-')}`), 'w')
  try {
    if (where === 'in place') writeSync(file, Buffer.alloc(TIMES * BYTES, 1))
    fsyncSync(file)
    const bytes = Buffer.alloc(BYTES, 2)
    const times: number[] = []
    for (let i = 0; i < TIMES; i++) {
      const beganMs = performance.now()
      writeSync(file, bytes, 0, BYTES, i * BYTES)
      fdatasyncSync(file)
      times.push(performance.now() - beganMs)
    }
    times.sort((a, b) => a - b)
    return { p50Ms: times[TIMES / 2]!, p99Ms: times[TIMES * 0.99]! }
  } finally {
    closeSync(file)
  }
}

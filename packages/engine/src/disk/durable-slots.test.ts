/** The file that tells how far a journal had been durable. */
import { expect, it } from 'vitest'
import { createDurable, openDurable, readDurable, vouchesForData } from './durable-slots.ts'
import { ImageEditor } from './testing/image-editor.ts'
import { SimFs } from './testing/sim-fs.ts'

const ID = '0123456789abcdef'
const PATH = '/data/durable'
const SLOT_BYTES = 4096

/** A file whose slots tell of these offsets of segment 1, in their order. */
async function file(...offsets: number[]): Promise<SimFs> {
  const fs = new SimFs()
  fs.makeDirectory('/data')
  await fs.syncDirectory('/')
  await createDurable(fs, '/data', ID)
  const slots = await openDurable(fs, '/data', ID)
  for (const offset of offsets) slots.write({ segment: 1, offset })
  slots.close()
  return fs
}

function tear(fs: SimFs, ...slots: number[]): void {
  for (const slot of slots) new ImageEditor(fs).flipBit(PATH, (slot * SLOT_BYTES + 9) * 8)
}

it('tells the highest place that a whole slot tells', async () => {
  const fs = await file(100, 200, 300, 400)
  expect(readDurable(fs, '/data', ID)).toMatchObject({ segment: 1, offset: 400 })
  tear(fs, readDurable(fs, '/data', ID).slot)
  expect(readDurable(fs, '/data', ID)).toMatchObject({ segment: 1, offset: 300 })
  tear(fs, readDurable(fs, '/data', ID).slot)
  expect(readDurable(fs, '/data', ID)).toMatchObject({ segment: 1, offset: 200 })
  tear(fs, readDurable(fs, '/data', ID).slot)
  expect(() => readDurable(fs, '/data', ID)).toThrow(`${PATH}: none of its 3 slots`)
  expect(() => readDurable(fs, '/data', 'fedcba9876543210')).toThrow('none of its 3 slots')
})

it('vouches for nothing until it is told of something', async () => {
  expect(vouchesForData(await file(), '/data', ID)).toBe(false)
  expect(vouchesForData(await file(32), '/data', ID)).toBe(true)
})

it('has all slots whole and on stable storage when it was opened, whichever had been torn', async () => {
  for (const torn of [[], [0], [1], [2], [0, 1], [1, 2], [0, 2]]) {
    const fs = await file(100, 200, 300)
    const left = [0, 1, 2].filter((slot) => !torn.includes(slot))
    tear(fs, ...torn)
    const expected = readDurable(fs, '/data', ID).offset
    ;(await openDurable(fs, '/data', ID)).close()
    let states = 0
    for (const { fs: crashed } of fs.crashStates({ kinds: ['power'], from: fs.trace.length })) {
      for (const other of [0, 1, 2]) {
        const alone = crashed.copy()
        tear(alone, ...[0, 1, 2].filter((slot) => slot !== other))
        const { offset } = readDurable(alone, '/data', ID)
        expect(left.includes(other) ? offset <= expected : offset === expected, `slot ${other}`).toBe(true)
      }
      states++
    }
    expect(states).toBe(1)
  }
})

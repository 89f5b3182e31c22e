import { expect, it } from 'vitest'
import { append } from '../append.ts'
import { Seeded } from '../seeded.ts'
import { checkDirectory, checkRdbFile } from './check.ts'
import type { FileReport } from './file-report.ts'
import { FRAME_HEADER_BYTES, readFrameHeader, sealFrame } from './frame.ts'
import { SEGMENT_HEADER_BYTES, segmentHeader } from './journal-file.ts'
import { salvaging, type Salvaged } from './repair.ts'
import { stateText } from './state-text.ts'
import { Store, type StoreOptions } from './store.ts'
import { CrashWorkload, DIRECTORY, recoverFrom } from './testing/crash-workload.ts'
import { ImageEditor } from './testing/image-editor.ts'
import { SimEnv } from './testing/sim-env.ts'
import { SimFs } from './testing/sim-fs.ts'

/** A directory in use, and what was in it after each entry. */
class Used {
  readonly env = new SimEnv(new SimFs(), 1)
  readonly states = ['']
  store: Store | undefined

  async open(options: Partial<StoreOptions> = {}): Promise<void> {
    this.store = await Store.open(DIRECTORY, { env: this.env, reserveBytes: 0, fillBytes: 0, ...options })
  }

  async add(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const text = `entry ${this.states.length}, ${'x'.repeat(100)}`
      append(this.store!.databases.at(0), { key: 'orders', fields: ['text', text] }, this.env.nowMs())
      this.store!.commit()
      await this.env.advance(10)
      this.states.push(stateText(this.store!.databases))
    }
  }

  async snapshot(): Promise<void> {
    await this.until(this.store!.snapshot())
  }

  async close(): Promise<void> {
    await this.until(this.store!.close())
  }

  async until(work: Promise<void>): Promise<void> {
    const state = { isOver: false }
    const watched = work.finally(() => (state.isOver = true))
    while (!state.isOver) await this.env.advance(10)
    await watched
  }

  /** The files as they are now. */
  image(): { readonly fs: SimFs; readonly editor: ImageEditor } {
    const fs = this.env.fs.settled()
    return { fs, editor: new ImageEditor(fs) }
  }
}

function path(name: string): string {
  return `${DIRECTORY}/${name}`
}

function salvage(fs: SimFs): Salvaged {
  const steps = salvaging(fs, DIRECTORY)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

function lookAt(fs: SimFs, name: string): FileReport {
  const steps = checkDirectory(fs, DIRECTORY)
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value.files.find((file) => file.name === name)!
}

function journals(fs: SimFs): string[] {
  return fs.list(DIRECTORY).filter((name) => name.startsWith('journal-'))
}

it('saves what is in a segment before the place at which it was cut off', async () => {
  const used = new Used()
  await used.open({ segmentBytes: 2000 })
  await used.add(40)
  await used.close()
  const { fs, editor } = used.image()
  const [first] = journals(fs)
  expect(journals(fs).length).toBeGreaterThan(2)
  editor.truncate(path(first!), 1000)
  const saved = salvage(fs)
  expect(saved.basis).toBe('manifest')
  expect(saved.frames).toBeGreaterThan(3)
  expect(stateText(saved.databases)).toBe(used.states[saved.frames])
  expect(saved.leftOut.length).toBe(journals(fs).length)
  expect(lookAt(fs, first!)).toMatchObject({ state: 'damaged', bytes: 1000 })
  expect(lookAt(fs, first!).lines[0]).toContain(`${saved.frames} frames (1 to ${saved.frames})`)
})

it('saves what is before a segment that is missing, and tells which frames are', async () => {
  const used = new Used()
  await used.open({ segmentBytes: 2000 })
  await used.add(40)
  await used.close()
  const { fs, editor } = used.image()
  const [, second, third] = journals(fs)
  editor.remove(path(second!))
  const saved = salvage(fs)
  expect(stateText(saved.databases)).toBe(used.states[saved.frames])
  expect(saved.leftOut[0]).toBe(`${path(second!)}: is missing`)
  expect(lookAt(fs, second!)).toMatchObject({ state: 'missing' })
  expect(lookAt(fs, third!).lines[1]).toMatch(
    new RegExp(`^the frames ${saved.frames + 1} to \\d+ are missing before it$`),
  )
})

it('does not guess what follows a snapshot when no manifest tells and the first segment behind it has no frame', async () => {
  const used = new Used()
  await used.open()
  await used.add(5)
  await used.snapshot()
  await used.close()
  await used.open()
  await used.add(3)
  await used.close()
  const whole = used.image()
  expect(recoverFrom(whole.fs).text).toBe(used.states[8])
  whole.editor.remove(path('manifest-1'))
  const known = salvage(whole.fs)
  expect({ ...known, text: stateText(known.databases) }).toMatchObject({
    basis: 'files',
    frames: 3,
    text: used.states[8],
  })
  whole.editor.remove(path('manifest-0'))
  const guessed = salvage(whole.fs)
  expect(guessed).toMatchObject({ basis: 'files', frames: 0 })
  expect(stateText(guessed.databases)).toBe(used.states[5])
  expect(guessed.leftOut).toHaveLength(1)
})

it('takes an older snapshot when that is whole, with all of the journal behind it', async () => {
  const used = new Used()
  await used.open()
  await used.add(5)
  await used.snapshot()
  await used.add(3)
  const older = used.image()
  await used.snapshot()
  await used.add(2)
  await used.close()
  const { fs, editor } = used.image()
  for (const name of ['snapshot-000002.rdb', 'journal-000002']) editor.write(path(name), older.editor.read(path(name)))
  editor.flipBit(path('snapshot-000003.rdb'), 500)
  const saved = salvage(fs)
  expect(saved).toMatchObject({ basis: 'files', snapshot: 'snapshot-000002.rdb', frames: 5 })
  expect(stateText(saved.databases)).toBe(used.states[10])
})

it('saves nothing where the only snapshot is damaged, rather than what is behind it', async () => {
  const used = new Used()
  await used.open()
  await used.add(5)
  await used.snapshot()
  await used.add(3)
  await used.close()
  const { fs, editor } = used.image()
  editor.flipBit(path('snapshot-000002.rdb'), 500)
  expect(() => salvage(fs)).toThrow('a journal that begins with frame 6')
})

interface Frame {
  readonly seq: number
  readonly payload: Uint8Array
}

/** The frames of a segment that is whole. */
function framesOf(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = []
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length;) {
    const { seq, payloadBytes } = readFrameHeader(bytes, at)!
    at += FRAME_HEADER_BYTES + payloadBytes
    frames.push({ seq, payload: bytes.slice(at - payloadBytes, at) })
  }
  return frames
}

/** A segment's file with these frames, whose checksums are right. */
function segmentOf(number: number, frames: readonly Frame[]): Uint8Array {
  const fileId = 1000 + number
  const header = segmentHeader({ number, fileId, epoch: 1 })
  const parts = [header.bytes]
  let chain = header.crc
  for (const { seq, payload } of frames) {
    const made = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
    made.set(payload, FRAME_HEADER_BYTES)
    const durable = { segment: number, offset: SEGMENT_HEADER_BYTES }
    chain = sealFrame(made, 0, { payloadBytes: payload.length, hasMore: false, fileId, durable, seq }, chain)
    parts.push(made)
  }
  return Buffer.concat(parts)
}

/** Six entries whose journal is made anew, without a manifest. */
async function remade(
  make: (frames: Frame[]) => readonly Uint8Array[],
): Promise<{ readonly fs: SimFs; readonly used: Used }> {
  const used = new Used()
  await used.open()
  await used.add(6)
  used.store!.abandon()
  const { fs, editor } = used.image()
  const files = make(framesOf(editor.read(path('journal-000001'))))
  for (const name of ['manifest-0', 'manifest-1']) editor.remove(path(name))
  for (const [index, bytes] of files.entries()) editor.write(path(`journal-00000${index + 1}`), bytes)
  return { fs, used }
}

it('goes on with the frames of the last file where several before it were given up', async () => {
  const { fs, used } = await remade((frames) => [
    segmentOf(1, frames.slice(0, 3)),
    segmentOf(2, frames.slice(3, 5)),
    segmentOf(3, frames.slice(2)),
  ])
  const saved = salvage(fs)
  expect(saved).toMatchObject({ basis: 'files', frames: 6 })
  expect(stateText(saved.databases)).toBe(used.states[6])
})

it('does not go on behind frames that are in no file', async () => {
  const { fs, used } = await remade((frames) => [segmentOf(1, frames.slice(0, 3)), segmentOf(2, frames.slice(4))])
  const saved = salvage(fs)
  expect(saved).toMatchObject({ basis: 'files', frames: 3 })
  expect(stateText(saved.databases)).toBe(used.states[3])
  expect(saved.leftOut).toEqual([
    expect.stringMatching(/journal-000002: \d+ bytes from offset 32 on, with whole frames up to 6$/),
  ])
})

it('saves whole groups only, also when one cannot be applied to its end', async () => {
  // Behind an entry, which can be added, comes what is no change.
  const { fs, used } = await remade((frames) => [
    segmentOf(
      1,
      frames.map(({ seq, payload }) => ({
        seq,
        payload: seq === 4 ? Buffer.concat([payload, Uint8Array.of(255)]) : payload,
      })),
    ),
  ])
  const saved = salvage(fs)
  expect(saved.frames).toBe(3)
  expect(stateText(saved.databases)).toBe(used.states[3])
  expect(lookAt(fs, 'journal-000001').lines[0]).toContain('6 frames')
})

it('counts keys of other types in a file of Redis, and names the byte where one is damaged', () => {
  const fs = new SimFs()
  const editor = new ImageEditor(fs)
  editor.write('/a.rdb', Buffer.from('REDIS0003\xfe\0\x01\x01l\x01\x01a\xff', 'latin1'))
  const report = checkRdbFile(fs, '/a.rdb').next().value
  expect(report).toMatchObject({ problem: undefined, keys: { keys: 0, streams: 0 } })
  expect(report).toMatchObject({
    files: [
      {
        state: 'whole',
        lines: [expect.any(String), 'of another type: 1 list', expect.stringContaining('no checksum')],
      },
    ],
  })
  editor.truncate('/a.rdb', 15)
  expect(checkRdbFile(fs, '/a.rdb').next().value).toMatchObject({
    problem: { code: 'CORRUPT' },
    files: [{ state: 'damaged', bytes: 15, lines: [expect.stringContaining('at byte')] }],
  })
})

it('leaves a directory that is whole as whole as it is', async () => {
  const work = new CrashWorkload(new SimFs(), new Seeded(5), { reserveBytes: 0, fillBytes: 0 })
  await work.open()
  await work.run(20)
  work.store!.abandon()
  const fs = work.fs.settled()
  const saved = salvage(fs)
  expect(saved).toMatchObject({ problem: undefined, basis: 'manifest', leftOut: [] })
  expect(stateText(saved.databases)).toBe(recoverFrom(fs).text)
})

import { describe, expect, it } from 'vitest'
import { DeltaWriter } from './delta-writer.ts'

/** A log that takes an entry only when the test lets it. */
function heldLog(): { texts: string[]; append: (text: string) => Promise<void>; release: () => void } {
  const texts: string[] = []
  let release: () => void = () => undefined
  const append = (text: string): Promise<void> => {
    texts.push(text)
    return new Promise((resolve) => (release = resolve))
  }
  return { texts, append, release: () => release() }
}

const ignore = (): void => undefined

describe('joining deltas', () => {
  it('writes the first chunk at once and joins what arrives meanwhile', async () => {
    const log = heldLog()
    const writer = new DeltaWriter(log.append, 0, ignore)
    await writer.push('A')
    await writer.push(' con')
    await writer.push('sumer')
    const finished = writer.finish()
    log.release()
    await Promise.resolve()
    while (log.texts.length < 2) await new Promise((resolve) => setImmediate(resolve))
    log.release()
    await finished
    expect(log.texts).toEqual(['A', ' consumer'])
  })

  it('never splits a surrogate pair, and replaces a lone one', async () => {
    const texts: string[] = []
    const writer = new DeltaWriter(async (text) => void texts.push(text), 0, ignore)
    for (const unit of ['a', '\ud83d', '\ude00', '\udc00', 'b', '\ud83d']) await writer.push(unit)
    await writer.finish()
    expect(texts.join('')).toBe('a😀\ufffdb\ufffd')
    expect(texts.every((text) => !/\p{Surrogate}/u.test(text))).toBe(true)
  })

  it('goes on after a chunk that is half a pair alone', async () => {
    const log = heldLog()
    const writer = new DeltaWriter(log.append, 0, ignore)
    await writer.push('\ud83d')
    await writer.push('\ude00')
    expect(log.texts).toEqual(['😀'])
    const state = { pushed: false }
    const blocked = writer.push('y'.repeat(70_000)).then(() => (state.pushed = true))
    while (!state.pushed) {
      log.release()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await blocked
    expect(log.texts.join('').length).toBe(70_002)
  })

  it('splits a large chunk and keeps pairs whole at each cut', async () => {
    const texts: string[] = []
    const writer = new DeltaWriter(async (text) => void texts.push(text), 0, ignore)
    const large = 'x' + '😀'.repeat(20_000)
    await writer.push(large)
    await writer.finish()
    expect(texts.join('')).toBe(large)
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(8192)
  })

  it('holds the model back while the log is slow', async () => {
    const log = heldLog()
    const writer = new DeltaWriter(log.append, 0, ignore)
    await writer.push('first')
    const state = { pushed: false }
    const blocked = writer.push('y'.repeat(70_000)).then(() => (state.pushed = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(state.pushed).toBe(false)
    while (!state.pushed) {
      log.release()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await blocked
    expect(log.texts.join('').length).toBe(70_005)
  })

  it('tells a failure once, and every later call', async () => {
    const failures: unknown[] = []
    const writer = new DeltaWriter(
      async () => {
        throw new Error('refused')
      },
      0,
      (error) => failures.push(error),
    )
    await expect(writer.push('a').then(() => writer.finish())).rejects.toThrow('refused')
    await expect(writer.push('b')).rejects.toThrow('refused')
    expect(failures).toHaveLength(1)
  })
})

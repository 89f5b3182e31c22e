/** What users' tests are given. */
import { describe, expect, it } from 'vitest'
import { connectFake, FakeClock, until } from './index.ts'

describe('millrace/testing', () => {
  it('fires timers in their order, and lets what they lead to happen before the next', async () => {
    const clock = new FakeClock({ startMs: 1000 })
    const seen: string[] = []
    clock.setTimer(20, () => seen.push(`b ${clock.nowMs()}`))
    clock.setTimer(10, async () => {
      await Promise.resolve()
      seen.push(`a ${clock.nowMs()}`)
      clock.setTimer(5, () => seen.push(`c ${clock.nowMs()}`))
    })
    const cancel = clock.setTimer(15, () => seen.push('never'))
    cancel()
    await clock.advance(30)
    expect(seen).toEqual(['a 1010', 'c 1015', 'b 1020'])
    expect(clock.monotonicMs()).toBe(30)
  })

  it('has the same chance for the same seed', () => {
    const [one, two] = [new FakeClock({ seed: 7 }), new FakeClock({ seed: 7 })]
    expect(Array.from({ length: 5 }, () => one.random())).toEqual(Array.from({ length: 5 }, () => two.random()))
  })

  it('runs a retry, a delay and a takeover in no time', async () => {
    const { mr, clock } = connectFake()
    const jobs = mr.stream<{ n: number }>('jobs')
    const attempts: [number, number][] = []
    const worker = jobs.group('g').worker(({ value }, { attempt }) => {
      attempts.push([value.n, attempt])
      if (value.n === 1 && attempt < 3) throw new Error('not yet')
    })
    await jobs.add({ n: 1 })
    await jobs.add({ n: 2 }, { delayMs: 3_600_000 })
    await clock.until(() => attempts.length === 3, { what: 'three attempts' })
    expect(clock.monotonicMs()).toBeLessThan(10_000)
    await clock.advance(3_600_000)
    expect(attempts).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
    ])
    await expect(clock.until(() => false, { withinMs: 1000, what: 'nothing' })).rejects.toThrow(
      'nothing did not happen within 1000 ms of the clock',
    )
    const stopping = worker.stop()
    await clock.advance(100)
    await stopping
    await mr.close()
  })

  it('waits for what happens in real time, and says what did not', async () => {
    let isSo = false
    setImmediate(() => (isSo = true))
    await until(() => isSo)
    await expect(until(() => false, { withinMs: 10, what: 'The end' })).rejects.toThrow('The end did not happen')
  })
})

import { expect, it } from 'vitest'
import { nodeEnv } from './env.ts'

it('has a clock of whole milliseconds and randomness below 1', () => {
  expect(Number.isSafeInteger(nodeEnv.nowMs())).toBe(true)
  const random = nodeEnv.random()
  expect(random >= 0 && random < 1).toBe(true)
})

it('fires a timer once, unless it was cancelled', async () => {
  const fired: string[] = []
  const cancel = nodeEnv.setTimer(1, () => fired.push('cancelled'))
  cancel()
  cancel()
  await new Promise<void>((resolve) => {
    nodeEnv.setTimer(2, () => {
      fired.push('kept')
      resolve()
    })
  })
  const background = new Promise<void>((resolve) => void nodeEnv.setBackgroundTimer(0, resolve))
  const keepAlive = nodeEnv.setTimer(10_000, () => undefined)
  await background
  keepAlive()
  expect(fired).toEqual(['kept'])
})

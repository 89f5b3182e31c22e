import { expect, it } from 'vitest'
import { PacketRate } from './packet-rate.ts'

it('admits a number in a second, refuses as many again twice, then disconnects', () => {
  const rate = new PacketRate(2)
  const verdicts = Array.from({ length: 7 }, () => rate.add(5000))
  expect(verdicts).toEqual(['admitted', 'admitted', 'refused', 'refused', 'refused', 'refused', 'disconnect'])
})

it('begins again with the next second', () => {
  const rate = new PacketRate(1)
  expect([rate.add(0), rate.add(999), rate.add(1000), rate.verdict]).toEqual([
    'admitted',
    'refused',
    'admitted',
    'admitted',
  ])
})

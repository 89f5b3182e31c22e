/** CRC-64: the published value, and that it does not matter in which pieces the bytes come. */
import { expect, it } from 'vitest'
import { Seeded } from '../seeded.ts'
import { Crc64 } from './crc64.ts'

/** Bit by bit, by the polynomial alone. */
function slowly(bytes: Uint8Array): bigint {
  let crc = 0n
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n
  }
  return crc
}

it('is what is published for nine digits', () => {
  const crc = new Crc64()
  crc.update(new TextEncoder().encode('123456789'))
  expect(crc.toString()).toBe('e9c6d914c4b8d9ca')
})

it('is that of the bits one by one, in whatever pieces the bytes come', () => {
  const random = new Seeded(1)
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, () => random.below(256))
    const crc = new Crc64()
    for (let at = 0; at < length;) {
      const end = Math.min(at + 1 + random.below(30), length)
      crc.update(bytes, at, end)
      at = end
    }
    expect(crc.toString()).toBe(slowly(bytes).toString(16).padStart(16, '0'))
  }
})

it('is written the lowest byte first, and found again', () => {
  const crc = new Crc64()
  crc.update(new TextEncoder().encode('123456789'))
  const bytes = new Uint8Array(10)
  crc.write(bytes, 1)
  expect(Buffer.from(bytes).toString('hex')).toBe('00cad9b8c414d9c6e900')
  expect(crc.matches(bytes, 1)).toBe(true)
  for (let bit = 8; bit < 72; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(crc.matches(flipped, 1)).toBe(false)
  }
})

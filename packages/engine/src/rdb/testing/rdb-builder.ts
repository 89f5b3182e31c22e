/**
 * RDB files put together by hand, right or wrong, for tests: what no redis-server at hand writes.
 *
 *   new RdbBuilder(11).key(21, 's', stream({ … })).end()      'REDIS0011' … ff CRC-64
 */
import { Crc64 } from '../crc64.ts'

export type Part = readonly number[]

/** An ID as the tests write it. */
export type PlainId = readonly [ms: number, seq: number]

export const byteOf = (value: number): Part => [value]

/** A length, as short as it can be. */
export function length(value: number): Part {
  if (value < 64) return [value]
  if (value < 16_384) return [0x40 | (value >> 8), value & 255]
  if (value < 2 ** 32) return [0x80, ...bigEndian(BigInt(value), 4)]
  return [0x81, ...bigEndian(BigInt(value), 8)]
}

export function u64(value: bigint): Part {
  return [0x81, ...bigEndian(value, 8)]
}

export function text(value: string): Part {
  return [...length(value.length), ...Buffer.from(value, 'latin1')]
}

export function blob(bytes: Part): Part {
  return [...length(bytes.length), ...bytes]
}

export function time(ms: number): Part {
  return bigEndian(BigInt.asUintN(64, BigInt(ms)), 8).toReversed()
}

export function rawId([ms, seq]: PlainId): Part {
  return [...bigEndian(BigInt(ms), 8), ...bigEndian(BigInt(seq), 8)]
}

export function id([ms, seq]: PlainId): Part {
  return [...length(ms), ...length(seq)]
}

/** A listpack of small integers and short texts. */
export function listpack(elements: readonly (number | string)[]): Part {
  const body: number[] = []
  for (const element of elements) {
    const one = elementOf(element)
    body.push(...one, one.length)
  }
  const total = body.length + 7
  const count = elements.length
  return [...bigEndian(BigInt(total), 4).toReversed(), count & 255, count >> 8, ...body, 0xff]
}

/** An entry of a node: with other fields than the master's where `fields` are names as well. */
export function entry(flags: number, [ms, seq]: PlainId, fields: readonly (string | number)[]): (number | string)[] {
  const isSame = (flags & 2) !== 0
  const told = isSame ? fields : [fields.length / 2, ...fields]
  return [flags, ms, seq, ...told, told.length + 3]
}

export interface StreamParts {
  readonly nodes?: readonly { readonly first: PlainId; readonly elements: readonly (number | string)[] }[]
  readonly length?: number
  readonly last?: PlainId
  /** First ID, highest deleted ID, entries added: from type 19 on. */
  readonly counters?: Part
  readonly groups?: readonly Part[]
}

export function stream({
  nodes = [],
  length: entries = 0,
  last = [0, 0],
  counters = [],
  groups = [],
}: StreamParts): Part {
  return [
    ...length(nodes.length),
    ...nodes.flatMap(({ first, elements }) => [...blob(rawId(first)), ...blob(listpack(elements))]),
    ...length(entries),
    ...id(last),
    ...counters,
    ...length(groups.length),
    ...groups.flat(),
  ]
}

export class RdbBuilder {
  readonly #bytes: number[]

  constructor(version = 10) {
    this.#bytes = [...Buffer.from(`REDIS${String(version).padStart(4, '0')}`)]
  }

  add(...parts: readonly Part[]): this {
    for (const part of parts) for (const byte of part) this.#bytes.push(byte)
    return this
  }

  key(type: number, name: string, value: Part): this {
    return this.add([type], text(name), value)
  }

  aux(name: string, value: string): this {
    return this.add([0xfa], text(name), text(value))
  }

  /** The file without its end. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  end(): Uint8Array {
    return withChecksum(Uint8Array.from([...this.#bytes, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]))
  }
}

/** The file with the checksum that its bytes have now. */
export function withChecksum(file: Uint8Array): Uint8Array {
  const made = file.slice()
  const crc = new Crc64()
  crc.update(made, 0, made.length - 8)
  crc.write(made, made.length - 8)
  return made
}

function elementOf(element: number | string): Part {
  if (typeof element === 'string') return [0x80 | element.length, ...Buffer.from(element, 'latin1')]
  if (element >= 0 && element < 128) return [element]
  return [0xf1, element & 255, (element >> 8) & 255]
}

function bigEndian(value: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number((value >> BigInt((count - 1 - i) * 8)) & 255n))
}

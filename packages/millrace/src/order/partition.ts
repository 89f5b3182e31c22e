/**
 * How one stream is spread over several: its partitions, and which of them an ordering key belongs to.
 *
 *   orders, 4 partitions ──► orders:{0}  orders:{1}  orders:{2}  orders:{3}      each in a slot of its own
 *   'ada' ──FNV-1a of its UTF-8, mixed──► 2 ──► orders:{2}                       always, from every process
 *
 * The hash is a promise: with another one the entries of a key would stand in two partitions. Source of the two parts: the
 * FNV-1a specification (32 bits), and the finalizer of MurmurHash3.
 */
import { StreamError } from '../errors.ts'

export const PARTITIONS_MAX = 1024

export function partitionNames(name: string, count: number): string[] {
  if (name.includes('{') || name.includes('}')) {
    const text = `Expected the name of a partitioned stream without braces, got '${name}': its partitions have them`
    throw new StreamError('BAD_ARGUMENT', text)
  }
  return Array.from({ length: count }, (_, i) => `${name}:{${i}}`)
}

/** From 0 to `count` - 1. */
export function partitionOf(orderingKey: string, count: number): number {
  return hash(orderingKey) % count
}

/** 32 bits, evenly spread. */
export function hash(text: string): number {
  let h = 0x811c9dc5
  for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

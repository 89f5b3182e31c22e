/**
 * The keys of one database: found by name, by place, and by when they expire.
 *
 *   slots    'orders' ──► slot 0      'session' ──► slot 1      …      a key's value, its expiry, its place
 *   places   [ slot 0 ][ slot 1 ][ slot 2 ] … [ slot n - 1 ]           dense: the last slot fills a gap
 *   expiry   the keys that expire, the earliest first
 *
 * A walk (SCAN) goes through the places from the last one down; its cursor is the number of places that it has not
 * seen. No slot that it has yet to see can leave that part: a new one goes to the end, and when one is removed only the
 * last slot moves, to a lower place. So a walk meets every key that is there all the time, some perhaps twice, it ends
 * however many keys are added meanwhile, and nothing remembers it.
 */
import assert from 'node:assert'
import { Deadlines } from './deadlines.ts'
import type { ColdSegments } from './disk/cold-segments.ts'
import type { Freezer } from './freezer.ts'
import { Meter } from './meter.ts'
import type { IdempotencySettings } from './producers.ts'
import { readDump } from './rdb/dump-reader.ts'
import { Stream } from './stream.ts'
import type { StringValue } from './string-value.ts'

/** What a key can hold; told apart by `type`. */
export type Value = Stream | StringValue

export interface Slot {
  readonly key: string
  readonly value: Value
  readonly expiresAtMs: number | undefined
}

interface Placed extends Slot {
  value: Value
  expiresAtMs: number | undefined
  place: number
}

// A slot, its places in the map and the list, its name's object; measured with a million strings.
const KEY_BYTES = 135

/** What a key takes besides its value. */
export function keyBytes(key: string): number {
  return KEY_BYTES + key.length
}

export class Keyspace {
  readonly #freezer: Freezer
  /** Keys under which IDs of producers may be remembered. */
  readonly idempotentKeys = new Set<string>()
  readonly #slots = new Map<string, Placed>()
  /** The slot that was found last: each append looks twice for the same. Saves 15 ns. */
  #found: Placed | undefined = undefined
  readonly #places: Placed[] = []
  readonly #expiry = new Deadlines<string>()
  readonly #meter: Meter
  readonly #cold: ColdSegments | undefined

  constructor(freezer: Freezer, cold: ColdSegments | undefined) {
    this.#freezer = freezer
    this.#cold = cold
    this.#meter = new Meter(cold?.meter)
  }

  /** Bytes of all keys and values. */
  get memoryBytes(): number {
    return this.#meter.bytes
  }

  get size(): number {
    return this.#places.length
  }

  /** How many keys expire. */
  get expiringCount(): number {
    return this.#expiry.size
  }

  /** The earliest time at which a key expires. */
  get nextExpiryMs(): number | undefined {
    return this.#expiry.next()
  }

  /** The key that expires next, when that is not after `nowMs`. */
  dueKey(nowMs: number): string | undefined {
    return this.#expiry.due(nowMs)
  }

  get(key: string): Slot | undefined {
    const found = this.#found
    if (found !== undefined && found.key === key) return found
    const slot = this.#slots.get(key)
    if (slot !== undefined) this.#found = slot
    return slot
  }

  /** The slot at a place, from 0 up to `size`. */
  at(place: number): Slot {
    const slot = this.#places[place]
    assert(slot !== undefined, 'places are dense')
    return slot
  }

  /** All slots by their places. While a freeze is on nothing of them is changed but their places. */
  slots(): Slot[] {
    return this.#places.slice()
  }

  keys(): IterableIterator<string> {
    return this.#slots.keys()
  }

  createStream(key: string, idempotency: IdempotencySettings | undefined): void {
    assert(!this.#slots.has(key), 'a stream is created under a free key')
    const stream = new Stream(undefined, this.#cold)
    this.#freezer.leaveOut(stream)
    if (idempotency !== undefined) stream.ensureProducers().settings = idempotency
    this.put(key, stream, undefined)
  }

  /** Puts the value of a dumped payload under a key, in place of whatever is there; nothing when it is refused. */
  restore(key: string, payload: Uint8Array, expiresAtMs: number | undefined): void {
    const value = this.#readDump(payload)
    this.#freezer.leaveOut(value)
    this.put(key, value, expiresAtMs)
  }

  /** Puts a value under a key, in place of whatever is there. */
  put(key: string, value: Value, expiresAtMs: number | undefined): void {
    this.#charge(value)
    if (value.type === 'stream' && value.producers !== undefined) this.idempotentKeys.add(key)
    const slot = this.#slots.get(key)
    if (slot === undefined) {
      const placed = { key, value, expiresAtMs: undefined, place: this.#places.length }
      this.#slots.set(key, placed)
      this.#places.push(placed)
      this.#meter.add(keyBytes(key))
    } else {
      // The key keeps its place: it has been there all the time for whoever walks.
      this.#discharge(slot.value)
      drop(slot.value)
      this.#writable(slot).value = value
    }
    this.expire(key, expiresAtMs)
  }

  /** Sets when a key, which is there, expires; undefined: not. */
  expire(key: string, atMs: number | undefined): void {
    const slot = this.#slots.get(key)
    assert(slot !== undefined, 'an expiry is about a key that is there')
    if (slot.expiresAtMs === atMs) return
    this.#writable(slot).expiresAtMs = atMs
    if (atMs === undefined) this.#expiry.delete(key)
    else this.#expiry.set(key, atMs)
  }

  /** Takes a key out, which is there; its value is nobody's now. A big one costs no more than a small one. */
  take(key: string): Slot {
    const slot = this.#slots.get(key)
    assert(slot !== undefined, 'a key to take is there')
    this.#slots.delete(key)
    if (this.#found === slot) this.#found = undefined
    const last = this.#places.pop()!
    if (last !== slot) {
      this.#places[slot.place] = last
      last.place = slot.place
    }
    if (slot.expiresAtMs !== undefined) this.#expiry.delete(key)
    this.#meter.add(-keyBytes(key))
    this.#discharge(slot.value)
    return slot
  }

  /** Takes a key out, and gives back what its value has on disk. */
  remove(key: string): void {
    drop(this.take(key).value)
  }

  /** Nobody has the keys any more. Nothing is walked where all is in memory: it goes with the last reference. */
  release(): void {
    if (this.#cold === undefined) return
    for (const { value } of this.#places) drop(value)
    this.#meter.chargeTo(undefined)
  }

  /** A copy of what a key of this or another keyspace holds, in the account of this one. */
  copyOf(value: Value): Value {
    return value.type === 'stream' ? value.copy(this.#meter) : value.copy()
  }

  /** The slot, to be changed: another one while a freeze is on, since its picture has this one. */
  #writable(slot: Placed): Placed {
    if (this.#freezer.active === 0) return slot
    const copy = { ...slot }
    this.#slots.set(slot.key, copy)
    this.#places[slot.place] = copy
    if (this.#found === slot) this.#found = copy
    return copy
  }

  #readDump(payload: Uint8Array): Value {
    let made: Stream | undefined
    try {
      return readDump(payload, () => (made = new Stream(undefined, this.#cold)))
    } catch (error) {
      // Of what was read before it was refused, some may be on disk already.
      made?.drop()
      throw error
    }
  }

  #charge(value: Value): void {
    if (value.type === 'stream') value.chargeTo(this.#meter)
    else this.#meter.add(value.memoryBytes)
  }

  #discharge(value: Value): void {
    if (value.type === 'stream') value.chargeTo(undefined)
    else this.#meter.add(-value.memoryBytes)
  }
}

function drop(value: Value): void {
  if (value.type === 'stream') value.drop()
}

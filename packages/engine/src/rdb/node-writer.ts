/**
 * Writes a node of a stream as a listpack (node-reader.ts has the layout).
 *
 * Of a deleted entry nothing is kept but that it was there: by how many entries a node has had, and by its bytes, Redis
 * ends it. So stand-ins are written, as many and as large as what was deleted:
 *
 *   │ master │ stand-ins with the node's first ID … │ entries that are there │ one with the node's last ID │
 *                  ▲                                                           where that is above theirs
 *             the first one's text fills up what is missing of the node's body
 */
import assert from 'node:assert'
import type { EntryCursor } from '../entry-cursor.ts'
import type { EntryView } from '../entry-view.ts'
import type { StreamId } from '../id.ts'
import { listpackIntegerSize } from '../listpack-size.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from '../number-id.ts'
import type { NodePicture } from '../nodes.ts'
import { ListpackWriter } from './listpack-writer.ts'

const NO_FLAGS = 0
const DELETED = 1
const SAME_NAMES = 2
/** With more names than this a name of its own is shorter. */
const SHORT_NAMES_MAX = 2
/** An empty text. */
const ELEMENT_BYTES_MIN = 2
/** Flags, how many elements there are; with a name of its own, how many. */
const FIXED_BYTES = 4
const OWN_FIXED_BYTES = 6

export class NodeWriter {
  readonly #pack = new ListpackWriter()
  readonly #first = new IdCell()
  readonly #last = new IdCell()
  /** Of the entries that are there. */
  readonly #firstWritten = new IdCell()
  readonly #lastWritten = new IdCell()
  /** Whether who reads the listpack that was written last finds all that is known of the node. */
  isExact = true

  /** The listpack of a node, whose entries come next in the cursor. The view holds until the next one. */
  write(node: NodePicture, cursor: EntryCursor): Uint8Array {
    const pack = this.#pack
    this.#first.setId(node.firstId)
    this.#last.setId(node.lastId)
    this.#begin(node)
    const from = pack.used
    for (let i = 0; i < node.live; i++) {
      if (!cursor.next()) assert.fail('a node has the entries that it tells of')
      const { entry } = cursor
      if (i === 0) this.#firstWritten.copy(entry.id)
      this.#entry(entry, entry.names === node.names || entry.names.equals(node.names))
    }
    if (node.live > 0) this.#lastWritten.copy(cursor.entry.id)
    else {
      this.#firstWritten.copy(this.#first)
      this.#lastWritten.copy(this.#first)
    }
    const deleted = node.total - node.live
    if (deleted > 0) this.#standIns(node, from, deleted)
    const listpack = pack.finish()
    this.isExact =
      bodyOf(node, listpack.length) === node.body &&
      compareNumberIds(this.#lastWritten, this.#last) === 0 &&
      compareNumberIds(this.#firstWritten, this.#first) >= 0
    return listpack
  }

  #begin({ live, total, names }: NodePicture): void {
    const pack = this.#pack
    pack.begin()
    pack.integer(live)
    pack.integer(total - live)
    pack.integer(names.count)
    for (const name of names.names) pack.text(name, 0, name.length)
    pack.integer(0)
  }

  /** Hot. */
  #entry(entry: EntryView, isSameNames: boolean): void {
    const pack = this.#pack
    const { names, arena, valueStarts, valueEnds } = entry
    const { count } = names
    pack.integer(isSameNames ? SAME_NAMES : NO_FLAGS)
    this.#distance(entry.id)
    if (isSameNames) {
      for (let i = 0; i < count; i++) pack.text(arena, valueStarts[i]!, valueEnds[i]!)
      pack.integer(count + 3)
      return
    }
    pack.integer(count)
    for (let i = 0; i < count; i++) {
      const name = names.names[i]!
      pack.text(name, 0, name.length)
      pack.text(arena, valueStarts[i]!, valueEnds[i]!)
    }
    pack.integer(count * 2 + 4)
  }

  #distance(id: NumberId): void {
    const first = this.#first
    const pack = this.#pack
    if (id.wide === undefined && first.wide === undefined) {
      pack.integer(id.ms - first.ms)
      pack.integer(id.seq - first.seq)
      return
    }
    const { ms, seq } = this.#distanceOf(id)
    pack.wideInteger(ms)
    pack.wideInteger(seq)
  }

  /** As Redis: signed numbers of 64 bits, that wrap around. */
  #distanceOf(id: NumberId): StreamId {
    const [exact, first] = [toStreamId(id), toStreamId(this.#first)]
    return { ms: BigInt.asIntN(64, exact.ms - first.ms), seq: BigInt.asIntN(64, exact.seq - first.seq) }
  }

  /** Writes so many stand-ins around the entries, which are written from a place on. */
  #standIns(node: NodePicture, from: number, deleted: number): void {
    const pack = this.#pack
    const names = node.names.count
    const hasLast = compareNumberIds(this.#last, this.#lastWritten) > 0
    const before = hasLast ? deleted - 1 : deleted
    const least = this.#standInBytes(this.#first, names)
    let missing = node.body - bodyOf(node, pack.used + 1) - least * before
    if (hasLast) {
      missing -= this.#standInBytes(this.#last, names)
      this.#standIn(this.#last, names, before === 0 ? Math.max(missing, 0) : 0)
      this.#lastWritten.copy(this.#last)
    }
    if (before === 0) return
    const end = pack.used
    const filled = Math.max(missing, 0)
    pack.openGap(from, least * before + filled)
    for (let i = 0; i < before; i++) this.#standIn(this.#first, names, i === 0 ? filled : 0)
    assert(pack.used === from + least * before + filled, 'stand-ins are as large as was reckoned')
    pack.used = end + least * before + filled
  }

  /** What the smallest stand-in with an ID takes. */
  #standInBytes(id: NumberId, names: number): number {
    const { ms, seq } = this.#distanceOf(id)
    const distanceBytes = listpackIntegerSize(Number(ms)) + listpackIntegerSize(Number(seq))
    if (names <= SHORT_NAMES_MAX) return FIXED_BYTES + distanceBytes + ELEMENT_BYTES_MIN * names
    return OWN_FIXED_BYTES + distanceBytes + ELEMENT_BYTES_MIN * 2
  }

  /** A deleted entry, by so many bytes larger than the smallest one. */
  #standIn(id: NumberId, names: number, more: number): void {
    const pack = this.#pack
    // A larger one has a name of its own: two texts can have any size together, one cannot.
    const isShort = names <= SHORT_NAMES_MAX
    const elements = isShort ? ELEMENT_BYTES_MIN * names + more : ELEMENT_BYTES_MIN * 2 + more
    const ownElements = isShort ? elements + FIXED_BYTES - OWN_FIXED_BYTES : elements
    if (ownElements >= ELEMENT_BYTES_MIN * 2) {
      pack.integer(DELETED)
      this.#distance(id)
      pack.integer(1)
      pack.fillers(ownElements)
      pack.integer(6)
      return
    }
    pack.integer(DELETED | SAME_NAMES)
    this.#distance(id)
    for (let i = 1; i < names; i++) pack.filler(0)
    pack.filler(elements - ELEMENT_BYTES_MIN * names)
    pack.integer(names + 3)
  }
}

/** What a node's listpack has besides the two counters. */
function bodyOf({ live, total }: NodePicture, length: number): number {
  return length - listpackIntegerSize(live) - listpackIntegerSize(total - live)
}

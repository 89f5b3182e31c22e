/**
 * Changes as bytes: each is appended to a payload (payload.ts), which the journal writes as it is.
 *
 *   write(0, change) ──► │ version │ op parts… │ op parts… │ ◄── bytes, up to `used`            change-reader.ts reads it
 *
 * The parts behind each op stand in the order in which they are put here. Nothing of a change is kept but its bytes.
 */
import { unreachable, type Change, type CrossChange, type EntryAdded, type KeyChange } from '../change.ts'
import type { PackedFields } from '../packed-fields.ts'
import { NAME_SLOTS, OP } from './payload.ts'
import { FIXED_BYTES, PayloadWriter } from './payload-writer.ts'

type StreamChange = Exclude<Change, KeyChange | EntryAdded>
type GroupChange = Extract<StreamChange, { readonly group: string }>

// Each length, and each part of an ID or a number, in the longest form.
const LENGTH_BYTES_MAX = 5

export class ChangeWriter {
  readonly #out = new PayloadWriter()
  #database = 0
  /** Where in the payload each set of names stands, behind how many there are; and how many. */
  readonly #namesAt = new Int32Array(NAME_SLOTS)
  readonly #namesCount = new Int32Array(NAME_SLOTS)
  #slots = 0
  #slot = 0
  #nextSlot = 0

  /** The payload so far, up to `used`. Another array after a change that needed more room, or `clear`. */
  get bytes(): Uint8Array {
    return this.#out.bytes
  }

  /** How many bytes the payload has. */
  get used(): number {
    return this.#out.used
  }

  /** Nothing has been written since `clear`. */
  get isEmpty(): boolean {
    return this.#out.used === 1
  }

  /** Begins a new payload; the bytes of the one before are written over. */
  clear(): void {
    this.#out.clear()
    this.#database = 0
    this.#slots = 0
    this.#slot = 0
    this.#nextSlot = 0
  }

  /** Appends a change of a database; `databaseIndex` of one that concerns two is the first that it names. */
  write(databaseIndex: number, change: Change | CrossChange): void {
    const out = this.#out
    out.reserve(FIXED_BYTES)
    if (databaseIndex !== this.#database) {
      out.putByte(OP.database)
      out.putInteger(databaseIndex)
      this.#database = databaseIndex
    }
    if (change.kind === 'entry-added') this.#writeEntry(change)
    else if ('group' in change) this.#writeOfGroup(change)
    else this.#writeOther(change)
  }

  /** Hot. */
  #writeEntry(change: EntryAdded): void {
    const out = this.#out
    const { fields } = change
    out.putByte(change.startsNode ? OP.entryAddedInNewNode : OP.entryAdded)
    out.putText(change.key)
    out.reserve(FIXED_BYTES + roomFor(fields))
    out.putId(change.id)
    this.#putNames(fields)
    const end = fields.first + fields.count
    for (let i = fields.first + 1; i < end; i += 2) out.putField(fields, i)
  }

  /** Hot: names are mostly those of the entry before. */
  #putNames(fields: PackedFields): void {
    const out = this.#out
    let slot = this.#slot
    if (this.#slots === 0 || !this.#hasNames(slot, fields)) {
      for (slot = 0; slot < this.#slots; slot++) if (this.#hasNames(slot, fields)) break
    }
    if (slot < this.#slots) {
      this.#slot = slot
      out.putByte(slot)
      return
    }
    slot = this.#nextSlot
    this.#nextSlot = (slot + 1) % NAME_SLOTS
    this.#slots = Math.max(this.#slots, slot + 1)
    this.#slot = slot
    out.putByte(slot + NAME_SLOTS)
    out.putInteger(fields.count / 2)
    this.#namesAt[slot] = out.used
    this.#namesCount[slot] = fields.count
    for (let i = 0; i < fields.count; i += 2) out.putField(fields, fields.first + i)
  }

  #hasNames(slot: number, fields: PackedFields): boolean {
    if (this.#namesCount[slot] !== fields.count) return false
    const ours = this.#out.bytes
    const { bytes, starts, ends, first, count } = fields
    let at = this.#namesAt[slot]!
    for (let i = first; i < first + count; i += 2) {
      const start = starts[i]!
      const end = ends[i]!
      let length = ours[at++]!
      if (length > 127) {
        length &= 127
        for (let byte = 128, factor = 128; byte > 127; factor *= 128) {
          byte = ours[at++]!
          length += (byte & 127) * factor
        }
      }
      if (length !== end - start) return false
      for (let from = start; from < end; from++) if (bytes[from] !== ours[at++]) return false
    }
    return true
  }

  #writeOfGroup(change: GroupChange): void {
    const out = this.#out
    switch (change.kind) {
      case 'delivered':
        this.#begin(change.pending ? OP.delivered : OP.deliveredDone, change)
        out.putText(change.consumer)
        out.putInteger(change.count)
        out.putTime(change.atMs)
        out.putId(change.lastId)
        out.putNumber(change.entriesRead)
        return
      case 'acknowledged':
        this.#begin(OP.acknowledged, change)
        out.putIds(change.ids)
        return
      case 'claimed':
        this.#begin(OP.claimed, change)
        out.putText(change.consumer)
        out.putTime(change.atMs)
        out.putIds(change.ids)
        out.putNumbers(change.counts, change.ids.count)
        return
      case 'pending-dropped':
        this.#begin(OP.pendingDropped, change)
        out.putIds(change.ids)
        return
      case 'nacked':
        this.#begin(OP.nacked, change)
        out.putStreamIds(change.ids)
        out.putNumbers(change.counts, change.ids.length)
        return
      default:
        this.#writeOfPosition(change)
    }
  }

  #writeOfPosition(
    change: Exclude<GroupChange, { kind: 'delivered' | 'acknowledged' | 'claimed' | 'pending-dropped' | 'nacked' }>,
  ): void {
    const out = this.#out
    switch (change.kind) {
      case 'consumer-seen':
        this.#begin(OP.consumerSeen, change)
        out.putText(change.consumer)
        out.putTime(change.seenMs)
        out.putTime(change.activeMs)
        return
      case 'consumer-created':
        this.#begin(OP.consumerCreated, change)
        out.putText(change.consumer)
        out.putTime(change.atMs)
        return
      case 'consumer-deleted':
        this.#begin(OP.consumerDeleted, change)
        out.putText(change.consumer)
        return
      case 'group-created':
      case 'group-set':
        this.#begin(change.kind === 'group-set' ? OP.groupSet : OP.groupCreated, change)
        out.putStreamId(change.lastId)
        out.putNumber(change.entriesRead)
        return
      case 'group-advanced':
        this.#begin(OP.groupAdvanced, change)
        out.putStreamId(change.lastId)
        return
      case 'group-destroyed':
        this.#begin(OP.groupDestroyed, change)
        return
      default:
        unreachable(change)
    }
  }

  /** The op, the key and the group. */
  #begin(op: number, { key, group }: { readonly key: string; readonly group: string }): void {
    const out = this.#out
    out.putByte(op)
    out.putText(key)
    out.putText(group)
  }

  /** The op and the key. */
  #beginKey(op: number, key: string): void {
    const out = this.#out
    out.putByte(op)
    out.putText(key)
  }

  #writeOther(change: Exclude<Change | CrossChange, EntryAdded | GroupChange>): void {
    const out = this.#out
    switch (change.kind) {
      case 'trimmed':
        this.#beginKey(OP.trimmed, change.key)
        out.putStreamId(change.through)
        out.putInteger(change.removed)
        return
      case 'entries-trimmed':
      case 'entries-deleted':
        this.#beginKey(change.kind === 'entries-trimmed' ? OP.entriesTrimmed : OP.entriesDeleted, change.key)
        out.putStreamIds(change.ids)
        return
      case 'id-set':
        this.#beginKey(OP.idSet, change.key)
        out.putStreamId(change.lastId)
        out.putNumber(change.entriesAdded)
        out.putStreamId(change.maxDeletedId)
        return
      case 'idempotency-set':
        this.#beginKey(OP.idempotencySet, change.key)
        out.putNumber(change.settings.durationS)
        out.putNumber(change.settings.sizeMax)
        return
      case 'iid-recorded':
        this.#beginKey(OP.iidRecorded, change.key)
        out.putText(change.producer)
        out.putOnce(change.iid)
        out.putStreamId(change.id)
        return
      case 'iid-repeated':
        this.#beginKey(OP.iidRepeated, change.key)
        return
      case 'iids-expired':
        this.#beginKey(OP.iidsExpired, change.key)
        // In digits: it can be any whole number, and comes once in a while.
        out.putOnce(`${change.throughMs}`)
        return
      default:
        this.#writeOfKeys(change)
    }
  }

  #writeOfKeys(change: KeyChange | CrossChange): void {
    const out = this.#out
    switch (change.kind) {
      case 'stream-created':
        this.#beginKey(OP.streamCreated, change.key)
        out.putNumber(change.idempotency?.durationS)
        if (change.idempotency !== undefined) out.putNumber(change.idempotency.sizeMax)
        return
      case 'string-set':
        this.#beginKey(OP.stringSet, change.key)
        out.putTime(change.expiresAtMs)
        out.putBytes(change.value)
        return
      case 'key-restored':
        this.#beginKey(OP.keyRestored, change.key)
        out.putTime(change.expiresAtMs)
        out.putBytes(change.payload)
        return
      case 'key-renamed':
        this.#beginKey(OP.keyRenamed, change.key)
        out.putText(change.to)
        return
      case 'expiry-set':
        this.#beginKey(OP.expirySet, change.key)
        out.putTime(change.atMs)
        return
      case 'key-removed':
        this.#beginKey(change.reason === 'deleted' ? OP.keyDeleted : OP.keyExpired, change.key)
        return
      case 'flushed':
        out.putByte(OP.flushed)
        return
      case 'databases-swapped':
        out.putByte(OP.databasesSwapped)
        out.putInteger(change.a)
        out.putInteger(change.b)
        return
      case 'key-moved':
        this.#beginKey(OP.keyMoved, change.key)
        out.putInteger(change.from)
        out.putInteger(change.to)
        return
      case 'key-copied':
        this.#beginKey(OP.keyCopied, change.key)
        out.putInteger(change.from)
        out.putText(change.toKey)
        out.putInteger(change.to)
        return
      default:
        unreachable(change)
    }
  }
}

/** Room for all names and values with their lengths. Hot. */
function roomFor(fields: PackedFields): number {
  const { starts, ends, first, count } = fields
  let bytes = count * LENGTH_BYTES_MAX
  for (let i = first; i < first + count; i++) bytes += ends[i]! - starts[i]!
  return bytes
}

/**
 * What is to go wrong on a simulated disk, and when.
 *
 *   which operations   kind, path, matches: all that are given must fit; none given: every operation
 *   from which on      operation: its number over all operations      after: so many that fit pass first
 *   how often          times: 1 by default, Infinity for ever
 *   what happens       error (a write leaves `bytes` bytes before it fails), or a short write of `bytes`, or a flipped bit
 *
 * A `sync` or `syncDirectory` that fails loses what it covered: the system takes those pages for clean from then on, shows
 * them until a crash, and has written any part of them (SimDisk). A later one that covers nothing new says that all is well.
 */
import { Seeded } from '../../seeded.ts'
import type { FsErrorCode } from './fs-error.ts'

export type OperationKind =
  | 'open'
  | 'close'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'makeDirectory'
  | 'list'
  | 'rename'
  | 'remove'
  | 'syncDirectory'

export interface Operation {
  readonly kind: OperationKind
  /** Of what is operated on; for a rename the old name. */
  readonly path: string
  readonly position?: number
  readonly bytes?: number
  /** Counted from 0 over all operations. */
  readonly number: number
}

export interface Fault {
  readonly kind?: OperationKind | readonly OperationKind[]
  /** The end of the path, or what it must match. */
  readonly path?: string | RegExp
  readonly matches?: (operation: Operation) => boolean
  readonly operation?: number
  readonly after?: number
  readonly times?: number
  readonly error?: FsErrorCode
  /** Of a write: how many bytes are written, at least one less than given; `{ seed }` draws 1 to length - 1. */
  readonly bytes?: number | { readonly seed: number }
  /** Of a read: which bit of what was read is the wrong way, counted from its first byte, modulo its length. */
  readonly flipBit?: number
}

/** What goes wrong with one operation. */
export interface Trouble {
  readonly error: FsErrorCode | undefined
  readonly bytes: number | undefined
  readonly flipBit: number | undefined
}

export class ArmedFault {
  readonly #fault: Fault
  readonly #random: Seeded
  #passesLeft: number
  #timesLeft: number

  constructor(fault: Fault) {
    this.#fault = fault
    this.#random = new Seeded(typeof fault.bytes === 'object' ? fault.bytes.seed : 0)
    this.#passesLeft = fault.after ?? 0
    this.#timesLeft = fault.times ?? 1
  }

  /** Counts an operation that fits; undefined when nothing goes wrong with it. */
  meet(operation: Operation): Trouble | undefined {
    if (this.#timesLeft === 0 || !fits(this.#fault, operation)) return undefined
    if (this.#passesLeft > 0) {
      this.#passesLeft--
      return undefined
    }
    this.#timesLeft--
    return { error: this.#fault.error, bytes: this.#bytes(operation.bytes ?? 0), flipBit: this.#fault.flipBit }
  }

  #bytes(length: number): number | undefined {
    const { bytes, error } = this.#fault
    if (bytes === undefined) return undefined
    const wanted = typeof bytes === 'number' ? bytes : 1 + this.#random.below(Math.max(1, length - 1))
    // A write that tells of no error has written something, or its caller would be right to give up.
    return Math.max(error === undefined ? Math.min(1, length) : 0, Math.min(wanted, length - 1))
  }
}

function fits({ kind, path, matches, operation: from }: Fault, operation: Operation): boolean {
  if (from !== undefined && operation.number < from) return false
  if (kind !== undefined && kind !== operation.kind && !kind.includes(operation.kind)) return false
  if (typeof path === 'string' && !operation.path.endsWith(path)) return false
  if (path instanceof RegExp && !path.test(operation.path)) return false
  return matches === undefined || matches(operation)
}

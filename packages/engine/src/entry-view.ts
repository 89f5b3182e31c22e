/**
 * One entry as a segment holds it, without a copy and without an object for each field: whoever encodes replies reads
 * the values straight from the arena.
 *
 *   names         NameSet [type, text]
 *   arena         │ … 5 d e l t a 2 h i … │
 *                       ▲         ▲ ▲   ▲
 *   valueStarts   [ ────┘       , ──┘    ]
 *   valueEnds     [ ────────────┘     , ─┘ ]
 *
 * A view is moved from entry to entry. What it shows holds until the stream changes; the arena's bytes hold as long as
 * somebody holds the arena.
 */
import { NameSet } from './name-set.ts'
import { IdCell } from './number-id.ts'

const PLACES_MIN = 8
const NO_BYTES = new Uint8Array(0)
const NO_NAMES = NameSet.of({ bytes: NO_BYTES, view: undefined, starts: [], ends: [], first: 0, count: 0 })

export class EntryView {
  readonly id = new IdCell()
  /** The same object for entries with the same names, mostly: what is made of it can be kept for the next. */
  names: NameSet = NO_NAMES
  arena: Uint8Array = NO_BYTES
  /** Of as many values as there are names; places beyond mean nothing. */
  valueStarts = new Int32Array(PLACES_MIN)
  valueEnds = new Int32Array(PLACES_MIN)

  /** Makes room for so many values. */
  reserve(values: number): void {
    if (values <= this.valueStarts.length) return
    this.valueStarts = new Int32Array(values)
    this.valueEnds = new Int32Array(values)
  }

  /** Name, value, name, value, … as arrays. */
  fields(): Uint8Array[] {
    const { names } = this.names
    const fields: Uint8Array[] = []
    for (let i = 0; i < names.length; i++) {
      fields.push(names[i]!, this.arena.subarray(this.valueStarts[i]!, this.valueEnds[i]!))
    }
    return fields
  }
}

/**
 * Copies a few bytes faster than `set`, which wants views of its source and takes 50 to 65 ns before it begins.
 *
 *   │ 8 bytes │ 8 bytes │ 4 │1│1│
 *
 * Eight bytes travel as a double, and only where they cannot be NaN or infinite: an engine may replace the bits of a NaN by
 * those of another. These have an exponent of ones, so that the last byte is 7f or ff, which it is not in any text.
 */

/** Up to so many bytes this is the faster way: `set` takes little more for a kilobyte. */
export const WORDS_BYTES_MAX = 320

export interface CopyViews {
  readonly from: DataView
  readonly to: DataView
}

/** Hot: copies the bytes from `start` up to `end` of one view into the other; returns where the copy ends. */
export function copyWords(views: CopyViews, start: number, end: number, into: number): number {
  const { from, to } = views
  let at = into
  let i = start
  for (; i + 8 <= end; i += 8, at += 8) {
    if ((from.getUint8(i + 7) & 0x7f) < 0x7f) to.setFloat64(at, from.getFloat64(i, true), true)
    else {
      to.setUint32(at, from.getUint32(i))
      to.setUint32(at + 4, from.getUint32(i + 4))
    }
  }
  if (i + 4 <= end) {
    to.setUint32(at, from.getUint32(i))
    i += 4
    at += 4
  }
  for (; i < end; i++) to.setUint8(at++, from.getUint8(i))
  return at
}

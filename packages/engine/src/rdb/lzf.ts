/**
 * LZF, as strings of RDB files are compressed with it: reading only.
 *
 *   000LLLLL   L + 1 bytes follow as they are
 *   LLLOOOOO oooooooo              L + 2 bytes (L 1 to 6) again, from O·256 + o + 1 bytes back
 *   111OOOOO llllllll oooooooo     l + 9 bytes again
 *
 * What comes again may reach into what it writes: 'a' and 'three bytes from one back' are 'aaaa'.
 */

/** How many bytes three compressed ones can become, at most: whoever claims more is not believed. */
const GROWTH_MAX = 264 / 3

/** Whether so many bytes can become so many. */
export function canGrow(compressed: number, bytes: number): boolean {
  return bytes <= compressed * GROWTH_MAX
}

/**
 * Decompresses the bytes from `from` to `end - 1` into `into`, from its begin; false when they do not make exactly `length`
 * bytes, for which there is room. Hot.
 */
export function lzfDecompress(
  bytes: Uint8Array,
  { from, end }: { readonly from: number; readonly end: number },
  into: Uint8Array,
  length: number,
): boolean {
  let at = from
  let to = 0
  while (at < end) {
    const control = bytes[at++]!
    if (control < 32) {
      const count = control + 1
      if (at + count > end || to + count > length) return false
      for (const stop = at + count; at < stop;) into[to++] = bytes[at++]!
      continue
    }
    let count = control >>> 5
    if (count === 7) {
      if (at === end) return false
      count += bytes[at++]!
    }
    if (at === end) return false
    const back = to - ((control & 31) << 8) - bytes[at++]! - 1
    count += 2
    if (back < 0 || to + count > length) return false
    // One after the other: the bytes to copy may be those that are being written.
    for (let source = back, stop = to + count; to < stop;) into[to++] = into[source++]!
  }
  return to === length
}

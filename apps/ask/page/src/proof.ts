/** Is the text on the page the text that the stream's `end` vouches for? */
import type { Proof } from './answer-log.ts'

export async function prove(text: string, expected: { chars: number; sha256: string }): Promise<Proof> {
  if (text.length !== expected.chars) return 'differs'
  // Only in a secure context; 127.0.0.1 and localhost are.
  const subtle = globalThis.crypto?.subtle
  if (subtle === undefined || expected.sha256 === '') return 'none'
  const digest = await subtle.digest('SHA-256', new TextEncoder().encode(text))
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex === expected.sha256.toLowerCase() ? 'verified' : 'differs'
}

/** For a request: unguessable is not needed, unique is. Works outside of a secure context too. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

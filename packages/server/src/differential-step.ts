/** What a schedule of the differential suite is made of: a command of one of several connections, or the end of one. */
import type { Args } from './differential-grammar.ts'

export type Step =
  /** `{client:N}` in an argument stands for the ID that a server gave connection N. */
  | { readonly kind: 'command'; readonly connection: number; readonly args: Args }
  /** A command that wakes nobody, and that is not waited for: its reply is compared after the next step. */
  | { readonly kind: 'quiet command'; readonly connection: number; readonly args: Args }
  /** A command whose reply comes with its timeout, and is waited for. */
  | { readonly kind: 'timeout'; readonly connection: number; readonly args: Args }
  /** The connection ends, blocked or not, and another takes its place. */
  | { readonly kind: 'close'; readonly connection: number }

/**
 * A worker's transition as one step, sent again until it is known to have been taken or refused.
 *
 *   send ──taken──► taken        ──refused──► refused, but after a lost reply: taken, since what `owns` found the first time
 *    ▲ │                                      it does not find again
 *    └─┴ OUTCOME_UNKNOWN, UNAVAILABLE, OUT_OF_MEMORY: wait, growing up to 2 s        ──given up──► undecided
 */
import type { Backend, Step } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { backoffMs, pause } from '../pause.ts'

export interface StepSite {
  readonly backend: Backend
  readonly clock: Clock
  /** Told of each failure that is waited out. */
  readonly onError: (error: unknown) => void
  /** Ends the repetitions. */
  readonly giveUp: AbortSignal
}

/** Rejects with what no repetition can mend. */
export async function takeStep(
  { backend, clock, onError, giveUp }: StepSite,
  makeStep: () => Step,
  isStillWanted: () => boolean = () => true,
): Promise<'taken' | 'refused' | 'undecided'> {
  let isRepeated = false
  for (let failures = 0; ; failures++) {
    try {
      const { isTaken } = await backend.step(makeStep())
      return isTaken || isRepeated ? 'taken' : 'refused'
    } catch (error) {
      const code = error instanceof StreamError ? error.code : undefined
      // A missing group is made again by the reader, which marks what it held as gone: the next step is another one.
      if (!isPassing(error) && code !== 'GROUP_NOT_FOUND') throw error
      if (code === 'OUTCOME_UNKNOWN') isRepeated = true
      if (code !== 'GROUP_NOT_FOUND') onError(error)
      await pause(backoffMs(failures, clock), giveUp, clock)
      if (giveUp.aborted || !isStillWanted()) return 'undecided'
    }
  }
}

/** May the same request succeed a little later? */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof StreamError)) return false
  return error.code === 'UNAVAILABLE' || error.code === 'OUTCOME_UNKNOWN' || error.code === 'OUT_OF_MEMORY'
}

/**
 * For tests of programs on Millrace: `millrace/testing`.
 *
 *   const { mr, clock } = connectFake()          the embedded engine, in memory, on a clock that the test moves
 *   await clock.advance(30_000)                  a lease, a retry, a delay later: at once
 *   await clock.until(() => handled === 3)       as far as it takes
 */
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { Millrace, type MillraceOptions } from '../millrace.ts'
import { FakeClock, type FakeClockOptions } from './fake-clock.ts'

export { FakeClock, type FakeClockOptions }

export interface Fake {
  readonly mr: Millrace
  readonly clock: FakeClock
}

/** A `Millrace` in memory whose time stands until the test moves it. Close it as any other. */
export function connectFake(options: FakeClockOptions & Omit<MillraceOptions, 'clock'> = {}): Fake {
  const clock = new FakeClock(options)
  return { clock, mr: new Millrace(new EmbeddedBackend({ env: clock }), { ...options, clock }) }
}

/**
 * Resolves when `isSo` does, in real time: it is looked at after each turn of the event loop, then every 5 ms. Rejects with `what`
 * after `withinMs` (default 5,000).
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  options: { readonly withinMs?: number; readonly what?: string } = {},
): Promise<void> {
  const { withinMs = 5000, what = 'What was waited for' } = options
  const endMs = performance.now() + withinMs
  for (let looks = 0; !(await isSo()); looks++) {
    if (performance.now() > endMs) throw new Error(`${what} did not happen within ${withinMs} ms`)
    await new Promise<void>((resolve) => (looks < 20 ? setImmediate(resolve) : setTimeout(resolve, 5)))
  }
}

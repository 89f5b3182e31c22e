/** The relay's options with their defaults, checked once. */
import { RelayError } from './relay-error.ts'
import type { RelayOptions } from './relay.ts'

export type Settings = Required<RelayOptions>

const DAY_MS = 86_400_000
/** Timers count milliseconds in 31 bits. */
const MS_MAX = 2 ** 31 - 1

export function settingsFrom(options: RelayOptions): Settings {
  if (!/^[\x21-\x7e]{1,128}$/.test(options.server)) {
    throw new RelayError('BAD_REQUEST', 'server: expected 1 to 128 printable ASCII characters without spaces')
  }
  return {
    server: options.server,
    prefix: options.prefix ?? 'OPENAI_STREAM',
    retentionMs: within('retentionMs', options.retentionMs ?? DAY_MS, 1, 365 * DAY_MS),
    perMinuteMax: within('perMinuteMax', options.perMinuteMax ?? 10, 1, 10_000),
    unfinishedMax: within('unfinishedMax', options.unfinishedMax ?? 3, 1, 10_000),
    concurrency: within('concurrency', options.concurrency ?? 16, 1, 10_000),
    leaseMs: within('leaseMs', options.leaseMs ?? 4000, 100, MS_MAX),
    attemptsMax: within('attemptsMax', options.attemptsMax ?? 3, 1, 1000),
    lingerMs: within('lingerMs', options.lingerMs ?? 20, 0, 60_000),
    // A relay without a listener for its errors works all the same; each of them also shows in the answer's log.
    onError: options.onError ?? (() => undefined),
  }
}

export function within(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new RelayError('BAD_REQUEST', `${name}: expected a whole number from ${min} to ${max}, got ${value}`)
}

/**
 * What is observed of commands: how long each takes, errors by their first word, and who took too long.
 *
 *   dispatch ──called(client, command, request, timing)──► histogram of the command ──► slow log ──► latency events
 *            ──errored(client, line)──► errors by their first word
 *
 *   a histogram's buckets, in nanoseconds:  0 … 1024 │ 8 of equal width │ 2048 │ 8 more │ 4096 │ …
 */
import type { Request } from '@millrace/protocol'
import type { AclReason } from './acl-log.ts'
import type { Client } from './client.ts'
import type { Command } from './command.ts'
import type { Config } from './config.ts'
import { Latency } from './latency.ts'
import type { CallTiming, CommandObserver } from './server-state.ts'
import { SlowLog } from './slow-log.ts'
import { Traffic } from './traffic.ts'

/** Of 1,024 ns and less there is one bucket; each doubling above it has so many. */
const STEPS = 8
const DOUBLINGS = 30
const FIRST_NS = 1024

export class Histogram {
  readonly #counts = new Uint32Array(1 + DOUBLINGS * STEPS)
  #total = 0

  get total(): number {
    return this.#total
  }

  /** A call took so long, or `weight` of them did. */
  add(us: number, weight = 1): void {
    this.#total += weight
    this.#counts[bucketOf(us * 1000)]! += weight
  }

  /** The microseconds below which this part (0 to 1) of all calls ended. */
  percentile(part: number): number {
    const wanted = Math.max(1, Math.ceil(part * this.#total))
    let seen = 0
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!
      if (seen >= wanted) return endOf(i) / 1000
    }
    return 0
  }

  /** How many calls took no more than so many microseconds, at each doubling where the number grows. */
  doublings(): { us: number; calls: number }[] {
    const doublings: { us: number; calls: number }[] = []
    let calls = 0
    for (let i = 0, told = 0; i < this.#counts.length && told < this.#total; i++) {
      calls += this.#counts[i]!
      if (i % STEPS !== 0 || calls === told) continue
      // Told as Redis's histogram of two digits tells the end of a doubling.
      const end = FIRST_NS * 2 ** (i / STEPS)
      doublings.push({ us: Math.floor((end + end / 128 - 1) / 1000), calls })
      told = calls
    }
    return doublings
  }
}

function bucketOf(ns: number): number {
  if (ns <= FIRST_NS) return 0
  // A bucket holds its end, not its start.
  const doubling = Math.min(Math.ceil(Math.log2(ns / FIRST_NS)) - 1, DOUBLINGS - 1)
  const start = FIRST_NS * 2 ** doubling
  return 1 + doubling * STEPS + Math.min(Math.ceil(((ns - start) / start) * STEPS) - 1, STEPS - 1)
}

function endOf(bucket: number): number {
  if (bucket === 0) return FIRST_NS
  const start = FIRST_NS * 2 ** Math.floor((bucket - 1) / STEPS)
  return start + (start * (((bucket - 1) % STEPS) + 1)) / STEPS
}

/** Below this threshold of the slow log, in microseconds, every call has to be timed to be sure of it. */
const SURE_US = 1000
const ERROR_WORDS_MAX = 128

export class Statistics implements CommandObserver {
  readonly slowLog = new SlowLog()
  readonly latency = new Latency()
  readonly #config: Config
  readonly #histograms = new Map<Command, Histogram>()
  readonly #errors = new Map<string, number>()
  errorsTotal = 0
  /** What ACL rules have refused, and log-ins that failed. */
  readonly denials: Record<AclReason, number> = { auth: 0, command: 0, key: 0, channel: 0 }
  readonly traffic = new Traffic()
  #memoryPeakBytes = 0
  slowLogUsMin = 0
  latencyMsMin = 0
  isTracking = true

  constructor(config: Config) {
    this.#config = config
    this.#read()
    config.onChange(() => this.#read())
  }

  get wantsEach(): boolean {
    return this.latencyMsMin > 0 || (this.slowLogUsMin >= 0 && this.slowLogUsMin < SURE_US)
  }

  /** How long the calls of each command took; calls that stand for others count as so many. */
  get histograms(): ReadonlyMap<Command, Histogram> {
    return this.#histograms
  }

  /** How many error replies there were of each first word: `ERR`, `WRONGTYPE`, … */
  get errors(): ReadonlyMap<string, number> {
    return this.#errors
  }

  called(client: Client, command: Command, request: Request, { microseconds, weight }: CallTiming): void {
    if (this.isTracking) {
      let histogram = this.#histograms.get(command)
      if (histogram === undefined) this.#histograms.set(command, (histogram = new Histogram()))
      histogram.add(microseconds, weight)
    }
    if (this.slowLogUsMin >= 0 && microseconds >= this.slowLogUsMin && !command.flags.includes('skip_slowlog')) {
      this.slowLog.add(client, command, request, microseconds)
    }
    if (this.latencyMsMin > 0 && microseconds >= this.latencyMsMin * 1000) {
      const event = command.flags.includes('fast') ? 'fast-command' : 'command'
      this.latency.add(event, Math.floor(microseconds / 1000), client.nowMs)
    }
  }

  errored(_client: Client, line: string): void {
    const space = line.indexOf(' ')
    const word = space < 0 ? line : line.slice(0, space)
    this.errorsTotal++
    // Words come from us alone; the bound is for what would go wrong if one day they did not.
    if (this.#errors.has(word) || this.#errors.size < ERROR_WORDS_MAX) {
      this.#errors.set(word, (this.#errors.get(word) ?? 0) + 1)
    }
  }

  /** The most memory that was ever told; it is looked at when INFO is asked for. */
  peakOf(usedBytes: number): number {
    this.#memoryPeakBytes = Math.max(this.#memoryPeakBytes, usedBytes)
    return this.#memoryPeakBytes
  }

  /** CONFIG RESETSTAT: the slow log and the latency events stay. */
  reset(): void {
    this.#histograms.clear()
    this.#errors.clear()
    this.errorsTotal = 0
    this.traffic.reset()
    for (const reason of ['auth', 'command', 'key', 'channel'] as const) this.denials[reason] = 0
  }

  #read(): void {
    this.slowLogUsMin = this.#config.number('slowlog-log-slower-than')
    this.latencyMsMin = this.#config.number('latency-monitor-threshold')
    this.isTracking = this.#config.isOn('latency-tracking')
  }
}

/**
 * The latency monitor: for each kind of event the last 160 times it took long, a second's worst as one.
 *
 *   command       [1700000001 s: 12 ms] [1700000007 s: 30 ms] …        worst ever 30 ms
 *   fast-command  …
 */
export interface LatencySample {
  readonly atSeconds: number
  ms: number
}

export interface LatencyEvent {
  readonly samples: LatencySample[]
  msMax: number
}

const SAMPLES_MAX = 160

export class Latency {
  readonly #events = new Map<string, LatencyEvent>()

  get events(): ReadonlyMap<string, LatencyEvent> {
    return this.#events
  }

  add(name: string, ms: number, nowMs: number): void {
    const atSeconds = Math.floor(nowMs / 1000)
    const event = this.#events.get(name) ?? { samples: [], msMax: 0 }
    this.#events.set(name, event)
    event.msMax = Math.max(event.msMax, ms)
    const last = event.samples.at(-1)
    if (last?.atSeconds === atSeconds) {
      last.ms = Math.max(last.ms, ms)
      return
    }
    event.samples.push({ atSeconds, ms })
    if (event.samples.length > SAMPLES_MAX) event.samples.shift()
  }

  /** Forgets one event; false when it is not known. */
  reset(name: string): boolean {
    return this.#events.delete(name)
  }
}

const GRAPH_ROWS = 4
const GRAPH_LINE = '-'.repeat(80)
const GRAPH_SYMBOLS = ['_', 'o', '#']

/** The samples of an event as a graph of characters, each with its age below, read from top to bottom. */
export function latencyGraph(name: string, event: LatencyEvent, nowMs: number): string {
  const values = event.samples.map((sample) => sample.ms)
  const high = Math.max(...values)
  const low = Math.min(...values)
  const levels = GRAPH_ROWS * GRAPH_SYMBOLS.length
  const heights = values.map((value) => Math.round(((value - low) / Math.max(1, high - low)) * (levels - 1)))
  const lines = [`${name} - high ${high} ms, low ${low} ms (all time high ${event.msMax} ms)`, GRAPH_LINE]
  for (let row = GRAPH_ROWS - 1; row >= 0; row--) {
    lines.push(heights.map((height) => symbolAt(height, row)).join(''))
  }
  lines.push('')
  const ages = event.samples.map((sample) => ageText(Math.floor(nowMs / 1000) - sample.atSeconds))
  for (let i = 0; i < Math.max(...ages.map((age) => age.length)); i++) {
    lines.push(ages.map((age) => age[i] ?? ' ').join(''))
  }
  return `${lines.join('\n')}\n`
}

function symbolAt(height: number, row: number): string {
  const level = height - row * GRAPH_SYMBOLS.length
  if (level < 0) return ' '
  return level < GRAPH_SYMBOLS.length ? GRAPH_SYMBOLS[level]! : '|'
}

function ageText(seconds: number): string {
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** A report in words: which events took long, how often, and what helps. */
export function latencyReport(latency: Latency, msMin: number, slowLogUsMin: number): string {
  if (msMin === 0) {
    return 'The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n'
  }
  if (latency.events.size === 0) return 'No event has taken as long as latency-monitor-threshold.\n'
  const lines = ['These events took long:', '']
  let number = 1
  for (const [name, { samples, msMax }] of latency.events) {
    const average = samples.reduce((sum, sample) => sum + sample.ms, 0) / samples.length
    lines.push(
      `${number++}. ${name}: ${samples.length} spikes, on average ${Math.round(average)} ms, at worst ${msMax} ms.`,
    )
  }
  lines.push('')
  if (slowLogUsMin < 0 || slowLogUsMin > msMin * 1000) {
    lines.push(
      `- The slow log takes only what is slower than that: CONFIG SET slowlog-log-slower-than ${msMin * 1000}.`,
    )
  }
  lines.push('- SLOWLOG GET tells which commands took long.')
  lines.push('- A command about very many entries or IDs takes long: give it a COUNT, or fewer of them.')
  return `${lines.join('\n')}\n`
}

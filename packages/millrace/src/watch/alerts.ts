/** From findings to alerts: told when they have been so for long enough, and again when they are so no more. */
import type { Finding, RuleName, Rules } from './rules.ts'

export interface Alert {
  readonly type: 'alert'
  readonly rule: RuleName
  readonly state: 'firing' | 'resolved'
  readonly stream: string
  readonly group?: string
  readonly consumer?: string
  /** Since when it has been so: milliseconds since 1970, by the backend's clock. */
  readonly sinceMs: number
  readonly atMs: number
  readonly value: number
  readonly threshold: number
  readonly message: string
}

interface Held {
  readonly finding: Finding
  readonly stream: string
  readonly sinceMs: number
  isTold: boolean
}

export class Alerts {
  readonly #rules: Rules
  readonly #held = new Map<string, Held>()

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** Those that fire now. */
  get firing(): Alert[] {
    return [...this.#held.values()]
      .filter(({ isTold }) => isTold)
      .map((held) => this.#alert(held, 'firing', held.sinceMs))
  }

  /** All that one stream's sample has found; resolves what is to be told. */
  take(stream: string, found: readonly Finding[], atMs: number): Alert[] {
    const told: Alert[] = []
    const names = new Set<string>()
    for (const finding of found) {
      const name = JSON.stringify([finding.rule, stream, finding.group, finding.consumer])
      names.add(name)
      const known = this.#held.get(name)
      const held: Held = { finding, stream, sinceMs: known?.sinceMs ?? atMs, isTold: known?.isTold ?? false }
      this.#held.set(name, held)
      if (held.isTold || atMs - held.sinceMs < (this.#rules[finding.rule]?.forMs ?? 0)) continue
      held.isTold = true
      told.push(this.#alert(held, 'firing', atMs))
    }
    for (const [name, held] of this.#held) {
      if (held.stream !== stream || names.has(name)) continue
      this.#held.delete(name)
      if (held.isTold) told.push(this.#alert(held, 'resolved', atMs))
    }
    return told
  }

  #alert({ finding, stream, sinceMs }: Held, state: Alert['state'], atMs: number): Alert {
    const threshold = this.#rules[finding.rule]?.threshold ?? 0
    return { type: 'alert', state, stream, sinceMs, atMs, threshold, ...finding }
  }
}

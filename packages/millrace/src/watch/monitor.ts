/**
 * Watches streams: a sample of each every few seconds, and alerts on what they show.
 *
 *   every 5 s: look (sample.ts) ──► latest, onSample ──rules.ts──► alerts.ts ──► onAlert, webhook
 *                  what this process itself sees (losses, lost leases, pinned groups) ──┘
 *
 * It reads only, and never walks a stream. A look that fails is told and tried again; the numbers before stay.
 */
import { checkInteger } from '../arguments.ts'
import type { CareEvent } from '../care-event.ts'
import { Duty } from '../duty.ts'
import { StreamError } from '../errors.ts'
import type { Site } from '../site.ts'
import type { WorkerEvent } from '../worker/worker-event.ts'
import { type Alert, Alerts } from './alerts.ts'
import { findings, type Rule, ruleDefaults, type RuleName, type Rules, type Seen } from './rules.ts'
import { look, type StreamSample } from './sample.ts'
import { Webhook, type WebhookOptions } from './webhook.ts'

export interface MonitorOptions {
  /** The streams, by name or handle; one with partitions is all of those. */
  readonly streams: readonly (string | { readonly streams: readonly string[] })[]
  /** How often, in milliseconds. Default 5,000. */
  readonly everyMs?: number
  /** A consumer that is silent for longer while there is work is dead. Default 60,000: two leases. */
  readonly deadAfterMs?: number
  /** Changes rules, or switches them off (`false`). Default: `ruleDefaults`. */
  readonly rules?: { readonly [name in RuleName]?: Partial<Rule> | false }
  /** Of each stream, in bytes: `memory` fires from 80 % of it on. Default: it does not. */
  readonly budgetBytes?: number
  readonly onSample?: (sample: StreamSample) => void
  readonly onAlert?: (alert: Alert) => void
  readonly webhook?: WebhookOptions
  /** A look that failed, an alert that did not reach the webhook. */
  readonly onError?: (error: unknown) => void
}

const STREAMS_MAX = 10_000
const AT_ONCE = 16

export class Monitor {
  readonly #site: Site
  readonly #options: MonitorOptions
  readonly #streams: readonly (readonly string[])[]
  readonly #alerts: Alerts
  readonly #rules: Rules
  readonly #webhook: Webhook | undefined
  readonly #latest = new Map<string, StreamSample>()
  readonly #seen = new Map<string, { lost: number; leasesLost: number; pinned: Set<string> }>()
  readonly #duty: Duty
  readonly #forget: (() => void) | undefined

  /** Use `Millrace.monitor`. Starts at once. */
  constructor(site: Site, options: MonitorOptions) {
    const { everyMs = 5000, deadAfterMs = 60_000, streams, webhook } = options
    checkInteger('everyMs', everyMs, 10, 2 ** 30)
    checkInteger('deadAfterMs', deadAfterMs, 1)
    this.#streams = streams.map((one) => (typeof one === 'string' ? [one] : one.streams))
    const count = this.#streams.flat().length
    if (count === 0 || count > STREAMS_MAX) {
      throw new StreamError('BAD_ARGUMENT', `Expected from 1 to ${STREAMS_MAX} streams to watch, got ${count}`)
    }
    this.#site = site
    this.#options = options
    this.#rules = chosenRules(options)
    this.#alerts = new Alerts(this.#rules)
    this.#webhook = webhook && new Webhook(webhook, site.clock, (error) => this.#fail(error))
    this.#forget = site.observers?.add((event, stream) => this.#note(event, stream))
    let isFirst = true
    this.#duty = new Duty(
      async () => void (await this.sample()),
      () => {
        const waitMs = isFirst ? 0 : everyMs
        isFirst = false
        return waitMs
      },
      site.clock,
    )
  }

  /** The last sample of each stream that was there. */
  get latest(): ReadonlyMap<string, StreamSample> {
    return this.#latest
  }

  /** Alerts that fire now. */
  get firing(): readonly Alert[] {
    return this.#alerts.firing
  }

  /** Looks now; resolves the samples. Never rejects: failures go to `onError`. */
  async sample(): Promise<ReadonlyMap<string, StreamSample>> {
    for (const partitions of this.#streams) {
      for (let i = 0; i < partitions.length; i += AT_ONCE) {
        await Promise.all(partitions.slice(i, i + AT_ONCE).map(async (stream) => await this.#look(stream, partitions)))
      }
    }
    return this.#latest
  }

  async stop(): Promise<void> {
    this.#forget?.()
    await this.#duty.stop()
    await this.#webhook?.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #look(stream: string, partitions: readonly string[]): Promise<void> {
    const before = this.#latest.get(stream)
    let now: StreamSample | undefined
    try {
      now = await look(this.#site.backend, stream, before, { deadAfterMs: this.#options.deadAfterMs ?? 60_000 })
    } catch (error) {
      return this.#fail(error)
    }
    if (now === undefined) {
      this.#latest.delete(stream)
      return
    }
    this.#latest.set(stream, now)
    this.#call(() => this.#options.onSample?.(now))
    const others = partitions.filter((one) => one !== stream)
    const siblings = others.map((one) => this.#latest.get(one)?.addedPerSecond ?? 0)
    const found = findings({ now, before, seen: this.#takeSeen(stream), siblings }, this.#rules)
    for (const alert of this.#alerts.take(stream, found, now.atMs)) {
      this.#call(() => this.#options.onAlert?.(alert))
      this.#webhook?.send(alert)
    }
  }

  #note(event: WorkerEvent | CareEvent, stream: string): void {
    const seen = this.#seen.get(stream) ?? { lost: 0, leasesLost: 0, pinned: new Set<string>() }
    if (event.type === 'deleted' || event.type === 'data-loss') seen.lost += event.ids.length
    else if (event.type === 'trimmed-unfinished') seen.lost += event.count
    else if (event.type === 'lost') seen.leasesLost++
    else if (event.type === 'retention-pinned') seen.pinned.add(event.group)
    else return
    this.#seen.set(stream, seen)
  }

  #takeSeen(stream: string): Seen {
    const { lost, leasesLost, pinned } = this.#seen.get(stream) ?? { lost: 0, leasesLost: 0, pinned: new Set<string>() }
    this.#seen.delete(stream)
    return { lost, leasesLost, pinned: [...pinned] }
  }

  #fail(error: unknown): void {
    this.#call(() => this.#options.onError?.(error))
  }

  /** A listener's own mistake must not end the watch. */
  #call(tell: () => void): void {
    try {
      tell()
    } catch {
      // There is nobody else to tell.
    }
  }
}

function chosenRules({ rules = {}, budgetBytes }: MonitorOptions): Rules {
  const chosen: Partial<Record<RuleName, Rule | undefined>> = {}
  for (const name of Object.keys(ruleDefaults) as RuleName[]) {
    const change = rules[name]
    chosen[name] = change === false ? undefined : { ...ruleDefaults[name], ...change }
  }
  for (const name of Object.keys(rules)) {
    if (name in ruleDefaults) continue
    const known = Object.keys(ruleDefaults).join(', ')
    throw new StreamError('BAD_ARGUMENT', `Expected a rule among ${known}, got '${name}'`)
  }
  if (budgetBytes !== undefined && chosen.memory !== undefined && rules.memory === undefined) {
    checkInteger('budgetBytes', budgetBytes, 1)
    chosen.memory = { ...chosen.memory, threshold: 0.8 * budgetBytes }
  }
  return chosen as Rules
}

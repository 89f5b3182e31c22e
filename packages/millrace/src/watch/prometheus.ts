/**
 * A monitor's numbers for Prometheus, by prom-client: `millrace/prometheus`.
 *
 *   Monitor.latest ──collect, at each scrape──► gauges with the labels stream, group, consumer ──► text
 *
 * Labels: one set for each stream and group; of consumers at most 100 a group, so that names that change do not fill a server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Gauge, type GaugeConfiguration, Registry } from 'prom-client'
import type { Monitor } from './monitor.ts'
import { groupMetrics, streamMetrics } from './metrics.ts'

export interface PrometheusOptions {
  /** Where the metrics are registered. Default: a registry of their own. */
  readonly registry?: Registry
  /** Default `millrace_`. */
  readonly prefix?: string
}

const CONSUMERS_MAX = 100

/** Registers the metrics; returns their registry. Throws where their names are taken in it. */
export function prometheusMetrics(monitor: Monitor, options: PrometheusOptions = {}): Registry {
  const { registry = new Registry(), prefix = 'millrace_' } = options
  const add: Add = (gauge) => registry.registerMetric(new Gauge({ ...gauge, registers: [] }))
  for (const [name, help, valueOf] of streamMetrics) {
    add({
      name: prefix + name,
      help,
      labelNames: ['stream'],
      collect() {
        this.reset()
        for (const sample of monitor.latest.values()) set(this, { stream: sample.stream }, valueOf(sample))
      },
    })
  }
  for (const [name, help, valueOf] of groupMetrics) {
    add({
      name: prefix + name,
      help,
      labelNames: ['stream', 'group'],
      collect() {
        this.reset()
        for (const { stream, groups } of monitor.latest.values()) {
          for (const sample of groups) set(this, { stream, group: sample.group }, valueOf(sample))
        }
      },
    })
  }
  consumerMetrics(monitor, add, prefix)
  return registry
}

type Add = (options: GaugeConfiguration<string>) => void

function consumerMetrics(monitor: Monitor, add: Add, prefix: string): void {
  add({
    name: `${prefix}group_consumers`,
    help: 'Consumers of the group by state: live, starved, dead',
    labelNames: ['stream', 'group', 'state'],
    collect() {
      this.reset()
      for (const { stream, groups } of monitor.latest.values()) {
        for (const { group, consumers } of groups) {
          for (const state of ['live', 'starved', 'dead'] as const) {
            this.set({ stream, group, state }, consumers.filter((consumer) => consumer.state === state).length)
          }
        }
      }
    },
  })
  add({
    name: `${prefix}consumer_pending`,
    help: `Entries that a consumer owns; of at most ${CONSUMERS_MAX} consumers a group, those that own most`,
    labelNames: ['stream', 'group', 'consumer'],
    collect() {
      this.reset()
      for (const { stream, groups } of monitor.latest.values()) {
        for (const { group, consumers } of groups) {
          const most = consumers.toSorted((a, b) => b.pending - a.pending).slice(0, CONSUMERS_MAX)
          for (const { name, pending } of most) this.set({ stream, group, consumer: name }, pending)
        }
      }
    },
  })
  add({
    name: `${prefix}alerts`,
    help: 'Alerts that fire',
    labelNames: ['rule', 'stream', 'group'],
    collect() {
      this.reset()
      for (const { rule, stream, group = '' } of monitor.firing) this.inc({ rule, stream, group })
    },
  })
}

/** Answers a scrape: for `http.createServer`, Express and the like. */
export function prometheusHandler(registry: Registry): (request: IncomingMessage, response: ServerResponse) => void {
  return (_request, response) => {
    registry.metrics().then(
      (text) => {
        response.writeHead(200, { 'content-type': registry.contentType })
        response.end(text)
      },
      (error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain' })
        response.end(String(error))
      },
    )
  }
}

function set(gauge: Gauge, labels: Record<string, string>, value: number | undefined): void {
  if (value !== undefined) gauge.set(labels, value)
}

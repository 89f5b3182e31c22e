/**
 * Traces and metrics through `@opentelemetry/api`: `millrace/opentelemetry`. Without an SDK it does nothing.
 *
 *   add ──span 'send orders'──► headers: traceparent … ──► entry ──► handler ──span 'process orders', its child──► outcome
 *
 * Names of attributes: OpenTelemetry semantic conventions for messaging. What goes into the headers is the propagator's that the
 * program has set; a retry or a redriven entry keeps them, so every attempt is in the same trace.
 */
import {
  type Attributes,
  context,
  type Meter,
  metrics,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import type { EntryId } from '../backend.ts'
import type { AddEntryOptions } from '../producer.ts'
import { Failed, RetryAfter } from '../worker/outcome.ts'
import type { Handler } from '../worker/runner.ts'
import { groupMetrics, streamMetrics } from './metrics.ts'
import type { Monitor } from './monitor.ts'

/** What is traced: a stream handle is one. */
export interface TracedStream<I> {
  readonly name: string
  add(value: I, options?: AddEntryOptions): Promise<EntryId>
}

export interface TraceOptions {
  /** Default: the global provider's, by the name `millrace`. */
  readonly tracer?: Tracer
}

export interface Tracing<I> {
  /** As the stream's own `add`, in a span, with the trace in the entry's headers. */
  add(value: I, options?: AddEntryOptions): Promise<EntryId>
  /** A handler that runs each attempt in a span, whose parent is the one that added the entry. */
  handler<T>(handler: Handler<T>): Handler<T>
}

const LIBRARY = 'millrace'

export function tracing<I>(stream: TracedStream<I>, options: TraceOptions = {}): Tracing<I> {
  const tracer = options.tracer ?? trace.getTracer(LIBRARY)
  const where = { 'messaging.system': LIBRARY, 'messaging.destination.name': stream.name }
  return {
    add: async (value, addOptions = {}) => {
      const attributes = { ...where, 'messaging.operation.type': 'send', 'messaging.operation.name': 'add' }
      const span = tracer.startSpan(`send ${stream.name}`, { kind: SpanKind.PRODUCER, attributes })
      const headers: Record<string, string> = { ...addOptions.headers }
      propagation.inject(trace.setSpan(context.active(), span), headers)
      return await inSpan(span, async () => {
        const id = await stream.add(value, { ...addOptions, headers })
        span.setAttribute('messaging.message.id', id)
        return id
      })
    },
    handler: (handler) => async (entry, handlerContext) => {
      const { lease, attempt } = handlerContext
      const attributes: Attributes = {
        ...where,
        'messaging.operation.type': 'process',
        'messaging.operation.name': 'process',
        'messaging.message.id': entry.id,
        'messaging.consumer.group.name': lease.group,
        'messaging.client.id': lease.consumer,
        'millrace.attempt': attempt,
      }
      const parent = propagation.extract(context.active(), entry.headers)
      const span = tracer.startSpan(`process ${stream.name}`, { kind: SpanKind.CONSUMER, attributes }, parent)
      return await context.with(trace.setSpan(parent, span), async () => {
        return await inSpan(span, async () => await run(span, async () => await handler(entry, handlerContext)))
      })
    },
  }
}

async function run(span: Span, handler: () => Promise<unknown>): Promise<unknown> {
  const result = await handler()
  if (result instanceof RetryAfter || result instanceof Failed) {
    const message = result instanceof RetryAfter ? 'retry' : 'failed'
    span.setStatus({ code: SpanStatusCode.ERROR, message })
  }
  return result
}

async function inSpan<T>(span: Span, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    span.recordException(error instanceof Error ? error : String(error))
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
    throw error
  } finally {
    span.end()
  }
}

/** A monitor's numbers as observable gauges, `millrace.stream.…` and `millrace.group.…`; returns what ends that. */
export function openTelemetryMetrics(monitor: Monitor, meter: Meter = metrics.getMeter(LIBRARY)): () => void {
  const ends: (() => void)[] = []
  for (const [name, description, valueOf] of streamMetrics) {
    const gauge = meter.createObservableGauge(`millrace.${name.replace('_', '.')}`, { description })
    const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
      for (const sample of monitor.latest.values()) {
        const value = valueOf(sample)
        if (value !== undefined) result.observe(value, { stream: sample.stream })
      }
    }
    gauge.addCallback(observe)
    ends.push(() => gauge.removeCallback(observe))
  }
  for (const [name, description, valueOf] of groupMetrics) {
    const gauge = meter.createObservableGauge(`millrace.${name.replace('_', '.')}`, { description })
    const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
      for (const { stream, groups } of monitor.latest.values()) {
        for (const sample of groups) {
          const value = valueOf(sample)
          if (value !== undefined) result.observe(value, { stream, group: sample.group })
        }
      }
    }
    gauge.addCallback(observe)
    ends.push(() => gauge.removeCallback(observe))
  }
  return () => {
    for (const end of ends) end()
  }
}

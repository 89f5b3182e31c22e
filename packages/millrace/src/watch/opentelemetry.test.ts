/** Spans and metrics through the real SDK. */
import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { waitFor } from '@millrace/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fail } from '../worker/outcome.ts'
import { redisServer } from '../worker/testing/worker-rig.ts'
import { openTelemetryMetrics, tracing } from './opentelemetry.ts'

/** W3C Trace Context, version 00, as far as a test needs it. */
const w3c = {
  fields: () => ['traceparent'],
  inject(from: Context, carrier: unknown, setter: TextMapSetter): void {
    const span = trace.getSpanContext(from)
    if (span !== undefined) setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`)
  },
  extract(into: Context, carrier: unknown, getter: TextMapGetter): Context {
    const found = /^00-(.{32})-(.{16})-/.exec(String(getter.get(carrier, 'traceparent') ?? ''))
    if (found === null) return into
    const remote = { traceId: found[1]!, spanId: found[2]!, traceFlags: TraceFlags.SAMPLED, isRemote: true }
    return trace.setSpanContext(into, remote)
  },
}

beforeAll(() => void propagation.setGlobalPropagator(w3c))
afterAll(() => propagation.disable())

it('has every attempt of an entry in the trace of who added it', async () => {
  const mr = await redisServer()
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const stream = mr.stream<number>('s')
  const traced = tracing(stream, { tracer: provider.getTracer('test') })
  const options = { retry: { initialMs: 5 } }
  const handler = traced.handler<number>(({ value }, { attempt }) => {
    if (value === 1 && attempt === 1) throw new Error('at first')
    return value === 2 ? fail('never') : undefined
  })
  const worker = stream.group('g').worker(handler, options)
  const id = await traced.add(1, { headers: { tenant: 'a' } })
  await traced.add(2)
  await waitFor(() => exporter.getFinishedSpans().length === 5, { what: 'all spans' })
  const spans = exporter.getFinishedSpans()
  const [first] = spans.filter(({ name }) => name === 'send s')
  const attempts = spans.filter(
    ({ attributes, name }) => name === 'process s' && attributes['messaging.message.id'] === id,
  )
  expect(attempts.map(({ attributes, status }) => [attributes['millrace.attempt'], status.code])).toEqual([
    [1, SpanStatusCode.ERROR],
    [2, SpanStatusCode.UNSET],
  ])
  for (const attempt of attempts) {
    expect(attempt.spanContext().traceId).toBe(first!.spanContext().traceId)
    expect(attempt.parentSpanContext?.spanId).toBe(first!.spanContext().spanId)
  }
  const failed = spans.find(({ status }) => status.message === 'failed')
  expect(failed?.attributes).toMatchObject({ 'messaging.consumer.group.name': 'g', 'messaging.destination.name': 's' })
  const [letter] = await stream.deadLetters.list()
  expect(letter?.headers['traceparent']).toContain(failed!.spanContext().traceId)
  expect(trace.getSpanContext(ROOT_CONTEXT)).toBeUndefined()
  await worker.stop()
  await provider.shutdown()
})

it('gives the numbers of a monitor', async () => {
  const mr = await redisServer()
  await mr.stream<number>('s').addMany([1, 2, 3])
  await mr.backend.createGroup('s', 'g')
  const monitor = mr.monitor({ streams: ['s'], everyMs: 1_000_000 })
  await monitor.sample()
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 })
  const provider = new MeterProvider({ readers: [reader] })
  const end = openTelemetryMetrics(monitor, provider.getMeter('test'))
  await reader.forceFlush()
  const found = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  const lag = found.find(({ descriptor }) => descriptor.name === 'millrace.group.lag')
  expect(lag?.dataPoints).toMatchObject([{ value: 3, attributes: { stream: 's', group: 'g' } }])
  expect(found.map(({ descriptor }) => descriptor.name)).toContain('millrace.stream.length')
  end()
  await provider.shutdown()
  await monitor.stop()
})

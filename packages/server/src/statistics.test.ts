import { expect, it } from 'vitest'
import { Config, ConfigError } from './config.ts'
import { Random, seedOfRun } from './differential-random.ts'
import { Latency, latencyGraph } from './latency.ts'
import { settingsOf } from './options.ts'
import { Histogram, Statistics } from './statistics.ts'

it('a histogram tells at each doubling how many calls took no longer', () => {
  const histogram = new Histogram()
  for (const us of [0.5, 1, 1.5, 3, 3.9, 100]) histogram.add(us)
  histogram.add(100, 4)
  expect(histogram.total).toBe(10)
  expect(histogram.doublings()).toEqual([
    { us: 1, calls: 2 },
    { us: 2, calls: 3 },
    { us: 4, calls: 5 },
    { us: 132, calls: 10 },
  ])
})

it('a histogram tells percentiles that are at most an eighth too high', () => {
  const seed = seedOfRun()
  const random = new Random(seed)
  const histogram = new Histogram()
  const values = Array.from({ length: 1000 }, () => 2 + 2 ** (random.fraction() * 20))
  for (const value of values) histogram.add(value)
  values.sort((a, b) => a - b)
  for (const part of [0.01, 0.5, 0.9, 0.99, 1]) {
    const exact = values[Math.ceil(part * values.length) - 1]!
    const told = histogram.percentile(part)
    expect({ seed, part, isRight: told >= exact && told <= exact * 1.125 + 0.001 }).toEqual({
      seed,
      part,
      isRight: true,
    })
  }
})

it('a call beyond all doublings is in the last bucket', () => {
  const histogram = new Histogram()
  histogram.add(1e12)
  expect(histogram.percentile(1)).toBeGreaterThan(1e6)
  expect(histogram.doublings()).toHaveLength(1)
})

it('each call is timed while the slow log, or the latency monitor, has to be sure', () => {
  const config = new Config(settingsOf({}))
  const statistics = new Statistics(config)
  expect(statistics.wantsEach).toBe(false)
  config.set([['slowlog-log-slower-than', '100']])
  expect(statistics.wantsEach).toBe(true)
  config.set([['slowlog-log-slower-than', '-1']])
  expect(statistics.wantsEach).toBe(false)
  config.set([['latency-monitor-threshold', '5']])
  expect(statistics.wantsEach).toBe(true)
})

it('a configuration changes as a whole, and tells then', () => {
  const settings = settingsOf({ maxMemoryBytes: 5 })
  const config = new Config(settings, { timeout: '7' }, { port: '1234' })
  const told: string[] = []
  config.onChange((name, value) => told.push(`${name}=${value}`))
  expect([config.text('port'), config.text('maxmemory'), settings.idleSeconds]).toEqual(['1234', '5', 7])
  expect(() =>
    config.set([
      ['maxmemory', '1gb'],
      ['timeout', 'x'],
    ]),
  ).toThrow(ConfigError)
  expect([config.text('maxmemory'), settings.maxMemoryBytes, told]).toEqual(['5', 5, []])
  config.set([
    ['MaxMemory', '1gb'],
    ['timeout', '0'],
  ])
  expect([settings.maxMemoryBytes, settings.idleSeconds]).toEqual([1_073_741_824, 0])
  expect(told).toEqual(['maxmemory=1073741824', 'timeout=0'])
  expect(() => new Config(settings, { nope: '1' })).toThrow("Unknown parameter 'nope'")
})

it('the limits of one class of clients leave those of the others', () => {
  const settings = settingsOf({})
  const config = new Config(settings)
  config.set([['client-output-buffer-limit', 'pubsub 1mb 0 0']])
  expect(config.text('client-output-buffer-limit')).toMatch(
    /^normal 33554432 0 0 slave \d+ \d+ \d+ pubsub 1048576 0 0$/,
  )
  config.set([['client-output-buffer-limit', 'normal 0 0 0']])
  expect([settings.outputBytesMax, settings.outputBytesPubSubMax]).toEqual([Infinity, 1_048_576])
})

it('a latency event keeps the worst of each second, and 160 of them', () => {
  const latency = new Latency()
  for (let second = 0; second < 200; second++) {
    latency.add('command', 5, second * 1000)
    latency.add('command', second === 10 ? 90 : 7, second * 1000 + 500)
  }
  const event = latency.events.get('command')!
  expect([event.samples.length, event.msMax]).toEqual([160, 90])
  expect(event.samples[0]).toEqual({ atSeconds: 40, ms: 7 })
  expect(latencyGraph('command', event, 200_000).split('\n')[0]).toBe(
    'command - high 7 ms, low 7 ms (all time high 90 ms)',
  )
})

/**
 * The worker alone: entries a second through a handler that does nothing, at concurrency 1, 16 and 100.
 *
 *   node --conditions=@millrace/source bench/worker-hot.ts [redis://host:port] [entries]
 *
 * Without a URL: the embedded engine.
 */
import { connect } from 'millrace'

const [target, count = '200000'] = process.argv.slice(2)
const entries = Number(count)
const mr = await connect(target)
for (let round = 0; round < 3; round++) {
  for (const concurrency of [1, 16, 100]) {
    const stream = mr.stream<{ n: number }>(`hot:${process.pid}:${round}:${concurrency}`)
    await stream.addMany(Array.from({ length: entries }, (_, n) => ({ n })))
    const startMs = performance.now()
    let handled = 0
    const done = withResolvers()
    const worker = stream.group('g').worker(() => void handled++, {
      concurrency,
      onEvent: (event) => {
        if (event.type === 'error') console.error(event.error)
        if (event.type === 'completed' && worker.counts.completed === entries) done.resolve()
      },
    })
    await done.promise
    const seconds = (performance.now() - startMs) / 1000
    await worker.stop()
    await mr.backend.expire(stream.name, 0)
    console.log(
      `${mr.backend.label}, concurrency ${concurrency}: ${Math.round(handled / seconds).toLocaleString('en')}/s`,
    )
  }
}
await mr.close()

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

/**
 * Our server of bench/durable.ts and bench/slow-disk.ts: `millrace serve` of what was built, as users run it, which also tells
 * how late its event loop was when somebody asks for that.
 *
 *   node durable-server.mjs --port 7000 --dir D …        the arguments of `millrace serve`
 *   ◄──'watch'    { p999Ms, maxMs } of the time since the last one ──►
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { run } from '../packages/cli/dist/program.js'

const resolutionMs = 1
/** @type {ReturnType<typeof monitorEventLoopDelay> | undefined} */
let watched
process.on('message', () => {
  const told = watched ?? monitorEventLoopDelay({ resolution: resolutionMs })
  // What is recorded is from one look to the next, and so has the time between two in it.
  const late = (/** @type {number} */ ns) => Math.max(0, ns / 1e6 - resolutionMs)
  process.send?.(
    watched === undefined ? { p999Ms: 0, maxMs: 0 } : { p999Ms: late(told.percentile(99.9)), maxMs: late(told.max) },
  )
  told.reset()
  if (watched === undefined) told.enable()
  watched = told
})
// An end of the parent without a word ends this one too.
process.once('disconnect', () => process.exit(0))
await run(['serve', ...process.argv.slice(2)])

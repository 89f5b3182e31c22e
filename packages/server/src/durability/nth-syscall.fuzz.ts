/**
 * A server that is killed at its Nth call of the system, for every N: while it recovers from the last time, while it appends,
 * while it writes a snapshot, while it ends. Each time it starts again on what it left, and nothing acknowledged is missing.
 *
 *   start(kill at the Nth pwrite64) ──► check ──► commands ──► BGSAVE ──► commands ──► SIGTERM ──► ended by itself: done
 *          └────────────── killed ───────────────────┴───────────┴───────────┴───────────┘──► N + 1, same directory
 *
 * MILLRACE_RUNS: from 20,000 on with ten times the commands. MILLRACE_SEED repeats the commands.
 */
import { temporaryDirectory, waitFor } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { Random } from '../differential-random.ts'
import type { Wire } from '../differential-wire.ts'
import { History } from './testing/history.ts'
import { ServerProcess, type Policy } from './testing/server-process.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const COMMANDS = Number(process.env['MILLRACE_RUNS'] ?? 2000) >= 20_000 ? 60 : 6
// What is killed leaves more for the next start to do, but not without end.
const CALLS_MAX = 1000
// What the data reach the disk by. `write`, which sockets and threads use all the time, is not among them.
const CALLS = ['pwrite64', 'rename', 'fdatasync', 'fsync', 'unlink']

const running: ServerProcess[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill()
})

/** Whether the server has come to its own end. */
async function runOnce(server: ServerProcess, history: History): Promise<boolean> {
  const wire = await server.connect().catch(() => undefined)
  if (wire !== undefined) {
    await history.check(wire)
    await history.run(wire, 1, COMMANDS)
    if (!wire.isClosed) await save(wire)
    await history.run(wire, 3, COMMANDS * 2)
    if (!wire.isClosed) void server.kill('SIGTERM')
    wire.destroy()
  }
  const { signal, output } = await server.ended()
  if (signal !== undefined && signal !== 'SIGKILL') throw new Error(`Ended by ${signal}:\n${output}`)
  return signal === undefined
}

/** Saves, unless the connection ends meanwhile. */
async function save(wire: Wire): Promise<void> {
  wire.send(Buffer.from('BGSAVE\r\n'))
  const [reply] = await wire.take(1)
  if (reply !== undefined) expect(reply).toBe('+Background saving started\r\n')
  await waitFor(
    async () => {
      if (!wire.isClosed) wire.send(Buffer.from('INFO persistence\r\n'))
      const [info] = await wire.take(1)
      return info === undefined || info.includes('rdb_bgsave_in_progress:0')
    },
    { what: 'the end of the snapshot' },
  )
}

async function begin(directory: string, fsync: Policy): Promise<History> {
  const history = new History('s', new Random(SEED))
  const server = await ServerProcess.start({ directory, fsync })
  running.push(server)
  await history.create(await server.connect())
  await server.kill()
  running.pop()
  return history
}

for (const call of CALLS) {
  it(
    `keeps all that was acknowledged, whichever ${call} it is killed at (seed ${SEED})`,
    { timeout: 20 * 60_000 },
    async () => {
      const options = { directory: temporaryDirectory('nth'), fsync: 'always' as const }
      const history = await begin(options.directory, options.fsync)
      let n = 0
      let isDone = false
      while (!isDone) {
        n++
        expect(n).toBeLessThan(CALLS_MAX)
        const strace = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`]
        const started = await ServerProcess.tryStart({ ...options, strace })
        if (started instanceof ServerProcess) {
          running.push(started)
          isDone = await runOnce(started, history)
          running.pop()
        } else if (started.signal !== 'SIGKILL')
          throw new Error(`It does not start after kill ${n - 1}:\n${started.output}`)
      }
      const last = await ServerProcess.start(options)
      running.push(last)
      await history.check(await last.connect())
      // It was met at all, and more than once.
      expect(n).toBeGreaterThan(3)
    },
  )
}

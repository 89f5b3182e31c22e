/**
 * A disk that takes 1.5 seconds for every fdatasync, and a kill while one of them is under way: with `everysec` too, all that
 * was acknowledged is there. redis-server goes through the same, so that it is seen that the test sees losses.
 * bench/slow-disk.ts counts them.
 */
import { temporaryDirectory, waitFor } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { Random } from '../differential-random.ts'
import { History } from './testing/history.ts'
import { ServerProcess, type ProcessOptions } from './testing/server-process.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SLOW_MS = 1500

const running: ServerProcess[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill()
})

async function start(options: ProcessOptions): Promise<ServerProcess> {
  const server = await ServerProcess.start(options)
  running.push(server)
  return server
}

/** Kills a server under load when it has answered something while it waited for the disk; what it has afterwards is checked. */
async function checkAfterKill(options: ProcessOptions, repliesMin: number, slowMs = SLOW_MS): Promise<History> {
  const strace = ['--seccomp-bpf', '-e', 'trace=fdatasync', '-e', `inject=fdatasync:delay_enter=${slowMs * 1000}`]
  const server = await start({ ...options, strace })
  let replies = 0
  const history = new History('s', new Random(SEED), () => replies++)
  await history.create(await server.connect())
  const loaded = history.run(await server.connect(), 20)
  const info = await server.connect()
  await waitFor(async () => (await info.ask('INFO', 'persistence')).includes('aof_pending_bio_fsync:1'), {
    what: 'an fdatasync that is under way',
  })
  const before = replies
  await waitFor(() => replies >= before + repliesMin, { what: 'replies during an fdatasync' })
  await server.kill()
  await loaded
  running.pop()
  const again = await start(options)
  await history.check(await again.connect())
  return history
}

it(
  `keeps all that was acknowledged when it is killed while the disk is slow (seed ${SEED})`,
  { timeout: 60_000 },
  async () => {
    const everysec = await checkAfterKill({ directory: temporaryDirectory('slow'), fsync: 'everysec' }, 1000)
    expect(everysec.acknowledged).toBeGreaterThan(1000)
    const always = await checkAfterKill({ directory: temporaryDirectory('slow'), fsync: 'always' }, 20, 300)
    expect(always.acknowledged).toBeGreaterThanOrEqual(20)
  },
)

it(`sees what redis-server loses then (seed ${SEED})`, { timeout: 60_000 }, async () => {
  const redis: ProcessOptions = { directory: temporaryDirectory('slow'), fsync: 'everysec', program: 'redis' }
  await expect(checkAfterKill(redis, 1000)).rejects.toThrow(/sent commands is in its state after \d+ of these/)
})

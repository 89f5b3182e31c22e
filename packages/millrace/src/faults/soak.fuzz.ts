/**
 * Everything at once for a while, with a line that breaks every second or two: nothing is lost, and what the process holds does not
 * grow. Seconds as a rule; ten minutes with MILLRACE_LONG.
 */
import { createInterface } from 'node:readline'
import { endChild, startChild, startProxy, startRedis } from '@millrace/testing'
import { expect, it } from 'vitest'
import { howMany } from './testing/fault-backends.ts'
import { atEnd } from './testing/scenario.ts'

interface Line {
  readonly heapUsed: number
  readonly kept: number
  readonly sockets: number
  readonly adding: number
}

const SECONDS = howMany(14, 600)
/** Until then all code has run, and the buffers have their size. */
const WARM = Math.max(6, Math.floor(SECONDS / 10))
const PROGRAM = new URL('./testing/soak-child.ts', import.meta.url).pathname

it(
  `holds no more after ${SECONDS} s with a line that breaks than after ${WARM} s`,
  async () => {
    const server = await startRedis()
    atEnd(() => server.stop())
    const proxy = await startProxy({ target: server.port })
    atEnd(() => proxy.stop())
    const args = [
      '--expose-gc',
      '--conditions=@millrace/source',
      '--import',
      'tsx',
      PROGRAM,
      proxy.url,
      String(SECONDS),
    ]
    const child = startChild(process.execPath, args)
    atEnd(() => endChild(child, 'SIGKILL'))
    const lines: Line[] = []
    let end: { sent: number; done: number } | undefined
    let breaks = 0
    for await (const text of createInterface({ input: child.stdout! })) {
      const line = JSON.parse(text) as Line & { end?: true; sent: number; done: number }
      if (line.end === true) {
        end = line
        break
      }
      lines.push(line)
      // Not in the last seconds, so that the last numbers are those of a line that stands.
      if (lines.length % 2 === 0 && lines.length < SECONDS - 4) {
        proxy.cut()
        proxy.restore()
        breaks++
      }
    }
    console.info(`soak: ${SECONDS} s, ${breaks} breaks, ${JSON.stringify(end)}, ${JSON.stringify(lines.at(-1))}`)
    expect(end?.sent).toBeGreaterThan(SECONDS * 100)
    expect(end?.done).toBe(end?.sent)
    const early = lines.slice(WARM, WARM + Math.max(4, Math.floor(SECONDS / 10)))
    const late = lines.slice(-early.length)
    const middle = (some: readonly Line[], of: (line: Line) => number): number =>
      some.map(of).toSorted((a, b) => a - b)[Math.floor(some.length / 2)]!
    expect(middle(late, ({ heapUsed }) => heapUsed)).toBeLessThan(middle(early, ({ heapUsed }) => heapUsed) * 1.1 + 4e6)
    expect(middle(late, ({ sockets }) => sockets)).toBeLessThanOrEqual(middle(early, ({ sockets }) => sockets) + 1)
    expect(lines.at(-1)!.sockets).toBeLessThan(16)
    expect(lines.at(-1)!.adding).toBeLessThan(200)
  },
  SECONDS * 1000 + 120_000,
)

/**
 * What a good client notices of bad ones: the time from its PING to its PONG, one after the other, while nobody else is there,
 * while 1,000 connections of garbage come every second, and while another client pipelines a million commands, or reads a
 * million entries.
 *
 *   npm run bench -- fairness [seconds of each, default 10]
 *
 * Bars: p99 below 100 ms under garbage, below 50 ms under the rest. The server is a process of its own, the bad clients
 * too, so that what is measured is the server's turn and not this program's.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { cpus } from 'node:os'
import { createConnection, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { millraceProgram } from './peer.ts'

const GARBAGE_A_SECOND = 1000
const PING_EVERY_MS = 2

interface Load {
  readonly name: string
  readonly p99MaxMs: number
}

const loads: readonly Load[] = [
  { name: 'nobody else', p99MaxMs: 50 },
  { name: 'garbage', p99MaxMs: 100 },
  { name: 'a million PINGs', p99MaxMs: 50 },
  { name: 'a million XADDs', p99MaxMs: 50 },
  { name: 'XRANGE of a million', p99MaxMs: 50 },
]

const [role, second, third] = process.argv.slice(2)
if (role === 'bad') await beBad(Number(second), third!)
else await measureAll(Number(role ?? 10))

async function measureAll(seconds: number): Promise<void> {
  console.log(`node ${process.version}, ${cpus()[0]?.model.trim()} x ${cpus().length}, ${seconds} s of each load\n`)
  const server = fork(millraceProgram, { execArgv: [] })
  const { port } = (await messageOf(server)) as { port: number }
  await fill(port)
  console.log('load                  pings     p50 ms    p99 ms    max ms    bar')
  let failed = 0
  for (const load of loads) {
    const bad =
      load.name === 'nobody else' ? undefined : fork(fileURLToPath(import.meta.url), ['bad', String(port), load.name])
    if (bad !== undefined) await messageOf(bad)
    const times = await pings(port, seconds * 1000)
    bad?.kill()
    times.sort((a, b) => a - b)
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))]!
    const isMet = at(0.99) < load.p99MaxMs
    if (!isMet) failed++
    const columns = [times.length, at(0.5).toFixed(2), at(0.99).toFixed(2), at(1).toFixed(2)]
    console.log(
      load.name.padEnd(20),
      ...columns.map((value) => String(value).padStart(9)),
      `  < ${load.p99MaxMs} ${isMet ? 'met' : 'MISSED'}`,
    )
  }
  server.send('end')
  process.exitCode = failed === 0 ? 0 : 1
}

async function messageOf(child: ChildProcess): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`A part of the bench ended with ${code}`)))
  })
}

async function open(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** A stream of a million entries under `big`. */
async function fill(port: number): Promise<void> {
  const socket = await open(port)
  const batch = Buffer.from('XADD big * field value\r\n'.repeat(10_000))
  for (let i = 0; i < 100; i++) socket.write(batch)
  socket.resume()
  socket.end()
  await new Promise((resolve) => socket.once('close', resolve))
}

async function pings(port: number, forMs: number): Promise<number[]> {
  const socket = await open(port)
  const times: number[] = []
  const end = performance.now() + forMs
  while (performance.now() < end) {
    const started = performance.now()
    socket.write('PING\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    times.push(performance.now() - started)
    await delay(PING_EVERY_MS)
  }
  socket.destroy()
  return times
}

/** A bad client, until it is ended. */
async function beBad(port: number, name: string): Promise<void> {
  process.once('disconnect', () => process.exit(0))
  process.send!('begun')
  if (name === 'garbage') return sendGarbage(port)
  const requests: Record<string, string> = {
    'a million PINGs': 'PING\r\n'.repeat(1_000_000),
    'a million XADDs': 'XADD s MAXLEN ~ 10000 * field value\r\n'.repeat(1_000_000),
    'XRANGE of a million': 'XRANGE big - +\r\n',
  }
  const bytes = Buffer.from(requests[name]!)
  const replies = name.startsWith('XRANGE') ? 1 : 1_000_000
  for (;;) await ask(port, bytes, replies)
}

/** Sends all at once, and ends when the server has answered and closed. */
async function ask(port: number, bytes: Buffer, replies: number): Promise<void> {
  const socket = await open(port)
  socket.on('data', () => undefined)
  socket.end(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
  if (socket.bytesRead < replies * 5) throw new Error(`Only ${socket.bytesRead} bytes came`)
}

function sendGarbage(port: number): void {
  const everyMs = 10
  setInterval(() => {
    for (let i = 0; i < (GARBAGE_A_SECOND * everyMs) / 1000; i++) {
      const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('*1\r\n$-7\r\nGARBAGE\r\n\0\0\0'))
      socket.on('error', () => socket.destroy())
      socket.resume()
    }
  }, everyMs)
}

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import { endRuns, Run } from './testing/run.ts'

afterEach(endRuns)

async function ask(place: { port: number } | { path: string }, line: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', ...place }, () => socket.write(`${line}\r\n`))
    socket.once('error', reject)
    socket.once('data', (bytes) => {
      socket.destroy()
      resolve(bytes.toString())
    })
  })
}

it('prints where it is ready when it accepts, and ends in order at SIGTERM', async () => {
  const path = join(temporaryDirectory('serve'), 'millrace.sock')
  const run = new Run('serve', '--port', '0', '--bind', '127.0.0.1', '--bind', '127.0.0.2', '--unixsocket', path)
  const lines = await run.ready(3)
  const port = Number(/^ready on 127\.0\.0\.1:(\d+)$/.exec(lines[0]!)![1])
  expect(lines.slice(1)).toEqual([`ready on 127.0.0.2:${port}`, `ready on ${path} (unix)`])
  expect(await ask({ port }, 'PING')).toBe('+PONG\r\n')
  expect(await ask({ path }, 'SET a b')).toBe('+OK\r\n')
  const blocked = createConnection({ port, host: '127.0.0.1' }, () => blocked.write('XREAD BLOCK 0 STREAMS s $\r\n'))
  await once(blocked, 'connect')
  run.child.kill('SIGTERM')
  expect(await run.end()).toBe(0)
  expect(run.err).toBe('')
  await expect(ask({ path }, 'PING')).rejects.toThrow('ENOENT')
})

it('ends with SHUTDOWN', async () => {
  const run = new Run('serve', '--port', '0', '--bind', '127.0.0.1')
  const port = Number((await run.ready(1))[0]!.split(':')[1])
  const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('SHUTDOWN NOSAVE\r\n'))
  expect(await run.end()).toBe(0)
})

it('finds what it has acknowledged when it was killed and starts again', async () => {
  const directory = join(temporaryDirectory('serve'), 'data')
  const args = ['serve', '--port', '0', '--bind', '127.0.0.1', '--dir', directory]
  const first = new Run(...args)
  const port = Number((await first.ready(1))[0]!.split(':')[1])
  expect(await ask({ port }, 'XADD s 1-1 a b')).toBe('$3\r\n1-1\r\n')
  first.child.kill('SIGKILL')
  await first.end()
  const second = new Run(...args, '--appendfsync', 'everysec')
  const again = Number((await second.ready(1))[0]!.split(':')[1])
  expect(await ask({ port: again }, 'XLEN s')).toBe(':1\r\n')
  expect(await ask({ port: again }, 'CONFIG GET appendfsync')).toBe('*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n')
})

it('says in one line why it cannot use a directory, and exits with 1', async () => {
  const file = join(temporaryDirectory('serve'), 'file')
  writeFileSync(file, 'no directory')
  const run = new Run('serve', '--port', '0', '--bind', '127.0.0.1', '--dir', file)
  expect(await run.end()).toBe(1)
  expect(run.err).toMatch(/^[^\n]*file[^\n]*\n$/)
  expect(run.out).toBe('')
})

it('takes a file of redis.conf’s form, the command line before it, and names file and line of what is wrong', async () => {
  const file = join(temporaryDirectory('serve'), 'millrace.conf')
  writeFileSync(file, '# ours\nport 1\nbind 127.0.0.1\nrequirepass "a b"\nslowlog-max-len 7\n')
  const run = new Run('serve', '--config', file, '--port', '0')
  const port = Number((await run.ready(1))[0]!.split(':')[1])
  expect(await ask({ port }, 'AUTH "a b"')).toBe('+OK\r\n')
  writeFileSync(file, 'port 0\n\nmaxmemory 5q\n')
  const broken = new Run('serve', '--config', file)
  expect(await broken.end()).toBe(2)
  expect(broken.err).toBe(`${file}:3: maxmemory is bytes like 500mb or 2gb, not '5q'\n`)
})

it('says what is wrong in one line and exits with 2', async () => {
  const runs: readonly (readonly [Run, RegExp])[] = [
    [new Run('serve', '--port', 'x'), /^--port is a whole number from 0 to 65535, not 'x'\n$/],
    [new Run('serve', '--no-such'), /^unknown option '--no-such'\n$/],
    [new Run('serve', 'something'), /^too many arguments for 'serve'\. .*\n$/],
    [new Run('serve', '--bind', '0.0.0.0', '--port', '0'), /^0\.0\.0\.0 is an address that others can reach.*\n$/],
  ]
  for (const [run, text] of runs) {
    expect(await run.end()).toBe(2)
    expect(run.err).toMatch(text)
    expect(run.out).toBe('')
  }
})

it('exits with 1 when the port is taken', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const address = blocker.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const run = new Run('serve', '--port', String(port))
  expect(await run.end()).toBe(1)
  expect(run.err).toBe(`Cannot listen on 127.0.0.1:${port}: another program listens there\n`)
  blocker.close()
})

it('does not let a client write control bytes into its log', async () => {
  const run = new Run('serve', '--port', '0', '--bind', '127.0.0.1')
  const port = Number((await run.ready(1))[0]!.split(':')[1])
  const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('POST \x1b[31m\r\n'))
  await once(socket, 'close')
  run.child.kill('SIGTERM')
  expect(await run.end()).toBe(0)
  expect(run.err).toContain('Possible attack')
  expect(run.err).not.toMatch(/(?!\n)\p{Cc}/u)
})

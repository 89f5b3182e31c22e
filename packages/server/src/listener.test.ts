import {
  copyFileSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, expect, it } from 'vitest'
import type { ServerOptions } from './options.ts'
import { Wire } from './differential-wire.ts'
import { Server } from './server.ts'

const certificates = join(import.meta.dirname, 'testing', 'tls')
const certificate = (file: string): string => join(certificates, file)
const tls = { port: 0, certFile: certificate('server.crt'), keyFile: certificate('server.key') }
const ca = readFileSync(certificate('ca.crt'))
const client = { cert: readFileSync(certificate('client.crt')), key: readFileSync(certificate('client.key')) }

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function start(options: ServerOptions): Promise<Server> {
  const server = await Server.start({ port: 0, ...options })
  servers.push(server)
  return server
}

/** What is answered to PING over a Unix socket, or a TCP port. */
async function ping(place: { path: string } | { port: number; host: string }): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection(place, () => socket.write('PING\r\n'))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
    socket.once('data', (bytes) => {
      socket.destroy()
      resolve(bytes.toString())
    })
  })
}

async function pingTls(port: number, options: ConnectionOptions = {}): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', ca, ...options }, () => socket.write('PING\r\n'))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
    socket.once('data', (bytes) => {
      resolve(`${bytes.toString()}${socket.getProtocol()} ${socket.getPeerCertificate().subject.CN}`)
      socket.destroy()
    })
  })
}

/** A certificate that only its owner has signed. */
function selfSigned(): { cert: string; key: string } {
  return {
    cert: readFileSync(certificate('stranger.crt'), 'utf8'),
    key: readFileSync(certificate('stranger.key'), 'utf8'),
  }
}

it('listens on both loopback addresses with one port, unless there is no IPv6', async () => {
  const { listeners, port } = await start({})
  expect(listeners[0]!.address).toBe(`127.0.0.1:${port}`)
  expect(await ping({ port, host: '127.0.0.1' })).toBe('+PONG\r\n')
  for (const { address } of listeners.slice(1)) {
    expect(address).toBe(`[::1]:${port}`)
    expect(await ping({ port, host: '::1' })).toBe('+PONG\r\n')
  }
})

it('says what is in the way when it cannot listen, and leaves nothing behind', async () => {
  const blocker = createServer().listen(0, '127.0.0.2')
  await new Promise((resolve) => blocker.once('listening', resolve))
  const address = blocker.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(Server.start({ port, bind: ['127.0.0.1', '127.0.0.2'] })).rejects.toThrow(
    `Cannot listen on 127.0.0.2:${port}: another program listens there`,
  )
  await expect(ping({ port, host: '127.0.0.1' })).rejects.toThrow('ECONNREFUSED')
  blocker.close()
  await expect(Server.start({ port: 0, bind: ['127.0.0.1', '192.0.2.1'], insecure: true })).rejects.toThrow(
    /192\.0\.2\.1.*this machine has no such address/,
  )
  await expect(Server.start({ port: 0, bind: ['-192.0.2.1'], insecure: true })).rejects.toThrow('none of the addresses')
})

it('finds another free port when the one it got is taken on the next address', async () => {
  const server = await start({ bind: ['127.0.0.1', '127.0.0.2', '127.0.0.3'] })
  expect(new Set(server.listeners.map((listener) => listener.port)).size).toBe(1)
})

it('refuses a public address to which anybody may come', async () => {
  for (const host of ['0.0.0.0', '::', 'example.org', '10.1.2.3'])
    await expect(Server.start({ port: 0, bind: ['127.0.0.1', host] })).rejects.toThrow('without a password')
  await expect(Server.start({ port: 0, password: '' })).rejects.toThrow('empty password')
  const directory = temporaryDirectory('acl')
  const open = join(directory, 'open.acl')
  writeFileSync(open, 'user default on nopass ~* &* +@all\n')
  await expect(Server.start({ port: 0, bind: ['0.0.0.0'], aclFile: open })).rejects.toThrow('without a password')
  const closed = join(directory, 'closed.acl')
  writeFileSync(closed, 'user worker on >secret ~* +@all\n')
  await start({ bind: ['0.0.0.0'], aclFile: closed })
  await start({ bind: ['0.0.0.0'], password: 'pw' })
  await start({ bind: ['0.0.0.0'], insecure: true })
})

it('has a Unix socket that is its owner’s from the first moment, and goes with the server', async () => {
  const directory = temporaryDirectory('unix')
  const path = join(directory, 'millrace.sock')
  const umask = process.umask(0)
  try {
    const server = await start({ unixSocket: path, port: false })
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(readdirSync(directory)).toEqual(['millrace.sock'])
    expect(await ping({ path })).toBe('+PONG\r\n')
    await server.close()
    expect(readdirSync(directory)).toEqual([])
  } finally {
    process.umask(umask)
  }
})

it('gives a Unix socket the permissions that it is told', async () => {
  const path = join(temporaryDirectory('unix'), 'millrace.sock')
  await start({ unixSocket: path, unixSocketMode: 0o770 })
  expect(statSync(path).mode & 0o777).toBe(0o770)
})

it('replaces a socket that nobody listens on, and nothing else', async () => {
  const directory = temporaryDirectory('unix')
  const path = join(directory, 'millrace.sock')
  const first = await start({ unixSocket: path })
  await expect(Server.start({ port: 0, unixSocket: path })).rejects.toThrow('another program listens there')
  expect(await ping({ path })).toBe('+PONG\r\n')
  await first.close()
  const dead = createServer().listen(join(directory, 'dead'))
  await new Promise((resolve) => dead.once('listening', resolve))
  // A socket's file stays when its program is killed: here as a hard link would leave it.
  linkSync(join(directory, 'dead'), path)
  await new Promise((resolve) => dead.close(resolve))
  await start({ unixSocket: path })
  expect(await ping({ path })).toBe('+PONG\r\n')
  const file = join(directory, 'notes.txt')
  writeFileSync(file, 'mine')
  await expect(Server.start({ port: 0, unixSocket: file })).rejects.toThrow('a file that is no socket')
  expect(readFileSync(file, 'utf8')).toBe('mine')
})

it('leaves the place of its Unix socket to a server that has taken it over', async () => {
  const path = join(temporaryDirectory('unix'), 'millrace.sock')
  const first = await start({ unixSocket: path })
  unlinkSync(path)
  await start({ unixSocket: path })
  await first.close()
  expect(existsSync(path)).toBe(true)
  expect(await ping({ path })).toBe('+PONG\r\n')
})

it('speaks TLS 1.2 and later on its own port, large replies and pipelines included', async () => {
  const { tlsPort } = await start({ tls })
  expect(await pingTls(tlsPort)).toBe('+PONG\r\nTLSv1.3 localhost')
  expect(await pingTls(tlsPort, { maxVersion: 'TLSv1.2' })).toBe('+PONG\r\nTLSv1.2 localhost')
  await expect(
    pingTls(tlsPort, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  ).rejects.toThrow()
  const socket = connectTls({ port: tlsPort, host: '127.0.0.1', ca })
  socket.write(`ECHO ${'x'.repeat(60_000)}\r\n`.repeat(100))
  let bytes = 0
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes === 100 * 60_010) resolve()
    })
  })
  socket.destroy()
})

it('lets only those in who show a certificate of its authority, when it is told one', async () => {
  const { tlsPort } = await start({ tls: { ...tls, caFile: certificate('ca.crt') } })
  await expect(pingTls(tlsPort)).rejects.toThrow()
  expect(await pingTls(tlsPort, client)).toContain('+PONG')
})

it('takes clients with and without a certificate, when that is optional', async () => {
  const { tlsPort } = await start({ tls: { ...tls, caFile: certificate('ca.crt'), clients: 'optional' } })
  expect(await pingTls(tlsPort)).toContain('+PONG')
  expect(await pingTls(tlsPort, client)).toContain('+PONG')
  // Signed by nobody that the server knows.
  const stranger = selfSigned()
  await expect(pingTls(tlsPort, stranger)).rejects.toThrow()
})

it('reads its certificate again, and keeps the old one when the new one is not right', async () => {
  const directory = temporaryDirectory('tls')
  const [certFile, keyFile] = [join(directory, 'a.crt'), join(directory, 'a.key')]
  copyFileSync(tls.certFile, certFile)
  copyFileSync(tls.keyFile, keyFile)
  const server = await start({ tls: { port: 0, certFile, keyFile } })
  const serial = async (): Promise<string> =>
    await new Promise((resolve, reject) => {
      const socket = connectTls({ port: server.tlsPort, host: '127.0.0.1', ca }, () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      })
      socket.once('error', reject)
    })
  const before = await serial()
  copyFileSync(certificate('client.crt'), certFile)
  expect(() => server.reloadTls()).toThrow()
  expect(await serial()).toBe(before)
  copyFileSync(certificate('client.key'), keyFile)
  server.reloadTls()
  expect(await serial()).not.toBe(before)
})

it('takes other TLS files by CONFIG SET, and stays with those it has when they do not fit', async () => {
  const server = await start({ tls: { port: 0, certFile: tls.certFile, keyFile: tls.keyFile } })
  const wire = await Wire.connect(server.port)
  const serial = async (): Promise<string> =>
    await new Promise((resolve, reject) => {
      const socket = connectTls({ port: server.tlsPort, host: '127.0.0.1', ca }, () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      })
      socket.once('error', reject)
    })
  const before = await serial()
  const [cert, key] = [certificate('client.crt'), certificate('client.key')]
  const refusal = "-ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - "
  expect(await wire.ask('CONFIG', 'SET', 'tls-cert-file', cert)).toContain(
    `${refusal}The TLS certificate and key cannot`,
  )
  expect(await wire.ask('CONFIG', 'SET', 'tls-cert-file', '/nowhere', 'maxclients', '7')).toBe(
    `${refusal}Cannot read the TLS certificate /nowhere: there is no such file or directory\r\n`,
  )
  expect(await wire.ask('CONFIG', 'SET', 'tls-ca-cert-file', cert)).toContain('CA certificates cannot begin')
  expect(await serial()).toBe(before)
  expect(server.state.settings.maxClients).toBe(10_000)
  expect(await wire.ask('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key)).toBe('+OK\r\n')
  expect(await serial()).not.toBe(before)
  expect(await wire.ask('CONFIG', 'GET', 'tls-key-file')).toContain(key)
  wire.destroy()
})

it('refuses TLS files where there is no TLS', async () => {
  const server = await start({})
  const wire = await Wire.connect(server.port)
  expect(await wire.ask('CONFIG', 'SET', 'tls-key-file', 'a')).toContain('this server was started without TLS')
  wire.destroy()
})

it('says which TLS file it cannot read', async () => {
  await expect(Server.start({ port: 0, tls: { ...tls, keyFile: '/nowhere/key' } })).rejects.toThrow(
    'Cannot read the TLS key /nowhere/key: there is no such file or directory',
  )
})

it('survives peers that speak no TLS, and those that leave in the handshake', async () => {
  const { tlsPort } = await start({ tls })
  await expect(ping({ port: tlsPort, host: '127.0.0.1' })).rejects.toThrow()
  const leaving = createConnection({ port: tlsPort, host: '127.0.0.1' }, () => {
    leaving.write(Buffer.from([22, 3, 1]))
    leaving.destroy()
  })
  expect(await pingTls(tlsPort)).toContain('+PONG')
})

it('closes a plain connection that begins with a TLS handshake', async () => {
  const { port } = await start({})
  await expect(
    new Promise((_resolve, reject) => {
      connectTls({ port, host: '127.0.0.1', ca }).once('error', reject)
    }),
  ).rejects.toThrow()
})

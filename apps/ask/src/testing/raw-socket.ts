/**
 * A TCP connection to a server, and a WebSocket on it without a library between: the test decides what is sent, byte
 * by byte, and when something is read.
 */
import { connect, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { waitFor } from '@millrace/testing'

export function openTcp(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  return socket
}

/** A WebSocket to engine.io, open and silent. */
export async function openWebSocket(port: number, headers: Readonly<Record<string, string>> = {}): Promise<Socket> {
  const socket = openTcp(port)
  const lines = Object.entries({
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${lines.join('')}\r\n`)
  await receive(socket, '"sid"')
  return socket
}

/** Resolves when this text has come. */
export async function receive(socket: Socket, text: string): Promise<void> {
  let received = ''
  const listen = (bytes: Buffer): void => void (received += bytes.toString('latin1'))
  socket.on('data', listen)
  try {
    await waitFor(() => received.includes(text), { what: `${text} from the server` })
  } finally {
    socket.off('data', listen)
  }
}

/** One frame as a client sends it, masked with zeros; text for a string, binary for bytes. */
export function frame(data: string | Buffer): Buffer {
  const body = Buffer.from(data)
  const opcode = typeof data === 'string' ? 0x81 : 0x82
  if (body.length < 126) return Buffer.concat([Buffer.from([opcode, 0x80 | body.length]), Buffer.alloc(4), body])
  const isLong = body.length > 0xffff
  const head = Buffer.alloc(isLong ? 14 : 8)
  head.writeUInt8(opcode, 0)
  head.writeUInt8(isLong ? 0xff : 0xfe, 1)
  if (isLong) head.writeBigUInt64BE(BigInt(body.length), 2)
  else head.writeUInt16BE(body.length, 2)
  return Buffer.concat([head, body])
}

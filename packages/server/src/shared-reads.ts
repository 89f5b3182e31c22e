/**
 * TCP and Unix sockets whose bytes all arrive in one buffer, which every connection of the process reads from in turn.
 *
 *   socket A ──bytes──► ┌──────────────┐ ──► parsed in place, replies made ──► what waits for the rest is copied
 *   socket B ──bytes──► │    64 KiB    │ ──► …
 *                       └──────────────┘
 *
 * A socket of Node's takes a new buffer of 64 KiB for each read, and puts what came through a stream. Without both a
 * pipeline of 16 XADDs costs the server a quarter less: 1.6 to 1.8 s of processor time for a million, instead of 2.2 to 2.6
 * on the same busy machine (bench/wire.ts).
 *
 * `onread` is net.Socket's documented option for that, but a server gives no way to pass it to the sockets that it makes.
 * So the socket of an accepted client hands its handle to another one that has it. Where that is not possible (a TLS socket,
 * another runtime) the socket is used as it is.
 */
import { Socket, type OnReadOpts } from 'node:net'

const BUFFER_BYTES = 65_536

/** Who gets the bytes. They are in place until it returns. */
export interface SharedReader {
  receiveShared(bytes: Buffer, length: number): void
}

export interface SharingSocket {
  readonly socket: Socket
  /** To be set in the turn in which the socket was made. */
  reader: SharedReader | undefined
}

/** What a socket has besides its documented members, and what is needed of it. */
interface Inside {
  _handle?: { readonly useUserBuffer?: unknown } | null
  _server?: unknown
  server?: unknown
}

interface InsideOptions {
  readonly handle: unknown
  readonly allowHalfOpen: boolean
  readonly readable: boolean
  readonly writable: boolean
  readonly onread: OnReadOpts
}

// One for the process: a turn is over before the next one's bytes are read.
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** A socket in the place of one that was accepted and has not begun to read; undefined where that one has to do. */
export function sharingReads(accepted: Socket): SharingSocket | undefined {
  const from = accepted as Inside
  const handle = from._handle
  if (handle === undefined || handle === null || typeof handle.useUserBuffer !== 'function') return undefined
  const { _server: owner, server } = from
  from._handle = null
  from._server = null
  const cell: Pick<SharingSocket, 'reader'> = { reader: undefined }
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      cell.reader?.receiveShared(buffer, length)
      return true
    },
  }
  const options: InsideOptions = { handle, allowHalfOpen: true, readable: true, writable: true, onread }
  const socket = new Socket(options)
  // Its end is counted by the server, as that of the one which it replaces would have been.
  Object.assign(socket as Inside, { _server: owner, server })
  return Object.assign(cell, { socket })
}

/**
 * What a socket's handle reads and writes, without the books that node:net keeps of each read and write.
 *
 *   net.Socket   handle ──► onread of node:net ──► timers, the stream's state, listeners ──► the reader
 *   here         handle ──► the reader                  its end, an error ──► onread of node:net
 *
 * A reply of a few bytes costs the stream a request object, two functions and its timers' turn, about as much as running a
 * small command. The object is needed only when the system doesn't take the bytes at once: until then one serves all writes.
 *
 * Where a runtime has no such handles, `handleIo` is undefined and net.Socket does it. docs/decisions/017-reads-share-one-buffer.md.
 */
import { getSystemErrorName } from 'node:util'

/** A handle of libuv's, as node:net holds it. */
export interface StreamHandle {
  onread: (this: StreamHandle, bytes: unknown) => unknown
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
}

/** Set when the system has not taken a write at once: what is held and told until it has. */
interface WriteRequest {
  buffer?: Uint8Array
  oncomplete?: (status: number) => void
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  /** What the last call of a handle's left, by the places below. */
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

export class HandleIo {
  readonly #binding: StreamBinding
  readonly #state: Int32Array
  readonly #asyncAt: number
  #request: WriteRequest

  constructor(binding: StreamBinding) {
    this.#binding = binding
    this.#state = binding.streamBaseState
    this.#asyncAt = binding.kLastWriteWasAsync
    this.#request = new binding.WriteWrap()
  }

  /**
   * Hot: writes what nothing waits before. True: the system has taken it. False: `done` is called when it has, or with what
   * went wrong; the bytes are read until then.
   */
  write(handle: StreamHandle, bytes: Uint8Array, done: (error?: Error) => void): boolean {
    const request = this.#request
    const status = handle.writeBuffer(request, bytes)
    if (status === 0 && this.#state[this.#asyncAt] === 0) return true
    this.#request = new this.#binding.WriteWrap()
    if (status === 0) {
      request.buffer = bytes
      request.oncomplete = (code) => done(code < 0 ? systemError(code) : undefined)
    } else {
      // In a later turn, as that of a write which fails later: whoever sends is not called back meanwhile.
      setImmediate(() => done(systemError(status)))
    }
    return false
  }

  /** From now on `receive` is called with the number of bytes that were read into the handle's buffer. */
  onRead(handle: StreamHandle, receive: (length: number) => void): void {
    const state = this.#state
    const place = this.#binding.kReadBytesOrError
    const { onread } = handle
    // What is returned would be taken for the buffer of the next read.
    handle.onread = function (bytes): unknown {
      const length = state[place]!
      if (length <= 0) return onread.call(this, bytes)
      receive(length)
      return undefined
    }
  }
}

function systemError(status: number): Error {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' })
}

/** undefined: this runtime's sockets are made in another way, or its permissions keep others from them. */
export const handleIo: HandleIo | undefined = findHandleIo()

function findHandleIo(): HandleIo | undefined {
  const { binding } = process as { binding?: (name: string) => unknown }
  if (typeof binding !== 'function') return undefined
  try {
    const found: unknown = binding.call(process, 'stream_wrap')
    return isStreamBinding(found) ? new HandleIo(found) : undefined
  } catch {
    return undefined
  }
}

function isStreamBinding(value: unknown): value is StreamBinding {
  if (typeof value !== 'object' || value === null) return false
  const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = value as Partial<StreamBinding>
  return (
    typeof WriteWrap === 'function' &&
    streamBaseState instanceof Int32Array &&
    typeof streamBaseState[kReadBytesOrError ?? -1] === 'number' &&
    typeof streamBaseState[kLastWriteWasAsync ?? -1] === 'number'
  )
}

export function isStreamHandle(value: unknown): value is StreamHandle {
  if (typeof value !== 'object' || value === null) return false
  const { onread, writeBuffer } = value as Partial<StreamHandle>
  return typeof onread === 'function' && typeof writeBuffer === 'function'
}

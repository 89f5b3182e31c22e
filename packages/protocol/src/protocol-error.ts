/** What a peer sent is not RESP: it gets this sentence after `-ERR Protocol error: `, and the connection ends. */

export class ProtocolError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ProtocolError'
  }
}

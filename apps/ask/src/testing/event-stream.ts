/**
 * A reader of Server-Sent Events for tests: the response's frames, one by one.
 */

export interface EventFrame {
  readonly id?: string
  readonly event: string
  readonly data: string
}

export class EventStream {
  readonly response: Response
  readonly #frames: AsyncGenerator<EventFrame>
  readonly comments: string[] = []

  constructor(response: Response) {
    this.response = response
    this.#frames = this.#read()
  }

  /** The next frame; undefined when the stream has ended. */
  async next(): Promise<EventFrame | undefined> {
    const { value, done } = await this.#frames.next()
    return done === true ? undefined : value
  }

  /** All frames up to and with the first that matches; rejects when the stream ends before. */
  async until(matches: (frame: EventFrame) => boolean): Promise<EventFrame[]> {
    const seen: EventFrame[] = []
    for (;;) {
      const frame = await this.next()
      if (frame === undefined) throw new Error(`The event stream ended after ${JSON.stringify(seen)}`)
      seen.push(frame)
      if (matches(frame)) return seen
    }
  }

  async rest(): Promise<EventFrame[]> {
    const seen: EventFrame[] = []
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) seen.push(frame)
    return seen
  }

  /** Ends the connection, as a browser that goes away. */
  async leave(): Promise<void> {
    await this.#frames.return(undefined)
    // A reader that never began holds no lock to give back.
    if (this.response.body?.locked === false) await this.response.body.cancel()
  }

  async *#read(): AsyncGenerator<EventFrame> {
    let buffered = ''
    const decoder = new TextDecoder()
    for await (const bytes of this.response.body as unknown as AsyncIterable<Uint8Array>) {
      buffered += decoder.decode(bytes, { stream: true })
      const parts = buffered.split('\n\n')
      buffered = parts.pop() ?? ''
      for (const part of parts) {
        if (part.startsWith(':')) this.comments.push(part)
        else yield frameOf(part)
      }
    }
  }
}

function frameOf(text: string): EventFrame {
  const fields = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  )
  const id = fields.get('id')
  return {
    event: fields.get('event') ?? 'message',
    data: fields.get('data') ?? '',
    ...(id === undefined ? {} : { id }),
  }
}

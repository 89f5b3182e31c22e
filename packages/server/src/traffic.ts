/**
 * What goes through a server: bytes in and out, in how many reads and writes, and how much of it a second.
 *
 *   each chunk that is read, each write ──► totals ──sample(), once a second──► rates of the second before
 *
 * Counted by the chunk, so that a command costs nothing more.
 */
export class Traffic {
  reads = 0
  inputBytes = 0
  writes = 0
  outputBytes = 0
  /** Of the time between the last two samples. */
  commandsPerSecond = 0
  inputBytesPerSecond = 0
  outputBytesPerSecond = 0
  #sampledMs: number | undefined = undefined
  #commands = 0
  #inputBytes = 0
  #outputBytes = 0

  /** Hot. */
  received(bytes: number): void {
    this.reads++
    this.inputBytes += bytes
  }

  /** Hot. */
  sent(bytes: number): void {
    this.writes++
    this.outputBytes += bytes
  }

  /** `commands`: how many have run so far. */
  sample(commands: number, nowMs: number): void {
    const seconds = (nowMs - (this.#sampledMs ?? nowMs)) / 1000
    if (seconds > 0) {
      this.commandsPerSecond = rate(commands - this.#commands, seconds)
      this.inputBytesPerSecond = rate(this.inputBytes - this.#inputBytes, seconds)
      this.outputBytesPerSecond = rate(this.outputBytes - this.#outputBytes, seconds)
    }
    this.#sampledMs = nowMs
    this.#commands = commands
    this.#inputBytes = this.inputBytes
    this.#outputBytes = this.outputBytes
  }

  /** CONFIG RESETSTAT. */
  reset(): void {
    this.reads = 0
    this.inputBytes = 0
    this.writes = 0
    this.outputBytes = 0
  }
}

/** Totals may have been reset between two samples. */
function rate(grown: number, seconds: number): number {
  return Math.max(0, Math.round(grown / seconds))
}

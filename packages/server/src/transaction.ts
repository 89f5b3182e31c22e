/** MULTI: what is queued for EXEC, and whether something has spoilt it. */
import type { Request } from '@millrace/protocol'
import type { Command } from './command.ts'

export interface QueuedCommand {
  readonly command: Command
  readonly request: Request
}

export class Transaction {
  isOpen = false
  /** A queued command was refused: EXEC answers EXECABORT. */
  isSpoilt = false
  queue: QueuedCommand[] = []

  begin(): void {
    this.isOpen = true
  }

  end(): void {
    this.isOpen = false
    this.isSpoilt = false
    this.queue = []
  }
}

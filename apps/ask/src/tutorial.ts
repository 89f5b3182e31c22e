/**
 * The tutorial's wire, kept as it is: text in, HTML fragments out, begin and end inside the text.
 *
 *   START:<answer id>;<br/>   escaped text …   <br/>;END:<answer id>
 *
 * That page writes what it gets into `innerHTML`, so `&`, `<` and `>` are escaped. It can only append: after a
 * restart that drops text it is told so, and gets what stays once more.
 */
import { nextText, type AnswerEntry } from '@millrace/relay'

export function startChunk(answer: string): string {
  return `START:${answer};<br/>`
}

export function endChunk(answer: string): string {
  return `<br/>;END:${answer}`
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** Folds an answer's entries into what the tutorial's page appends. */
export class TutorialText {
  #text = ''

  /** The fragment for one entry; empty when there is nothing to show. */
  chunk(entry: AnswerEntry): string {
    const before = this.#text
    this.#text = nextText(before, entry)
    switch (entry.type) {
      case 'delta':
        return escapeHtml(entry.text)
      case 'restarted':
        if (this.#text === before) return ''
        return `<br/>(The answer was interrupted and begins again.)<br/>${escapeHtml(this.#text)}`
      case 'error':
        return `${before === '' ? '' : '<br/>'}${escapeHtml(entry.message)}`
      case 'stopped':
        return `${before === '' ? '' : '<br/>'}(Stopped.)`
      default:
        return ''
    }
  }
}

/** A whole answer for `POST /askQuestionWithoutStream`. */
export class WholeAnswer {
  #text = ''
  #failure: string | undefined

  add(entry: AnswerEntry): void {
    this.#text = nextText(this.#text, entry)
    if (entry.type === 'error') this.#failure = entry.message
  }

  get output(): string {
    return this.#text
  }

  /** Why the model failed, in a sentence. */
  get failure(): string | undefined {
    return this.#failure
  }
}

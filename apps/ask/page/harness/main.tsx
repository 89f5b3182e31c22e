/**
 * For tests only, never shipped: the page's own component for untrusted text, drawn at every boundary at which a stream
 * could have been cut. Each drawing is looked at; what could run or load anything is reported.
 */
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { Prose } from '../src/view/prose.tsx'
import '../src/style.css'

declare global {
  interface Window {
    /** Draws every prefix of `text` and then all of it; resolves what was found that must not be there. */
    drawEveryPrefix: (text: string) => string[]
    /** Draws `before`, then all of `text`, as a reader sees two chunks. */
    drawInTwo: (text: string, cut: number) => string[]
  }
}

const forbidden =
  'script, style, iframe, frame, frameset, object, embed, applet, img, picture, source, video, audio, svg, math, form, input, ' +
  'select, textarea, link, meta, base, template, dialog, marquee, body *[autofocus], [formaction], [srcdoc], [background], [ping]'
const drawnBySelf = '[data-own], .code-head svg, button svg'

const container = document.getElementById('root')!
let texts = 0

function drawSteps(steps: readonly string[], isClosedLast: boolean): string[] {
  const root = createRoot(container)
  const found = new Set<string>()
  const key = texts++
  steps.forEach((text, index) => {
    const closed = isClosedLast && index === steps.length - 1
    flushSync(() => root.render(<Prose key={key} text={text} cuts={0} closed={closed} openArticle={() => undefined} />))
    for (const problem of problemsIn(container)) found.add(`${problem} after ${JSON.stringify(text.slice(-60))}`)
  })
  flushSync(() => root.unmount())
  return [...found]
}

function problemsIn(node: Element): string[] {
  const problems: string[] = []
  for (const element of node.querySelectorAll('*')) {
    if (element.matches(forbidden) && !element.closest(drawnBySelf)) problems.push(element.outerHTML.slice(0, 200))
    for (const { name, value } of element.attributes) {
      const isHandler = name.startsWith('on')
      const isAddress = ['href', 'src', 'xlink:href', 'action', 'data', 'poster', 'srcset'].includes(name)
      if (isHandler || (isAddress && !/^(?:https?:\/\/|#\/handbook\/[a-z0-9-]+$)/.test(value)))
        problems.push(`${name}=${value}`)
      if (name === 'style' && /url\(|expression|@import/i.test(value)) problems.push(`style=${value}`)
    }
  }
  return problems
}

window.drawEveryPrefix = (text) => {
  const steps = Array.from({ length: text.length }, (_, index) => text.slice(0, index + 1))
  return drawSteps([...steps, text], true)
}
window.drawInTwo = (text, cut) => drawSteps([text.slice(0, cut), text], true)

/**
 * Syntax colours by shiki, loaded apart from the page: the JavaScript regex engine (the page's
 * policy forbids WebAssembly), a few languages, and a theme whose colours are names, so that they become classes.
 */
import type { HighlighterCore } from 'shiki/core'

export interface Token {
  readonly text: string
  /** A class for its colour. */
  readonly className: string
}

/** Longer code stays plain: colouring it would hold up the page. */
export const HIGHLIGHT_CHARS_MAX = 30_000

const ALIASES: Readonly<Record<string, string>> = {
  redis: 'redis',
  'redis-cli': 'redis',
  resp: 'redis',
  ts: 'typescript',
  typescript: 'typescript',
  js: 'typescript',
  javascript: 'typescript',
  mjs: 'typescript',
  node: 'typescript',
  json: 'json',
  sh: 'shellscript',
  bash: 'shellscript',
  shell: 'shellscript',
  zsh: 'shellscript',
  console: 'shellscript',
  py: 'python',
  python: 'python',
  yaml: 'yaml',
  yml: 'yaml',
}

export function grammarOf(lang: string): string | undefined {
  return Object.hasOwn(ALIASES, lang.toLowerCase()) ? ALIASES[lang.toLowerCase()] : undefined
}

export class Highlighter {
  readonly #core: HighlighterCore

  private constructor(core: HighlighterCore) {
    this.#core = core
  }

  static async load(): Promise<Highlighter> {
    const [{ createHighlighterCore, createCssVariablesTheme }, { createJavaScriptRegexEngine }, { REDIS_GRAMMAR }] =
      await Promise.all([import('shiki/core'), import('shiki/engine/javascript'), import('./redis-grammar.ts')])
    const core = await createHighlighterCore({
      engine: createJavaScriptRegexEngine({ forgiving: true }),
      themes: [createCssVariablesTheme({ name: 'names', variablePrefix: '--tk-', variableDefaults: {} })],
      langs: [
        REDIS_GRAMMAR,
        import('@shikijs/langs/typescript'),
        import('@shikijs/langs/json'),
        import('@shikijs/langs/shellscript'),
        import('@shikijs/langs/python'),
        import('@shikijs/langs/yaml'),
      ],
    })
    return new Highlighter(core)
  }

  lines(code: string, grammar: string): readonly (readonly Token[])[] {
    const lines = this.#core.codeToTokensBase(code, { lang: grammar, theme: 'names' })
    return lines.map((line) => line.map(({ content, color }) => ({ text: content, className: classOf(color) })))
  }
}

/** `var(--tk-token-keyword)` → `tk-token-keyword`. */
function classOf(color: string | undefined): string {
  return /--(tk-token-[a-z-]+)/.exec(color ?? '')?.[1] ?? ''
}

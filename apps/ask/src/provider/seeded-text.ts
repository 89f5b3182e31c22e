/**
 * Text that is the same for the same seed, in pieces of the size of a model's tokens: Markdown with
 * paragraphs, lists and characters of two, three and four bytes.
 */

const words =
  `a the stream entry group reader worker of to and in is that keeps waits reads claims sends never always each one after
  before log pending acknowledged delivered window window's mill race water wheel **strong** _mild_ \`XADD\` \`XREADGROUP\` café
  naïve über größe Ωmega 日本語 流れ поток 🌊 👩‍💻 e\u0301tude — “quoted” 3.14 100 % &amp; <b> $`.split(/\s+/)

/** `count` pieces; joined they are the text. */
export function seededTokens(seed: number, count: number): string[] {
  const random = randomFrom(seed)
  const tokens: string[] = []
  while (tokens.length < count) {
    const draw = random()
    const word = words[Math.floor(random() * words.length)]!
    if (tokens.length === 0) tokens.push(word)
    else if (draw < 0.02) tokens.push(`.\n\n${word}`)
    else if (draw < 0.04) tokens.push(`\n- ${word}`)
    else tokens.push(` ${word}`)
  }
  return tokens
}

export function seededText(seed: number, count: number): string {
  return seededTokens(seed, count).join('')
}

/** Pieces of any text: at most six characters of a word with the white space before it. */
export function tokensOf(text: string): string[] {
  return text.match(/\s*\S{1,6}|\s+/gu) ?? []
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/**
 * A user: whether it may log in and with what, and its selectors.
 *
 *   user worker on #2d71… ~orders:* resetchannels -@all +@stream (%R~logs:* resetchannels -@all +@read)
 *        └name  └flags └SHA-256 of a password  └────── root selector ──────┘ └─── another one ───┘
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { AclCommands } from './acl-commands.ts'
import { AclRuleError, ruleErrors, Selector } from './acl-selector.ts'

type PayloadRule = 'sanitize-payload' | 'skip-sanitize-payload'

export class User {
  readonly name: string
  readonly #commands: AclCommands
  #isOn = false
  #needsNoPassword = false
  #payloadRule: PayloadRule | undefined = undefined
  #passwords: string[] = []
  #root: Selector
  #others: Selector[] = []
  #selectors: readonly Selector[]
  /** Hot: nothing that this user asks for is ever refused, so nothing is looked at. */
  isUnrestricted = false

  constructor(name: string, commands: AclCommands) {
    this.name = name
    this.#commands = commands
    this.#root = new Selector(commands)
    this.#selectors = [this.#root]
  }

  /** The user that everybody is at first: all is allowed. */
  static createDefault(commands: AclCommands): User {
    const user = new User('default', commands)
    user.applyAll(['on', 'nopass', '~*', '&*', '+@all'])
    return user
  }

  copy(): User {
    const copy = new User(this.name, this.#commands)
    copy.become(this)
    return copy
  }

  /** Takes over all rules of another user. */
  become(other: User): void {
    this.#isOn = other.#isOn
    this.#needsNoPassword = other.#needsNoPassword
    this.#payloadRule = other.#payloadRule
    this.#passwords = [...other.#passwords]
    this.#root = other.#root.copy()
    this.#others = other.#others.map((selector) => selector.copy())
    this.#settle()
  }

  get isOn(): boolean {
    return this.#isOn
  }

  get needsNoPassword(): boolean {
    return this.#needsNoPassword
  }

  get passwords(): readonly string[] {
    return this.#passwords
  }

  get root(): Selector {
    return this.#root
  }

  get others(): readonly Selector[] {
    return this.#others
  }

  /** All of them, the root first. */
  get selectors(): readonly Selector[] {
    return this.#selectors
  }

  get flags(): string[] {
    const flags = [this.#isOn ? 'on' : 'off']
    if (this.#needsNoPassword) flags.push('nopass')
    if (this.#payloadRule !== undefined) flags.push(this.#payloadRule)
    return flags
  }

  /** As a line of an ACL file has it. */
  get text(): string {
    const parts = ['user', this.name, ...this.flags, ...this.#passwords.map((hash) => `#${hash}`), this.#root.text]
    for (const selector of this.#others) parts.push(`(${selector.text})`)
    return parts.join(' ')
  }

  /** Compares in a time that does not depend on where the difference is. */
  hasPassword(password: Uint8Array): boolean {
    const digest = createHash('sha256').update(password).digest()
    let found = this.#needsNoPassword
    for (const hash of this.#passwords) if (timingSafeEqual(digest, Buffer.from(hash, 'hex'))) found = true
    return found
  }

  /** Takes all rules, in order; throws an `AclRuleError` at the first bad one, having taken those before it. */
  applyAll(rules: readonly string[]): void {
    for (const rule of rules) this.apply(rule)
  }

  apply(rule: string): void {
    const change = wordRules.get(rule.toLowerCase())
    if (change !== undefined) change(this)
    else if (rule[0] === '>') this.#addPassword(hashOf(rule.slice(1)))
    else if (rule[0] === '#') this.#addPassword(validHash(rule.slice(1)))
    else if (rule[0] === '<') this.#removePassword(hashOf(rule.slice(1)))
    else if (rule[0] === '!') this.#removePassword(validHash(rule.slice(1)))
    else if (rule[0] === '(' && rule.endsWith(')')) this.#addSelector(rule.slice(1, -1))
    else this.#root.apply(rule)
    this.#settle()
  }

  /** What is asked for at each request is at hand. */
  #settle(): void {
    this.isUnrestricted = this.#root.isUnrestricted
    this.#selectors = [this.#root, ...this.#others]
  }

  setOn(isOn: boolean): void {
    this.#isOn = isOn
  }

  setNeedsNoPassword(isFree: boolean): void {
    this.#needsNoPassword = isFree
    this.#passwords = []
  }

  setPayloadRule(rule: PayloadRule): void {
    this.#payloadRule = rule
  }

  clearSelectors(): void {
    this.#others = []
  }

  #addPassword(hash: string): void {
    if (!this.#passwords.includes(hash)) this.#passwords.push(hash)
    this.#needsNoPassword = false
  }

  #removePassword(hash: string): void {
    const at = this.#passwords.indexOf(hash)
    if (at < 0) throw new AclRuleError(ruleErrors.noSuchPassword)
    this.#passwords.splice(at, 1)
  }

  #addSelector(text: string): void {
    const selector = new Selector(this.#commands)
    for (const rule of text.split(/[\t\n\v\f\r ]+/)) if (rule !== '') selector.apply(rule)
    this.#others.push(selector)
  }
}

/** A Map: what Object.prototype has by name is no rule. */
const wordRules: ReadonlyMap<string, (user: User) => void> = new Map<string, (user: User) => void>([
  ['on', (user) => user.setOn(true)],
  ['off', (user) => user.setOn(false)],
  ['nopass', (user) => user.setNeedsNoPassword(true)],
  ['resetpass', (user) => user.setNeedsNoPassword(false)],
  ['sanitize-payload', (user) => user.setPayloadRule('sanitize-payload')],
  ['skip-sanitize-payload', (user) => user.setPayloadRule('skip-sanitize-payload')],
  ['clearselectors', (user) => user.clearSelectors()],
  [
    'reset',
    (user) =>
      user.applyAll(['resetpass', 'resetkeys', 'resetchannels', 'off', 'sanitize-payload', 'clearselectors', '-@all']),
  ],
])

function hashOf(password: string): string {
  return createHash('sha256').update(Buffer.from(password, 'latin1')).digest('hex')
}

function validHash(hash: string): string {
  if (!/^[0-9a-f]{64}$/.test(hash)) throw new AclRuleError(ruleErrors.badHash)
  return hash
}

/** A command and its arguments in one line, as redis-cli hints them: `XADD key [NOMKSTREAM] <* | id> field value [...]`. */
import type { ArgumentDoc, Command } from './command.ts'

export function syntaxOf({ name, arguments: args = [] }: Command): string {
  return [name.toUpperCase().replace('|', ' '), ...args.map(argumentSyntax)].join(' ')
}

function argumentSyntax(argument: ArgumentDoc): string {
  const { token, isOptional, isMultiple, isMultipleToken } = argument
  const value = valueSyntax(argument)
  const repeated = isMultiple === true ? `${value} [${isMultipleToken === true ? `${token} ` : ''}${value} ...]` : value
  const withToken = token === undefined || argument.type === 'pure-token' ? repeated : `${token} ${repeated}`
  return isOptional === true ? `[${withToken}]` : withToken
}

function valueSyntax({ name, type, token, arguments: args = [] }: ArgumentDoc): string {
  switch (type) {
    case 'pure-token':
      return token!
    case 'oneof':
      return args.length === 1 ? argumentSyntax(args[0]!) : `<${args.map(argumentSyntax).join(' | ')}>`
    case 'block':
      return args.map(argumentSyntax).join(' ')
    default:
      return name
  }
}

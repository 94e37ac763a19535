/**
 * Deliberate faults in the sources. A fault replaces one expression or statement of one named function, found by its syntax: how
 * the source is formatted and commented does not matter.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'

export const root = resolve(__dirname, '../../..')

export interface Mutant {
  readonly name: string
  readonly file: string
  /** The function: `compare`, `Replica.live` or `Replica.#apply`; accessors, constructors and fields by their names, too. */
  readonly place: string
  /** A {@link Pattern} of an expression or a statement that stands there once. */
  readonly from: string
  /** `$` is what it stood for. Empty to remove a statement. */
  readonly to: string
}

/** Source text, in which `$` stands for any one expression or statement, and a lone `$$` for any list of arguments. */
type Pattern = string

/** Faults of one file, by name. */
export const faultsIn = (
  file: string,
  faults: Readonly<Record<string, readonly [place: string, from: Pattern, to: string]>>,
): Mutant[] => Object.entries(faults).map(([name, [place, from, to]]) => ({ name, file, place, from, to }))

/** The source with the fault in it. */
export function mutated({ name, file, place, from, to }: Mutant): string {
  const source = sourceOf(file)
  const { text } = source
  const within = find(source, place)
  if (within === undefined) throw new Error(`${name}: ${file} has no ${place}`)
  const found = search(within, parsePattern(from))
  const [match] = found
  if (match === undefined || found.length > 1) throw new Error(`${name}: ${place} has ${found.length} times: ${from}`)
  const { node, any } = match
  const replacement = to === '' ? ';' : to.replace(/\$/g, () => any)
  const result = text.slice(0, node.getStart()) + replacement + text.slice(node.end)
  const { parseDiagnostics } = parse(result) as ts.SourceFile & { parseDiagnostics: ts.Diagnostic[] }
  if (parseDiagnostics.length > 0) throw new Error(`${name}: ${to} does not fit in there`)
  return result
}

const sources = new Map<string, ts.SourceFile>()

function sourceOf(file: string): ts.SourceFile {
  const source = sources.get(file) ?? parse(readFileSync(join(root, file), 'utf8'))
  sources.set(file, source)
  return source
}

const parse = (text: string) => ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true)

/** The function, class member or variable of that name. */
function find(source: ts.SourceFile, place: string): ts.Node | undefined {
  const [first, member] = place.split('.')
  const isNamed = (node: ts.Node, name: string | undefined) =>
    ts.isConstructorDeclaration(node)
      ? name === 'constructor'
      : (node as Partial<ts.NamedDeclaration>).name?.getText() === name
  for (const statement of source.statements) {
    const declarations = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement]
    const declaration = declarations.find((each) => isNamed(each, first))
    if (declaration === undefined) continue
    if (member === undefined) return declaration
    if (ts.isClassDeclaration(declaration)) return declaration.members.find((each) => isNamed(each, member))
  }
  return undefined
}

/** A pattern that is an expression matches it wherever it stands. */
function parsePattern(text: Pattern): ts.Node {
  const { statements } = parse(`async function* f() { ${text} }`)
  const [statement, ...more] = (statements[0] as ts.FunctionDeclaration).body?.statements ?? []
  if (statement === undefined || more.length > 0) throw new Error(`not one statement or expression: ${text}`)
  const node = ts.isExpressionStatement(statement) ? statement.expression : statement
  // An object literal needs parentheses to be no block.
  return ts.isParenthesizedExpression(node) ? node.expression : node
}

interface Match {
  readonly node: ts.Node
  /** The text that `$` stands for. */
  readonly any: string
}

function search(node: ts.Node, pattern: ts.Node): Match[] {
  const any: string[] = []
  if (isLike(node, pattern, any)) return [{ node, any: any[0] ?? '' }]
  return node.getChildren().flatMap((child) => search(child, pattern))
}

function isLike(node: ts.Node, pattern: ts.Node, any: string[]): boolean {
  if (isWildcard(pattern)) {
    any.push(node.getText())
    return true
  }
  if (node.kind !== pattern.kind) return false
  if (ts.isStringLiteral(node)) return node.text === (pattern as ts.StringLiteral).text
  const [parts, wanted] = [partsOf(node), partsOf(pattern)]
  if (wanted.length === 1 && wanted[0]?.getText() === '$$') return true
  if (parts.length !== wanted.length) return false
  if (parts.length === 0) return node.getText() === pattern.getText()
  return parts.every((part, i) => isLike(part, wanted[i] as ts.Node, any))
}

const isWildcard = (pattern: ts.Node): boolean =>
  (ts.isIdentifier(pattern) || ts.isExpressionStatement(pattern)) && pattern.getText() === '$'

/** The children, without what a formatter may add or leave out. */
function partsOf(node: ts.Node): readonly ts.Node[] {
  const parts = node.getChildren().filter((child) => child.kind !== ts.SyntaxKind.SemicolonToken && !ts.isJSDoc(child))
  const isTrailing = node.kind === ts.SyntaxKind.SyntaxList && parts.at(-1)?.kind === ts.SyntaxKind.CommaToken
  return isTrailing ? parts.slice(0, -1) : parts
}

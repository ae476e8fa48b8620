/** The syntax tree of @huggingface/jinja's parser, as far as templates here may use it. */

interface Named {
  type: 'Identifier';
  value: string;
}

export type Node =
  | Program
  | Named
  | { type: 'Comment'; value: string }
  | { type: 'If'; test: Node; body: Node[]; alternate: Node[] }
  | { type: 'For'; loopvar: Node; iterable: Node; body: Node[]; defaultBlock: Node[] }
  | { type: 'Break' }
  | { type: 'Continue' }
  | { type: 'Set'; assignee: Node; value: Node | null; body: Node[] }
  | { type: 'Macro'; name: Named; args: Node[]; body: Node[] }
  | { type: 'IntegerLiteral' | 'FloatLiteral'; value: number }
  | { type: 'StringLiteral'; value: string }
  | { type: 'ArrayLiteral' | 'TupleLiteral'; value: Node[] }
  | { type: 'ObjectLiteral'; value: Map<Node, Node> }
  | { type: 'MemberExpression'; object: Node; property: Node; computed: boolean }
  | { type: 'SliceExpression'; start?: Node; stop?: Node; step?: Node }
  | Call
  | { type: 'FilterExpression'; operand: Node; filter: Named | Call }
  | { type: 'TestExpression'; operand: Node; negate: boolean; test: Named }
  | { type: 'UnaryExpression'; operator: { value: string }; argument: Node }
  | { type: 'BinaryExpression'; operator: { value: string }; left: Node; right: Node }
  | { type: 'Ternary'; condition: Node; trueExpr: Node; falseExpr: Node }
  | { type: 'SelectExpression'; lhs: Node; test: Node }
  | { type: 'KeywordArgumentExpression'; key: Named; value: Node };

interface Call {
  type: 'CallExpression';
  callee: Node;
  args: Node[];
}

export interface Program {
  type: 'Program';
  body: Node[];
}

import { describe, expect, it } from 'vitest';
import { afterHashes, chosenLetter, lastBoxed, markedAnswer, statedAnswer } from '../../src/tasks/answers';
import { numericAnswer } from '../../src/tasks/arithmeticChat';
import { canonicalAnswer, jsonl, sameAnswer } from '../../src/tasks/jsonl';

describe('where an answer is', () => {
  it.each([
    ['so \\boxed{18}.', '18'],
    ['\\boxed{1} then \\boxed{2}', '2'],
    ['\\boxed{\\frac{1}{2}}', '\\frac{1}{2}'],
    ['\\boxed{\\{1, 2\\}}', '\\{1, 2\\}'],
    ['\\boxed{a \\text{if } x_{1} > 0}', 'a \\text{if } x_{1} > 0'],
    ['\\fbox{3}', '3'],
    ['\\boxed 5 eggs', '5'],
    ['\\boxed{ 7 }', '7'],
    // quoted instruction after the answer, and a box that was cut off
    ['\\boxed{7} is what goes into \\boxed{}', '7'],
    ['\\boxed{7} or rather \\boxed{12', '7'],
    ['\\boxed{7}, in the form \\boxed{answer} as asked', '7'],
    ['\\boxed{answer}', null],
    ['so boxed{7}', '7'],
    ['the boxed {7}', null],
    ['\\boxed{12', null],
    ['18', null],
  ])('finds the last box of %j: %j', (text, box) => expect(lastBoxed(text)).toBe(box));

  it('knows marks after hashes and in sentences, the box first', () => {
    expect(afterHashes('2+3=5\n#### 5\n')).toBe('5');
    expect(afterHashes('#### 5\nand so\n#### -1,000')).toBe('-1,000');
    expect(afterHashes('#### ')).toBe(null);
    expect(afterHashes('### 5')).toBe(null);
    expect(statedAnswer('The answer is 5. No, the final answer is: **6** because 2*3=6.')).toBe('6');
    expect(statedAnswer('Answer: $1,234.50, of course')).toBe('$1,234.50');
    expect(statedAnswer('I cannot answer 5 questions')).toBe(null);
    expect(markedAnswer('#### 1\nThe answer is 2. \\boxed{3}')).toBe('3');
    expect(markedAnswer('The answer is 2.\n#### 1')).toBe('1');
  });

  it.each([
    ['She makes 9*2=18. \\boxed{18}', '18'],
    ['\\boxed{\\$1{,}080.00}', '1080'],
    ['\\boxed{x = 5}', '5'],
    ['\\boxed{-3}', '-3'],
    ['#### 18 eggs', '18'],
    ['The answer is 18 eggs because 16-3-4=9.', '18'],
    ['The answer is $-12$.', '-12'],
    // A number without a mark is no answer; neither is a box with none.
    ['9*2 = 18', null],
    ['The answer is not 5, it is 6', null],
    ['\\boxed{5 or 6}', null],
    ['The answer is 5. \\boxed{unknown}', null],
    ['', null],
    // as small instruct models write
    ['The answer is $1,234.50.', '1234.5'],
    ['**Answer**: 12', '12'],
    ['**Final Answer:** 12', '12'],
    ['The final answer is:\n\\[\n18\n\\]', '18'],
    ['The answer is:\n$$\n18\n$$', '18'],
    ['The answer is "42".', '42'],
    ['The answer is therefore 42.', '42'],
    ['The answer to the question is 42.', '42'],
    ['The answer is −5.', '-5'],
    ['The answer is 1/2 = 0.5.', '0.5'],
    ['The answer is 2:30.', null],
    ['The answer is not 5 but 7.', null],
    ['\\boxed{\\frac{-3}{4}}', '-0.75'],
    ['$\\boxed{10}$ dollars', '10'],
    ['\\boxed{ 5 \\text{ eggs} }', '5'],
    ['\\boxed{5 \\text{ (apples)}}', '5'],
    ['\\boxed{\\text{Answer: } 18}', '18'],
    ['\\boxed{1.5 \\times 10^3}', '1500'],
    ['\\boxed{1.000}', '1'],
    ['\\boxed{12,000}', '12000'],
    ['\\boxed{18 + 3 = 21}', '21'],
    ['\\boxed{2+3=5, 5+4=9}', '9'],
    ['\\boxed{x = 5, y = 6}', null],
    ['\\boxed{x=5 \\text{ and } y=6}', null],
    // hashes as a heading, with the answer in it or below it
    ['#### Step 4: Add up\nThe answer is 18.', '18'],
    ['#### Final Answer: 18', '18'],
    ['#### Step 4: Add up\n16 + 2 = 18', null],
    ['#### 4. Conclusion\nThe answer is 18.', '18'],
    // a number after the hashes is the answer, whatever is said below
    ['#### 18\n\nI hope this answer is helpful!', '18'],
    ['#### $18\nThe answer is right because 9*2=18.', '18'],
    // a list, and a minus
    ['The answer is:\n\n- 5 eggs', '5'],
    ['The answer is:\n-5', '-5'],
    ['The answer is - 5', '-5'],
    // what others answered
    ["The answer is 5. Agent 2's final answer is 6, which forgets a step.", '5'],
    ['My answer is 5. Their answer is 6.', '5'],
    ["Agent 1's answer is 5 and agent 2's answer is 6.", null],
    ["The other agents' answer is 6.", null],
    ["So the problem's answer is 5.", '5'],
    ["Let's answer: 12.", '12'],
  ])('reads the number of %j as %j', (text, number) => expect(numericAnswer(text)).toBe(number));

  it.each([
    ['\\boxed{B}', 'B'],
    ['\\boxed{(b)}', 'B'],
    ['\\boxed{\\text{C}}', 'C'],
    ['\\boxed{D) Paris}', 'D'],
    ['\\boxed{B. Paris}', 'B'],
    ['\\boxed{Paris}', null],
    ['\\boxed{BD}', null],
    ['A is wrong. The answer is (B).', 'B'],
    ['The answer is **C**', 'C'],
    ['Answer: D because of its age', 'D'],
    ['the answer is B, not A', 'B'],
    ['The answer is option C.', 'C'],
    ['The answer is A dog', null],
    ['The answer is A', 'A'],
    ['The answer is a dog', null],
    ['The answer is I think B', null],
    ['B', 'B'],
    ['(B)', 'B'],
    ['A) is wrong, as B is older', null],
    ['**Answer**: B', 'B'],
    ['The answer is $B$.', 'B'],
    ['The answer is "B".', 'B'],
    ['The answer is [B].', 'B'],
    ['The correct option is B.', 'B'],
    ['#### Conclusion\nThe answer is B', 'B'],
    ['\\boxed{\\texttt{B}}', 'B'],
    ['\\boxed{Answer: B}', 'B'],
    ['\\boxed{$B$}', 'B'],
    ['\\boxed{C. E}', 'C'],
    ['\\boxed{A, B}', null],
    ['\\boxed{A and B}', null],
    ['\\boxed{a, b}', null],
    ['\\boxed{(a) and (b)}', null],
    ['\\boxed{A, a dog}', 'A'],
    ['The answer is B or C', null],
    ['The answer is B, C', null],
    ['The answer is (A), (B), and (D).', null],
    ['The answer is B, C, because both fit.', null],
    ['The answer is B, I think.', 'B'],
    ['The answer is B, A is wrong.', 'B'],
    ['The answer is B. A is wrong.', 'B'],
    ['The answer is not B', null],
    ['B) 12', null],
    ['e.g. this', null],
    ['', null],
  ])('reads the letter of %j as %j', (text, letter) => expect(chosenLetter(text)).toBe(letter));
});

describe('runaway responses', () => {
  /** What a model may repeat up to its length limit, where patterns could look for something in ever new ways. */
  const REPEATED = [' ', '\n', '(', '{', '"', '.', '$', '\\text{a}', 'answer ', 'x = 5, ', '1,', 'a b', '\\frac{1}'];
  const PLACES: ((text: string) => string)[] = [
    (text) => text,
    (text) => `The answer is (${text}x`,
    (text) => `The answer is x = 5 ${text}!`,
    (text) => `\\boxed{(${text}x}`,
    (text) => `#### Answer: a ${text}x`,
  ];
  // A pattern that goes astray takes minutes here instead of milliseconds, and the runner gives up.
  it.each(REPEATED)('end in an answer or none: %j', (text) => {
    for (const place of PLACES) {
      const response = place(text.repeat(4000 / text.length));
      const answers = [numericAnswer, chosenLetter, jsonl.extractAnswer].map((read) => read(response));
      for (const answer of answers) expect(answer === null || answer.length < 5000).toBe(true);
    }
  });
});

describe('answers of own questions', () => {
  it.each([
    ['$\\dfrac{1}{2}$', '0.5'],
    ['18 dollars', '18 $'],
    ['18 $', '18 $'],
    ['20\\text{ cents}', '20 ¢'],
    ['5 feet 3 inches', '5 feet 3 inches'],
    ['60 mph', '60 mi/h'],
    ['60 mi/h', '60 mi/h'],
    ['x = 5', 'x = 5'],
    ['5 = x', 'x = 5'],
    ['\\text{even}', 'even'],
    ['\\left( 1, 2 \\right)', '( 1, 2 )'],
    ['  New   York. ', 'New York'],
    ['\\text{Paris}.', 'Paris'],
    ['"Paris."', 'Paris'],
    ['Answer: Paris', 'Paris'],
    ['x = 5, y = 6', 'x = 5, y = 6'],
    ['', null],
  ])('writes %j as %j', (text, canonical) => expect(canonicalAnswer(text)).toBe(canonical));

  it.each([
    ['\\sqrt{8}', '2\\sqrt{2}'],
    ['x^2-1', '(x-1)(x+1)'],
    ['2x+3', '3+2x'],
    ['\\frac{\\pi}{2}', '\\pi/2'],
    ['\\frac{3}{\\sqrt{3}}', '\\sqrt{3}'],
    ['(1,\\frac12)', '( 1, 0.5 )'],
    ['\\{1,2\\}', '\\{2,1\\}'],
    ['[0,\\sqrt{4})', '[0,2)'],
    ['0.\\overline{3}', '1/3'],
    ['\\sqrt[3]{8}y', '2y'],
    ['Paris', 'paris'],
    ['no', 'No'],
    ['1,000', '1000'],
  ])('takes %j and %j for equal', (a, b) => {
    expect(sameAnswer(a, b)).toBe(true);
    expect(sameAnswer(b, a)).toBe(true);
  });

  it.each([
    ['2x+3', '2x+4'],
    ['\\sqrt{x^2}', 'x'],
    ['|x|', 'x'],
    ['\\sqrt{2}', '1.41421356'],
    ['(1,2)', '(2,1)'],
    ['(1,2)', '[1,2]'],
    ['[2,5)', '[2,5]'],
    ['(1,234)', '1234'],
    ['\\{1,2\\}', '\\{1,2,3\\}'],
    ['\\{1,1\\}', '\\{1,2\\}'],
    ['x', 'X'],
    ['x<3', 'x>3'],
    ['even', 'odd'],
    ['10^{10^{10}}', '1'],
    ['10^{10^{10}}', '10^{10^{11}}'],
    ['\\frac{x', '\\frac{x}{1'],
    ['('.repeat(150), '('.repeat(149)],
    ['\\frac{1}{x-x}', '1'],
    ['Paris', 'London'],
  ])('takes %j and %j for different', (a, b) => {
    expect(sameAnswer(a, b)).toBe(false);
    expect(sameAnswer(b, a)).toBe(false);
  });

  it('reads the mark and keeps what it says', () => {
    expect(jsonl.extractAnswer('So \\boxed{\\text{Paris}}')).toBe('Paris');
    expect(jsonl.extractAnswer('So Paris')).toBe(null);
    expect(jsonl.equal('Paris', jsonl.readGold('paris', {}))).toBe(true);
  });
});

import { describe, expect, it } from 'vitest';
import { readNumber, sameNumber } from '../../src/tasks/numbers';

describe('readNumber', () => {
  it.each([
    // integers and signs
    ['18', '18'],
    [' 007 ', '7'],
    ['-18', '-18'],
    ['−18', '-18'],
    ['+5', '5'],
    ['-0', '0'],
    ['18.', '18'],
    ['(18)', '18'],
    // thousands separators
    ['1,234', '1234'],
    ['-1,234,567.50', '-1234567.5'],
    ['1{,}234', '1234'],
    ['1\\,234', '1234'],
    ['12\\ 345', '12345'],
    ['12\u202f345', '12345'],
    ['1,23', null],
    ['12,34,567', null],
    ['1,2345', null],
    ['1 234', null],
    // decimals and fractions, exactly
    ['2.50', '2.5'],
    ['.5', '0.5'],
    ['-.25', '-0.25'],
    ['1/3', '1/3'],
    ['2/6', '1/3'],
    ['3/4', '0.75'],
    ['-\\frac{3}{6}', '-0.5'],
    ['\\dfrac12', '0.5'],
    ['2\\frac{1}{2}', '2.5'],
    ['2 1/2', '2.5'],
    ['1/0', null],
    ['\\frac{1}{0}', null],
    ['1e3', '1000'],
    ['2.5e-3', '0.0025'],
    ['1/8192', '1/8192'],
    ['\\frac{-3}{4}', '-0.75'],
    ['\\frac{3}{-4}', '-0.75'],
    ['-\\frac{-3}{4}', '0.75'],
    ['\\frac{3.5}{0.2}', '17.5'],
    ['\\frac{1{,}000}{3}', '1000/3'],
    ['2\\frac{-1}{2}', null],
    ['1.5 \\times 10^3', '1500'],
    ['3×10^{-2}', '0.03'],
    ['-2 \\cdot 10^{12} \\text{ m}', '-2000000000000'],
    ['2 \\times 10^{99}', null],
    ['2 \\times 3', null],
    ['10^3', null],
    // currency, percent, units
    ['$18', '18'],
    ['-$5', '-5'],
    ['$-5.00', '-5'],
    ['\\$1,200', '1200'],
    ['$18$', '18'],
    ['18 €', '18'],
    ['£20', '20'],
    ['18%', '18'],
    ['18\\%', '18'],
    ['18 dollars', '18'],
    ['18\\text{ dollars}', '18'],
    ['18 eggs per day', '18'],
    ['60 km/h', '60'],
    ['12\\text{ cm}^2', '12'],
    ['12 m²', '12'],
    ['90^\\circ', '90'],
    ['90°', '90'],
    ['20min', '20'],
    ['5 m', '5'],
    ['2 million', '2000000'],
    ['5 hundred', '500'],
    ['3 hundred thousand people', '300000'],
    ['1.5 Thousand million', '1500000000'],
    ['2 eggs of a million', '2'],
    ['5 constructor', '5'],
    ['5¢', '5'],
    ['5 (apples)', '5'],
    ['5 (6)', null],
    ['Total: 5', '5'],
    ['Total: 5:30', null],
    ["'5'", '5'],
    ['{5}', '5'],
    ['1.5 million dollars', '1500000'],
    ['**18**', '18'],
    // not one number
    ['', null],
    ['eighteen', null],
    ['5 or 6', null],
    ['5 and 6', null],
    ['5 to 7 days', null],
    ['5-6', null],
    ['3:30', null],
    ['5x', null],
    ['2xy', null],
    ['5 x', null],
    ['2\\pi', null],
    ['\\sqrt{2}', null],
    ['1.2.3', null],
    ['1,2', null],
    ['(1,234)', null],
    [`${'1'.repeat(30)}${' '.repeat(1000)}`, null],
    ['3+4', null],
    ['A', null],
    // runaways
    ['9'.repeat(200), null],
    ['1e999', null],
    ['1e99', null],
  ])('reads %j as %j', (text, number) => expect(readNumber(text)).toBe(number));

  it('gives equal numbers one text and unequal ones two', () => {
    expect(sameNumber('0.5', '\\frac{1}{2}')).toBe(true);
    expect(sameNumber('1,000', '1000.00')).toBe(true);
    expect(sameNumber('1/3', '0.3333333333')).toBe(false);
    // Beyond a double's precision.
    expect(sameNumber('9007199254740993', '9007199254740992')).toBe(false);
    expect(sameNumber('0.1', '0.10000000000000001')).toBe(false);
    // Stripped, not converted.
    expect(sameNumber('50%', '0.5')).toBe(false);
    expect(sameNumber('abc', 'abd')).toBe(false);
  });
});

// Structured fields (RFC 9651) as a signature covers them, ours against the package `structured-headers`: ;sf, ;key and
// ;bs of thousands of values, well formed and not. Where the two differ, the difference is named here.

import assert from "node:assert/strict";
import { structuredHeaders as other } from "./client/packages.mjs";
import { askAll, message } from "./client/questions.mjs";

const URL_ASKED = "https://news.example/";
const say = (what) => console.log(`ok  ${what}`);

const BARE = [
  "0", "-0", "1", "-1", "007", "999999999999999", "-999999999999999", "1000000000000000", "1-", "-", "--1", "+1",
  "1.0", "1.50", "-0.0", "0.123", "0.1234", "123456789012.5", "1234567890123.1", "1.", ".1", "1.1.1", "1e3",
  '""', '"a"', '"a b;c,d=e"', '"\\""', '"\\\\"', '"\\a"', '"', '"a', "'a'", '"tab\there"',
  "a", "*a", "a/b:c", "A1", "a!#$%&'*+-.^_`|~", "@a", "a@b", "a b", "a(b",
  ":aGVsbG8=:", "::", ":aGVsbG8:", ":aGVsbG9=:", ":a:", ":a-_b:", ":aGVsbG8=", ":aGVs bG8=:",
  "?0", "?1", "?2", "?", "?10",
  "@0", "@1659578233", "@-1", "@1.5", "@", "@999999999999999", "@1000000000000000",
  '%"a"', '%"%c3%bc"', '%"%C3%BC"', '%"%c3"', '%"%"', '%"%22"', '%"a', "%a",
];
const PARAMETERS = ["", ";a", ";a=1", ";a=?1", ";a=?0", ";a=1;a=2", ";a=1;b;a", "; a=1", ";  a", " ;a", ";A", ";*a-_.1", ";a =1", ";a= 1", ";", ";a=", ";a=()", ";1"];
const INNER = ["()", "( )", "(a)", "(a b)", "(  a   b  )", "(a\tb)", "(a;x b;y=2)", "(a,b)", "(a", "a)", "((a))", '("a" "b")'];
const AROUND = [(value) => value, (value) => ` ${value} `, (value) => `${value}\t`];
const KINDS = {
  item: { field: "client-cert", parse: other.parseItem, serialize: other.serializeItem },
  list: { field: "accept-ch", parse: other.parseList, serialize: other.serializeList },
  dictionary: { field: "priority", parse: other.parseDictionary, serialize: other.serializeDictionary },
};

/** Differences that are known, by name. Each has to be seen: one that is gone has been mended, here or there. */
const KNOWN = {
  "structured-headers writes a decimal without a fraction as an integer": (value, ours, theirs) =>
    theirs !== null && ours?.replace(/(\d)\.0(?!\d)/g, "$1") === theirs,
  "structured-headers reads no date that something follows": (value, ours, theirs) =>
    theirs === null && ours !== null && /@-?\d+[^\d.]/.test(value),
  "structured-headers writes a date beyond those of JavaScript as @NaN": (value, ours, theirs) =>
    theirs?.replace("@NaN", "@999999999999999") === ours,
  "we sign no empty list or dictionary as a whole: RFC 9651 section 4.1 does not write one": (value, ours, theirs) =>
    ours === null && theirs === "",
  "we sign no member that stands twice, nor one whose parameter does: two readers may take different ones": (value, ours) =>
    ours === null && (value.match(/(?<=^|[,;\s])a(?=[=;,\s]|$)/g)?.length > 1 || /;x.*;x/.test(value)),
};
const seen = new Set();

const items = BARE.flatMap((bare) => PARAMETERS.map((parameters) => bare + parameters));
const inner = INNER.flatMap((list) => PARAMETERS.map((parameters) => list + parameters));
const members = ["a", "a;x", "a=1", "a=1;x", "a=(b c);x", "a=?1", "a=?1;x", "*=1", "A=1", "1=a", "a=", "a =1", "a= 1", "=1"];
const joined = (values, joints) => values.flatMap((left) => values.flatMap((right) => joints.map((joint) => left + joint + right)));
const JOINTS = [",", ", ", " ,\t ", ",,", " ", ";", ", ,"];

compare("item", ";sf", [...items, ...AROUND.flatMap((round) => BARE.map(round)), ...INNER, ""]);
compare("list", ";sf", [...items, ...inner, ...joined(["a", "1;x", '"s"', "(a b)", "", "?1"], JOINTS)]);
compare("dictionary", ";sf", [
  ...[...items, ...inner].map((value) => `k=${value}`),
  ...PARAMETERS.map((parameters) => `k${parameters}`),
  ...joined([...members, "b=2", ""], JOINTS),
]);
compare("dictionary", ';key="a"', joined([...members, "b=2", ""], JOINTS));
bytes();
split();
assert.deepEqual([...seen].sort(), Object.keys(KNOWN).sort(), "mended: a difference that was known is gone");
for (const name of seen) say(`as it was: ${name}`);

/** Our line of each value against what the other makes of it. */
function compare(kind, parameter, values) {
  const { field } = KINDS[kind];
  const distinct = [...new Set(values)];
  const answers = askAll(distinct.map((value) => line(field, parameter, [value])));
  let [same, refused] = [0, 0];
  for (const [at, value] of distinct.entries()) {
    const ours = answers[at].line?.slice(`"${field}"${parameter}: `.length) ?? null;
    const theirs = parameter === ";sf" ? strict(kind, value) : member(value);
    refused += Number(ours === null);
    if (ours === theirs) same += 1;
    else seen.add(difference(value, ours, theirs));
  }
  assert.ok(refused < distinct.length && refused > 0, "the values are neither all well formed nor all malformed");
  say(`${kind} ${parameter}: ${same} of ${distinct.length} values alike, ${refused} of all refused`);
}

/** The name of a difference. */
function difference(value, ours, theirs) {
  const found = Object.entries(KNOWN).find(([, is]) => is(value, ours, theirs));
  assert.ok(found, `${JSON.stringify(value)} is ${JSON.stringify(ours)} here and ${JSON.stringify(theirs)} there`);
  return found[0];
}

/** What the other makes of a whole field. */
function strict(kind, value) {
  const { parse, serialize } = KINDS[kind];
  try {
    return serialize(parse(trimmed(value)));
  } catch {
    return null;
  }
}

/** What the other makes of the member `a` of a dictionary. */
function member(value) {
  try {
    const found = other.parseDictionary(trimmed(value)).get("a");
    if (found === undefined) return null;
    return other.isInnerList(found) ? other.serializeInnerList(found) : other.serializeItem(found);
  } catch {
    return null;
  }
}

/** Each line of a field as a byte sequence. */
function bytes() {
  const texts = ["", "a", " a b ", "\t", '"quoted", (list);x', "a, b", ":aGVsbG8=:", "~!@#$%^&*()_+", "x".repeat(1_000)];
  const many = [...texts.map((text) => [text]), ...texts.flatMap((left) => texts.map((right) => [left, right])), texts];
  const answers = askAll(many.map((values) => line("x-any", ";bs", values)));
  for (const [at, values] of many.entries()) {
    const sequences = values.map((value) => [new Uint8Array(Buffer.from(trimmed(value))).buffer, new Map()]);
    assert.equal(answers[at].line, `"x-any";bs: ${other.serializeList(sequences)}`);
  }
  say(`;bs: ${many.length} fields alike`);
}

/** Lines of one field are one value (RFC 9421 section 2.1). */
function split() {
  const whole = other.serializeDictionary(other.parseDictionary("a=1,  b=(x y),c"));
  for (const values of [["a=1,  b=(x y),c"], ["a=1", " b=(x y)", "c "], ["a=1, b=(x y)", "c"]]) {
    assert.deepEqual(askAll([line("priority", ";sf", values)]), [{ line: `"priority";sf: ${whole}` }]);
  }
  say(";sf: a field in several lines is the field in one");
}

/** A value as HTTP hands it on, without the white space around it. */
function trimmed(value) {
  return value.replace(/^[ \t]+|[ \t]+$/g, "");
}

function line(field, parameter, values) {
  const fields = values.map((value) => [field, value]);
  return { ask: "line", message: message(URL_ASKED, { fields }), component: `"${field}"${parameter}` };
}

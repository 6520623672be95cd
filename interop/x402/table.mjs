// The matrix as people and as machines read it.

const COLUMNS = ["client", "server", "facilitator", "way", "chain"];

/** Prints every cell, in order. */
export function print(cells, asJson) {
  const rows = cells.map((cell) => {
    const { client, server, facilitator, way, chain, ok, holds, detail } = cell;
    return { client, server, facilitator, way, chain, ok, expected: holds, detail };
  });
  if (asJson) console.log(JSON.stringify({ cells: rows }, undefined, 2));
  else printTable(rows);
}

function printTable(rows) {
  const widths = COLUMNS.map((name) => Math.max(name.length, ...rows.map((row) => row[name].length)));
  const line = (words) => words.map((word, at) => word.padEnd(widths[at] ?? 0)).join("  ").trimEnd();
  console.log(line([...COLUMNS, "outcome"]));
  for (const row of rows) console.log(line([...COLUMNS.map((name) => row[name]), outcome(row)]));
  const count = (found) => rows.filter(found).length;
  const [ok, failed] = [count((row) => row.ok), count(({ expected }) => !expected)];
  console.log(`${ok} ok, ${failed} failed, ${rows.length - ok - failed} known not to work`);
}

const outcome = ({ ok, expected, detail }) => `${ok ? "ok    " : expected ? "cannot" : "FAILED"}  ${detail}`;
